"""Pieces of an evaluation by rendering: keypoints of a training clip, scores of a test window."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.files import whole_file
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.evaluation.by_rendering.features import Features
from flawcast.flows.evaluation.by_rendering.strips import draw_strips
from flawcast.flows.evaluation.fitting import Fitting, read_fit
from flawcast.flows.evaluation.horizon import Horizon
from flawcast.flows.evaluation.tables import write_rows
from flawcast.flows.generate.kept import render_and_keep
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.sampled import Observed, Sampled, observe, sample_futures
from flawcast.generators.backbones import MotionBackbone, load_backbone
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.clips import ClipEntry, read_entry
from flawcast.generators.clips.listing import TRAIN
from flawcast.generators.clips.times import pieces_of
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.cross_validation import Candidate, Track, fold_without, used_as
from flawcast.generators.forecasters.predictor import FILE
from flawcast.generators.forecasters.training import Recipe
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.weights import read_weights, write_weights
from flawcast.selection.metrics import METRICS, mae, sample_diversity, ssim, temporal_coherence

UNFORECAST = "no forecasting"  # rendered with the true keypoints: what the motion model can do
TRUTH = "truth"


@lru_cache(maxsize=1)
def worker_backbone(folder: Path) -> MotionBackbone:
    """The motion model of a worker process, read once, in its inference form."""
    return for_inference(load_backbone(folder))


@dataclass(frozen=True)
class TrackPiece:
    """Keypoints of one training clip.

    Args:
        entry: The clip.
        clips: How it is read.
        model: Model folder.
        path: The file to write them to.
    """

    entry: ClipEntry
    clips: ClipSettings
    model: Path
    path: Path

    @property
    def title(self) -> str:
        """The clip, for people."""
        return f"keypoints of {self.entry.name}"

    def work(self) -> None:
        """Compute and store the keypoints."""
        clip = read_entry(self.entry, self.clips)
        series = {"series": keypoints_of(worker_backbone(self.model), clip.frames)}
        if clip.gaps:
            series["gaps"] = torch.tensor(clip.gaps)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as draft:
            write_weights(draft, series, {"clip": self.entry.name})


@dataclass(frozen=True)
class TrainPiece:
    """One forecaster's training on the keypoints of training clips.

    Args:
        candidate: The forecaster to train.
        tracks: Keypoint files to train on.
        horizon: Past and future.
        seed: Seeds the initial weights and the training.
        recipe: How long and how fast.
        folder: Where the fitted predictor is kept.
    """

    candidate: Candidate
    tracks: tuple[Path, ...]
    horizon: Horizon
    seed: int
    recipe: Recipe
    folder: Path

    @property
    def title(self) -> str:
        """The candidate and the horizon, for people."""
        return f"{self.candidate.label}, {self.horizon}"

    @property
    def done(self) -> bool:
        """Whether it was trained before."""
        return (self.folder / FILE).is_file()

    def work(self) -> None:
        """Train; every fifth clip is for validation."""
        tracks = [
            Track(path.stem, TRAIN, piece) for path in self.tracks for piece in _read_pieces(path)
        ]
        fold = fold_without("", tracks, set())
        Fitting(self.candidate, fold, self.horizon, self.seed, self.recipe, self.folder).work()


def _read_pieces(path: Path) -> Iterator[Tensor]:
    """Keypoints of a clip between two pauses of its camera: no window spans one."""
    values, _ = read_weights(path)
    series, gaps = values["series"], values.get("gaps", torch.zeros(0)).int().tolist()
    for first, end in pieces_of(len(series), gaps):
        yield series[first:end]


@dataclass(frozen=True)
class Fitted:
    """A candidate, and where its weights are.

    Args:
        candidate: Its label and settings.
        trained: The candidate that was trained; it may differ in inference.
        folder: The folder of its weights.
        diverse: Whether its samples are rendered, too, not only its single future.
    """

    candidate: Candidate
    trained: Candidate
    folder: Path
    diverse: bool

    def predictor(self) -> KeypointPredictor:
        """The predictor, read once per process."""
        predictor = read_fit(self.folder)
        if self.candidate == self.trained:
            return predictor
        return used_as(predictor, self.candidate)


@dataclass(frozen=True)
class WindowPiece:
    """One test window in one mode, forecast by all and rendered.

    Args:
        plan: The window, the source frame and the mode.
        settings: Horizon, samples and the like.
        clips: How clips are read.
        model: Model folder.
        fitted: The forecasters.
        features: The features from which distances are computed.
        metrics: Names of further metrics of the kept samples.
        cell: The file for the scores.
        strips: The picture of truth and forecasts.
    """

    plan: SetPlan
    settings: GenerateSettings
    clips: ClipSettings
    model: Path
    fitted: tuple[Fitted, ...]
    features: Features
    metrics: tuple[str, ...]
    cell: Path
    strips: Path

    @property
    def title(self) -> str:
        """The window, for people."""
        return self.plan.title

    @torch.no_grad()
    def work(self) -> None:
        """Forecast, render and score; write the picture first and the scores last."""
        past = self.settings.past
        observed = observe(self.plan, worker_backbone(self.model), self.settings, self.clips)
        actual = observed.scene.render(observed.keypoints[past:])
        reference = actual if self.plan.mode == "transfer" else observed.truth
        singles = {UNFORECAST: actual}
        for one in self.fitted:
            future = one.predictor().predict(observed.keypoints[:past], self.settings.future)
            singles[one.candidate.label] = observed.scene.render(future)
        rows = [self._single(name, video, reference) for name, video in singles.items()]
        rows.append(self._single(TRUTH, reference, reference))
        rows += list(self._diverse(observed, reference))
        draw_strips(self.strips, observed.past, {TRUTH: observed.truth, **singles}, self.plan.title)
        write_rows(self.cell, rows)

    def _single(
        self, name: str, video: NDArray[np.uint8], reference: NDArray[np.uint8]
    ) -> dict[str, Any]:
        """Scores of one video."""
        return self._row(name, "single") | {
            "mae": float(mae(video[None], reference)[0]),
            "ssim": float(ssim(video[None], reference)[0]),
            "coherence": movement(video[None], reference),
            "features": self.features.compute(video),
        }

    def _diverse(
        self, observed: Observed, reference: NDArray[np.uint8]
    ) -> Iterator[dict[str, Any]]:
        """Scores of the kept samples of every forecaster whose samples are rendered."""
        past = observed.keypoints[: self.settings.past]
        for one in self.fitted:
            if not one.diverse:
                continue
            futures = sample_futures(self.plan, one.predictor(), past, self.settings)
            futures = observed.context.possible(futures)
            closest = render_and_keep(
                Sampled(**vars(observed), futures=futures), reference, self.settings
            )
            kept, errors = closest.videos, closest.mae[closest.indices]
            yield self._row(one.candidate.label, "diverse") | {
                "mae": float(errors.mean()),
                "best": float(errors.min()),
                "ssim": float(ssim(kept, reference).mean()),
                "apd": float(sample_diversity(kept).mean()),
                "coherence": movement(kept, reference),
                **{column(name): number_of(name, kept, reference) for name in self.metrics},
            }

    def _row(self, name: str, kind: str) -> dict[str, Any]:
        """The columns that all rows share; scores that not every row has are None."""
        return {
            "clip": self.plan.entry.name,
            "label": self.plan.entry.label,
            "start": self.plan.window.start,
            "mode": self.plan.mode,
            "horizon": f"{self.settings.past}-{self.settings.future}",
            "forecaster": name,
            "kind": kind,
            "apd": None,
            "best": None,
            "features": None,
            **{column(name): None for name in self.metrics},
        }


def column(metric: str) -> str:
    """Where a row has the value of a further metric: beside the scores that all have."""
    return f"metric_{metric}"


def movement(videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float | None:
    """Movement divided by the reference's; None if the reference stands still."""
    ratio = temporal_coherence(videos, reference)
    return None if math.isnan(ratio) else ratio


def number_of(metric: str, videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float | None:
    """Mean of a registered metric over the videos; None if it is undefined for one of them."""
    mean = float(METRICS[metric](videos, reference).mean())
    return None if math.isnan(mean) else mean
