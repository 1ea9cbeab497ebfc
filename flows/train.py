"""From clips to a model folder: motion model, then keypoints, then forecaster."""

import hashlib
import platform
import shutil
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from configs.errors import ClipError, SettingsError
from configs.identity import derive_seed
from configs.settings import TrainSettings
from flows.display import Display
from flows.reconstruction_sheet import SHEET, reconstruction_sheet
from flows.train_motion import LOSSES, TrainClip, pick_device, train_motion
from flows.train_summary import TrainSummary
from generators.backbones import MotionBackbone, build_backbone
from generators.backbones.base import start_from
from generators.clips import Reject, iter_clips
from generators.demo import draw_line
from generators.forecasters import KeypointPredictor
from generators.frames import to_tensor
from generators.model import check_free, find_model, save_model
from generators.motion_training import reconstruction_error


def train(
    clips: Path | None,
    settings: TrainSettings,
    out: Path,
    display: Display | None = None,
    device: str = "auto",
) -> TrainSummary:
    """Train a model on a folder of clips, or on the built-in line where the preset says so.

    Args:
        clips: Folder of clips; None for the preset's built-in line.
        settings: From a preset.
        out: Model folder to write; new or empty.
        display: Shows progress; None shows nothing.
        device: Where the motion model is trained, as PyTorch names it; "auto" for a GPU if there is
            one.

    Returns:
        Where the model is and how well it does on clips that it has not seen.

    Raises:
        FlawcastError: If the clips, the settings or the folder cannot be used.
    """
    display = display or Display.silent()
    began = time.perf_counter()
    check_free(out)
    place = pick_device(device)
    rejects: list[Reject] = []
    everything = _read_clips(clips, settings, rejects, display)
    seen, unseen = split_clips(everything, settings)
    backbone = build_backbone(settings.backbone.name, settings.backbone.config, settings.seed)
    if settings.start is not None:
        start_from(backbone, find_model(settings.start))
    backbone.to(place)
    workshop = out.with_name(f".{out.name}.training")
    train_motion(backbone, seen, unseen, settings, workshop, display)
    backbone.to("cpu")  # what follows is small, and equal on every machine
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
