"""From clips to a model folder: motion model, then keypoints, then forecaster."""

import csv
import hashlib
import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from configs.errors import ClipError, SettingsError
from configs.identity import content_id, derive_seed
from configs.settings import TrainSettings
from flows.display import Display
from flows.reconstruction_sheet import reconstruction_sheet
from generators.backbones import MotionBackbone, build_backbone
from generators.checkpoint import Checkpoint
from generators.clips import Reject, iter_clips
from generators.demo import draw_line
from generators.forecasters import KeypointPredictor
from generators.frames import to_tensor
from generators.model import check_free, save_model
from generators.motion_training import (
    reconstruction_error,
    train_backbone,
)

SHEET = "reconstruction.png"
LOSSES = "motion_losses.csv"
LOSSES_EVERY = 10


@dataclass(frozen=True)
class TrainClip:
    """What training keeps of a clip."""

    id: str
    name: str
    frames: NDArray[np.uint8]
    split: str


@dataclass(frozen=True)
class TrainSummary:
    """What a training amounts to.

    Args:
        model: The model folder.
        clips: Clips trained on.
        held_out: Clips measured on.
        metrics: Errors on the held-out clips, by name.
        rejects: Clips that were left out.
        seconds: Duration.
    """

    model: Path
    clips: int
    held_out: int
    metrics: dict[str, float]
    rejects: tuple[Reject, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**asdict(self), "model": str(self.model)}


def print_training(summary: TrainSummary, console: Console) -> None:
    """Show the errors on held-out clips, the clips left out, and where the model is."""
    table = Table(title=f"on {summary.held_out} held-out clips, trained on {summary.clips}")
    table.add_column("error")
    table.add_column("model", justify="right")
    table.add_column("baseline", justify="right")
    metrics = summary.metrics
    rows = [
        (
            "reconstruction MAE, pixels (copy first frame)",
            "reconstruction_mae",
            "copy_first_frame_mae",
        ),
        ("best future MAE, keypoints (hold last frame)", "forecast_mae", "forecast_hold_mae"),
        ("best of 100 MAE, keypoints", "forecast_best_of_100_mae", "forecast_hold_mae"),
    ]
    for name, ours, baseline in rows:
        if ours in metrics:
            table.add_row(name, f"{metrics[ours]:.4f}", f"{metrics[baseline]:.4f}")
    if "forecast_coherence" in metrics:
        table.add_row(
            "samples' movement over the truth's", f"{metrics['forecast_coherence']:.2f}", "1"
        )
    console.print(table)
    for reject in summary.rejects:
        console.print(f"left out: {reject.name}: {reject.reason}", highlight=False, markup=False)
    console.print(f"model: {summary.model}, {summary.seconds:.0f} s", highlight=False)
    console.print(f"look at: {summary.model / SHEET}", highlight=False, soft_wrap=True)


def train(
    clips: Path | None, settings: TrainSettings, out: Path, display: Display | None = None
) -> TrainSummary:
    """Train a model on a folder of clips, or on the built-in line where the preset says so.

    Args:
        clips: Folder of clips; None for the preset's built-in line.
        settings: From a preset.
        out: Model folder to write; new or empty.
        display: Shows progress; None shows nothing.

    Returns:
        Where the model is and how well it does on clips that it has not seen.

    Raises:
        FlawcastError: If the clips, the settings or the folder cannot be used.
    """
    display = display or Display.silent()
    began = time.perf_counter()
    check_free(out)
    rejects: list[Reject] = []
    everything = _read_clips(clips, settings, rejects, display)
    seen, unseen = split_clips(everything, settings)
    backbone = build_backbone(settings.backbone.name, settings.backbone.config, settings.seed)
    workshop = out.with_name(f".{out.name}.training")
    train_motion(backbone, seen, settings, workshop, display)
    motion = reconstruction_error(backbone, [clip.frames for clip in unseen])
    predictor = _train_forecaster(backbone, seen, unseen, settings, display)
    metrics = {
        "reconstruction_mae": motion.model,
        "copy_first_frame_mae": motion.copy,
        **forecast_metrics(predictor, _series(backbone, unseen), settings),
    }
    card = _card(settings, seen, unseen, metrics, time.perf_counter() - began)
    save_model(out, backbone, predictor, card)
    (workshop / LOSSES).replace(out / LOSSES)
    shutil.rmtree(workshop)
    reconstruction_sheet(backbone, [clip.frames for clip in unseen], out / SHEET)
    return TrainSummary(
        out, len(seen), len(unseen), metrics, tuple(rejects), time.perf_counter() - began
    )


def split_clips(
    clips: Sequence[TrainClip], settings: TrainSettings
) -> tuple[list[TrainClip], list[TrainClip]]:
    """Divide clips into those to train on and those to measure on.

    Clips whose split is "test" are held out; without any, a share of the clips drawn by the seed
    is. A single clip has to serve for both.
    """
    unseen = [clip for clip in clips if clip.split == "test"]
    if not unseen:
        order = np.random.default_rng(derive_seed(settings.seed, "split")).permutation(len(clips))
        count = max(1, round(settings.held_out * len(clips)))
        unseen = [clips[index] for index in sorted(order[:count])]
    seen = [clip for clip in clips if clip.split != "test" and clip not in unseen]
    return (seen, unseen) if seen else (list(clips), unseen)


