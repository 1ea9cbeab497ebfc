"""Cross-validation of forecasters on keypoint series, no group's clips on both sides."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed
from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.predictor import KeypointPredictor
from flawcast.generators.forecasters.training import Progress, Recipe

INFERENCE = ("feedback", "metropolis_steps", "metropolis_size")  # settings that train nothing
HELD_OUT = 5  # one training clip of so many decides when training stops


@dataclass(frozen=True)
class Track:
    """Keypoints of one clip, (T, D), and the group that must not be on both sides."""

    clip_id: str
    group: str
    series: Tensor


@dataclass(frozen=True)
class Fold:
    """Which clips are trained on, which watch the training, and which are tested on."""

    name: str
    train: tuple[Track, ...]
    watch: tuple[Track, ...]
    test: tuple[Track, ...]


@dataclass(frozen=True)
class Candidate:
    """A forecaster to be evaluated.

    Args:
        label: Its name in tables ("vrnn, mean feedback").
        name: Its registered name.
        config: Its settings.
    """

    label: str
    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class WindowForecast:
    """Futures of one test window in raw keypoint units.

    Args:
        label: Of the candidate.
        fold: Its name.
        seed: Of training and sampling.
        clip_id: The clip that the window comes from.
        start: First frame of the window.
        samples: (N, F, D); of a forecaster that draws none, its single future, N = 1.
        single: The single best future, (F, D).
        truth: What happened, (F, D).
    """

    label: str
    fold: str
    seed: int
    clip_id: str
    start: int
    samples: NDArray[np.float32]
    single: NDArray[np.float32]
    truth: NDArray[np.float32]


def folds(tracks: Sequence[Track], most: int = 5) -> list[Fold]:
    """Split clips into folds, all clips of a group in one.

    Every group is its own fold, or where there are more than `most`, groups are dealt to the fold
    with the fewest frames, the largest first. Of the clips that are left every fifth watches the
    training.

    Args:
        tracks: All clips.
        most: Folds at most.

    Raises:
        ClipError: If there are fewer than two groups.
    """
    frames: dict[str, int] = {}
    for track in tracks:
        frames[track.group] = frames.get(track.group, 0) + len(track.series)
    if len(frames) < 2:
        raise ClipError(
            f"folds: expected clips of at least two groups, got {len(frames)}; a forecaster tested "
            "on what it was trained on shows nothing: add clips of other sources"
        )
    dealt: list[set[str]] = [set() for _ in range(min(most, len(frames)))]
    for group in sorted(frames, key=lambda name: (-frames[name], name)):
        min(dealt, key=lambda held: sum(frames[name] for name in held)).add(group)
    return [fold_without("+".join(sorted(groups)), tracks, groups) for groups in dealt]


def fold_without(name: str, tracks: Sequence[Track], groups: set[str]) -> Fold:
    """The fold that is tested on some groups; of the other clips every fifth watches.

    Args:
        name: Of the fold.
        tracks: All clips.
        groups: Tested on; none where the tests are elsewhere.
    """
    others = [track for track in tracks if track.group not in groups]
    others.sort(key=lambda track: track.clip_id)
    watch = others[::HELD_OUT] if len(others) > HELD_OUT else others[:1] * (len(others) > 1)
    chosen = {track.clip_id for track in watch}
    return Fold(
        name=name,
        train=tuple(track for track in others if track.clip_id not in chosen),
        watch=tuple(watch),
        test=tuple(track for track in tracks if track.group in groups),
    )


def fit_candidate(
    candidate: Candidate,
    fold: Fold,
    past: int,
    future: int,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: Progress = lambda epoch, train, held_out: None,
    checkpoint: Path | None = None,
) -> KeypointPredictor:
    """Fit one forecaster to the training clips of a fold.

    Args:
        candidate: What to fit.
        fold: On which clips.
        past: P.
        future: F.
        seed: Of initial weights and training.
        recipe: How long and how fast; the defaults if not given.
        progress: See `KeypointPredictor.fit`.
        checkpoint: See `KeypointPredictor.fit`.

    Raises:
        ClipError: If no training clip is long enough.
        ModelError: If training diverges.
    """
    features = fold.train[0].series.shape[1]
    config = dict(candidate.config)
    if "horizon" in FORECASTERS[candidate.name].Config.model_fields:
        config.setdefault("horizon", future)
    predictor = KeypointPredictor(candidate.name, features, config)
    predictor.fit(
        [track.series for track in fold.train],
        past,
        future,
        validation=[track.series for track in fold.watch],
        seed=seed,
        recipe=recipe or Recipe(),
        progress=progress,
        checkpoint=checkpoint,
    )
    return predictor


def sharing_weights(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group candidates that differ in inference alone, in the order of each group's first."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(_what_is_trained(candidate), []).append(candidate)
    return list(groups.values())


def used_as(predictor: KeypointPredictor, candidate: Candidate) -> KeypointPredictor:
    """A fitted predictor as one of the candidates that share its weights."""
    settings = {key: value for key, value in candidate.config.items() if key != "preset"}
    return predictor.varied(candidate.name, **settings)


def forecast_windows(
    predictor: KeypointPredictor,
    candidate: Candidate,
    fold: Fold,
    past: int,
    future: int,
    *,
    samples: int = 100,
    seed: int = 0,
) -> Iterator[WindowForecast]:
    """Forecast the non-overlapping windows of a fold's test clips.

    Every window's noise comes from its own seed, so that windows may be shared out at will.

    Args:
        predictor: Fitted on this fold.
        candidate: What it is.
        fold: Whose test clips.
        past: P.
        future: F.
        samples: N.
        seed: Of the noise.
    """
    length = past + future
    for track in fold.test:
        for start in range(0, len(track.series) - length + 1, length):
            seen, truth = track.series[start : start + length].split([past, future])
            generator = torch.Generator().manual_seed(derive_seed(seed, track.clip_id, start))
            single = predictor.predict(seen, future)
            drawn = single[None]
            if predictor.forecaster.stochastic:
                drawn = predictor.sample(seen, future, samples, generator)
            yield WindowForecast(
                label=candidate.label,
                fold=fold.name,
                seed=seed,
                clip_id=track.clip_id,
                start=start,
                samples=drawn.numpy(),
                single=single.numpy(),
                truth=truth.numpy(),
            )


def _what_is_trained(candidate: Candidate) -> str:
    """Equal for candidates whose weights are the same."""
    name = FORECASTERS[candidate.name].weights_of or candidate.name
    config = {key: value for key, value in candidate.config.items() if key not in INFERENCE}
    return json.dumps([name, config], sort_keys=True)
