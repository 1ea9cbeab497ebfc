"""Cross-validation of forecasters on keypoint series; a group's clips never train and test."""

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

INFERENCE = ("feedback", "metropolis_steps", "metropolis_size")  # settings of inference only
HELD_OUT = 5  # about one training clip in five is held out and decides when training stops


@dataclass(frozen=True)
class Track:
    """Keypoints of one clip, (T, D), and its group, which is never split between two folds."""

    clip_id: str
    group: str
    series: Tensor


@dataclass(frozen=True)
class Fold:
    """Clips for training, held-out clips that stop the training, and clips for the test."""

    name: str
    train: tuple[Track, ...]
    watch: tuple[Track, ...]
    test: tuple[Track, ...]


@dataclass(frozen=True)
class Candidate:
    """A forecaster to be evaluated.

    Args:
        label: Name in tables ("vrnn, mean feedback").
        name: Registered name of the forecaster.
        config: Settings of the forecaster.
    """

    label: str
    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class WindowForecast:
    """Futures of one test window in raw keypoint units.

    Args:
        label: Label of the candidate.
        fold: Name of the fold.
        seed: Seed of training and sampling.
        clip_id: The clip that the window comes from.
        start: First frame of the window.
        samples: Sampled futures, (N, F, D); the single future, N = 1, if the forecaster cannot
            sample.
        single: The single best future, (F, D).
        truth: The true future, (F, D).
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
    """Split clips into folds; all clips of a group are in one fold.

    Every group is a fold. If there are more than `most` groups, each group in turn, the largest
    first, goes to the fold with the fewest frames. A fold is tested on its groups and trained on
    the other clips, except those that are held out to stop the training (see `watched`).

    Args:
        tracks: All clips.
        most: Largest number of folds.

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
    """Make the fold that is tested on some groups and holds out some of the other clips.

    Args:
        name: Name of the fold.
        tracks: All clips.
        groups: Groups of the test clips; empty if the fold needs no test clips.
    """
    others = [track for track in tracks if track.group not in groups]
    others.sort(key=lambda track: track.clip_id)
    watch = watched(others)
    watch_ids = {track.clip_id for track in watch}
    return Fold(
        name=name,
        train=tuple(track for track in others if track.clip_id not in watch_ids),
        watch=tuple(watch),
        test=tuple(track for track in tracks if track.group in groups),
    )


def watched(tracks: Sequence[Track]) -> list[Track]:
    """Training clips that stop a training: whole groups, if there are two or more.

    A model that fits its own people ever better gets worse on others, so what watches is of other
    groups than what trains. Groups of the fewest clips are held out first, until they have a fifth
    of all clips; the largest group is never held out. If all clips are of one group, or each is a
    group of its own, it is every fifth clip.

    Args:
        tracks: Training clips, sorted by name.

    Example:
        >>> clips = [Track(name, name[0], torch.zeros(9, 2)) for name in ("a1", "a2", "b1", "c1")]
        >>> [track.clip_id for track in watched(clips)]
        ['b1']
    """
    groups: dict[str, list[Track]] = {}
    for track in tracks:
        groups.setdefault(track.group, []).append(track)
    if len(groups) in (1, len(tracks)):
        return list(tracks[::HELD_OUT] if len(tracks) > HELD_OUT else tracks[: len(tracks) > 1])
    frames = {name: sum(len(track.series) for track in own) for name, own in groups.items()}
    held: list[Track] = []
    for name in sorted(groups, key=lambda one: (len(groups[one]), frames[one], one))[:-1]:
        if HELD_OUT * len(held) < len(tracks):
            held += groups[name]
    return held


def fit_candidate(
    candidate: Candidate,
    fold: Fold,
    past: int,
    future: int,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    trained: Mapping[str, KeypointPredictor] | None = None,
    progress: Progress = lambda epoch, train, held_out: None,
    checkpoint: Path | None = None,
) -> KeypointPredictor:
    """Fit one forecaster to the training clips of a fold.

    Args:
        candidate: The forecaster to fit.
        fold: The fold whose training clips are used.
        past: Observed frames of a window, P.
        future: Future frames of a window, F.
        seed: Seed of initial weights and training.
        recipe: Length and rates of the training; None for the defaults.
        trained: See `KeypointPredictor.fit`.
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
        groups=[track.group for track in (*fold.train, *fold.watch)],
        spare=True,
        trained=trained,
        seed=seed,
        recipe=recipe or Recipe(),
        progress=progress,
        checkpoint=checkpoint,
    )
    return predictor


def sharing_weights(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group candidates that differ only in inference; groups are sorted by their first member."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(_what_is_trained(candidate), []).append(candidate)
    return list(groups.values())


def used_as(predictor: KeypointPredictor, candidate: Candidate) -> KeypointPredictor:
    """Use a fitted predictor's weights for another candidate that shares them."""
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

    Every window's noise comes from its own seed, so that any process may forecast any window.

    Args:
        predictor: A predictor fitted on this fold.
        candidate: The candidate that the predictor stands for.
        fold: The fold whose test clips are forecast.
        past: Observed frames of a window, P.
        future: Future frames of a window, F.
        samples: Sampled futures per window, N.
        seed: Seed of the noise.
    """
    length = past + future
    for track in fold.test:
        for start in range(0, len(track.series) - length + 1, length):
            observed, truth = track.series[start : start + length].split([past, future])
            generator = torch.Generator().manual_seed(derive_seed(seed, track.clip_id, start))
            single = predictor.predict(observed, future)
            futures = single[None]
            if predictor.forecaster.stochastic:
                futures = predictor.sample(observed, future, samples, generator)
            yield WindowForecast(
                label=candidate.label,
                fold=fold.name,
                seed=seed,
                clip_id=track.clip_id,
                start=start,
                samples=futures.numpy(),
                single=single.numpy(),
                truth=truth.numpy(),
            )


def _what_is_trained(candidate: Candidate) -> str:
    """A key that is equal for candidates that share their weights."""
    name = FORECASTERS[candidate.name].weights_of or candidate.name
    config = {key: value for key, value in candidate.config.items() if key not in INFERENCE}
    return json.dumps([name, config], sort_keys=True)