def forecast_metrics(
    predictor: KeypointPredictor, series: Sequence[torch.Tensor], settings: TrainSettings
) -> dict[str, float]:
    """Errors of the forecaster on held-out windows, beside those of repeating the last frame.

    Mean absolute errors are in keypoint units; `forecast_coherence` is the mean frame-to-frame
    displacement of the samples over that of the truth (1 is right).
    """
    past, future = settings.forecast.past, settings.forecast.future
    generator = torch.Generator().manual_seed(derive_seed(settings.seed, "forecast metrics"))
    best_future, hold, best_sample, moved, truly = [], [], [], [], []
    for track in series:
        for start in range(0, len(track) - past - future + 1, past + future):
            seen, truth = track[start : start + past + future].split([past, future])
            samples = predictor.sample(seen, future, 100, generator)
            best_future.append((predictor.predict(seen, future) - truth).abs().mean())
            hold.append((seen[-1] - truth).abs().mean())
            best_sample.append((samples - truth).abs().mean(dim=(1, 2)).min())
            moved.append(samples.diff(dim=1).abs().mean())
            truly.append(truth.diff(dim=0).abs().mean())
    means = {
        "forecast_mae": best_future,
        "forecast_hold_mae": hold,
        "forecast_best_of_100_mae": best_sample,
    }
    metrics = {name: torch.stack(values).mean().item() for name, values in means.items() if values}
    if truly:
        metrics["forecast_coherence"] = (sum(moved) / sum(truly).clamp_min(1e-9)).item()
    return metrics


def _read_clips(
    folder: Path | None, settings: TrainSettings, rejects: list[Reject], display: Display
) -> list[TrainClip]:
    """Read all clips, or draw the built-in line."""
    clips = []
    with display.reading() as on_clip:
        if folder is not None:
            for clip in iter_clips(folder, settings.clips, 2, rejects.append):
                clips.append(TrainClip(clip.id, clip.name, clip.frames, clip.split))
                on_clip(clip.name)
        elif settings.line is None:
            raise SettingsError("clips: expected a folder of clips, got none; name one")
        else:
            line = settings.line
            for drawn in draw_line(
                line.clips_per_state, line.seed, line.frames, settings.clips.size
            ):
                clip_id = f"line-{hashlib.sha256(drawn.frames.tobytes()).hexdigest()[:16]}"
                clips.append(TrainClip(clip_id, drawn.name, drawn.frames, ""))
                on_clip(drawn.name)
    horizon = settings.forecast.past + settings.forecast.future
    if all(len(clip.frames) < horizon for clip in clips):
        longest = max(len(clip.frames) for clip in clips)
        raise ClipError(
            f"clips: expected one of at least past + future = {horizon} frames, the longest has "
            f"{longest}; lower forecast.past and forecast.future or use longer clips"
        )
    return clips


def train_motion(
    backbone: MotionBackbone,
    clips: Sequence[TrainClip],
    settings: TrainSettings,
    workshop: Path,
    display: Display,
) -> None:
    """Train the backbone in place, or go on where an interrupted training stopped.

    Args:
        backbone: With fresh weights.
        clips: What to train on.
        settings: From a preset.
        workshop: Folder for the checkpoint and the table of losses.
        display: Shows steps and losses.
    """
    workshop.mkdir(parents=True, exist_ok=True)
    ids = sorted(clip.id for clip in clips)
    chosen = settings.model_dump(mode="json", include={"backbone", "motion", "seed"})
    key = content_id("training", clips=ids, **chosen)
    checkpoint = Checkpoint(workshop / "checkpoint.safetensors", key)
    videos = [clip.frames for clip in clips]
    with display.training("motion model", settings.motion.total_steps(len(clips))) as on_step:

        def progress(step: int, values: dict[str, float]) -> None:
            on_step(step, "  ".join(f"{name} {value:.3f}" for name, value in values.items()))
            if step == 1 or step % LOSSES_EVERY == 0:
                _write_losses(workshop / LOSSES, step, values)

        train_backbone(backbone, videos, settings.motion, settings.seed, progress, checkpoint)


def _write_losses(path: Path, step: int, losses: dict[str, float]) -> None:
    """Add a row to the table of losses; the first step begins a new table."""
    with path.open("w" if step == 1 else "a", newline="") as stream:
        table = csv.writer(stream)
        if step == 1:
            table.writerow(["step", *losses])
        table.writerow([step, *(f"{value:.5f}" for value in losses.values())])


@torch.no_grad()
def _series(backbone: MotionBackbone, clips: Sequence[TrainClip]) -> list[torch.Tensor]:
    """Keypoints (T, D) of every clip."""
    return [backbone.keypoints(to_tensor(clip.frames)) for clip in clips]


def _train_forecaster(
    backbone: MotionBackbone,
    seen: Sequence[TrainClip],
    unseen: Sequence[TrainClip],
    settings: TrainSettings,
    display: Display,
) -> KeypointPredictor:
    """Fit the forecaster to the clips' keypoints, watching the held-out ones."""
    forecast = settings.forecast
    predictor = KeypointPredictor(
        settings.forecaster.name, backbone.layout.length, settings.forecaster.config
    )
    with display.training("forecaster", forecast.epochs) as on_epoch:
        predictor.fit(
            _series(backbone, seen),
            forecast.past,
            forecast.future,
            validation=_series(backbone, unseen),
            seed=settings.seed,
            epochs=forecast.epochs,
            seconds=forecast.seconds,
            progress=lambda epoch, train, valid: on_epoch(
                epoch, f"train {train:.2f}  held out {valid:.2f}"
            ),
        )
    return predictor


def _card(
    settings: TrainSettings,
    seen: Sequence[TrainClip],
    unseen: Sequence[TrainClip],
    metrics: dict[str, float],
    seconds: float,
) -> dict[str, Any]:
    """What the model's card says."""
    return {
        "settings": settings.model_dump(mode="json"),
        "clips": {clip.name: clip.id for clip in seen},
        "held_out": {clip.name: clip.id for clip in unseen},
        "metrics": {name: round(value, 6) for name, value in metrics.items()},
        "seconds": round(seconds, 1),
        "versions": {
            "flawcast": version("flawcast"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
