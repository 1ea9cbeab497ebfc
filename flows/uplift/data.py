"""Training data of the arms: real clips, and samples made only from the clips in use."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.flows.uplift.arms import Arm
from flawcast.flows.uplift.detectors.sights import MIN_FRAMES, Sight
from flawcast.generators.clips import Clip, list_clips
from flawcast.generators.clips.dataset import ClipDataset
from flawcast.generators.clips.listing import VALIDATION


@dataclass(frozen=True)
class Videos:
    """Videos as a detector sees them, with their labels' numbers and clips.

    Args:
        videos: What the detector sees of each, (M, ...).
        labels: The label number of each video, (M,); 0 is good.
        clips: Ids of the clips that gave the motion.
        sources: Ids of the clips that gave the appearance.
        kinds: Mode and forecaster of each video; both are empty for real clips.
        ids: The id of each sample; that of the clip for real ones.
    """

    videos: Tensor
    labels: NDArray[np.int64]
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Real:
    """The real clips, in memory.

    Args:
        names: Labels, the normal one first.
        train: The training clips, at full size and length.
        scored: The clips that detectors are scored on.
        future: F: detectors see the last frames of each clip.
    """

    names: tuple[str, ...]
    train: tuple[Clip, ...]
    scored: tuple[Clip, ...]
    future: int

    def seen_by(self, see: Sight) -> "Material":
        """The clips as a detector sees them."""
        return Material(
            self.names,
            _as_videos(self.train, self.names, self.future, see),
            _as_videos(self.scored, self.names, self.future, see),
        )


@dataclass(frozen=True)
class Material:
    """The real clips as one detector sees them.

    Args:
        names: Labels, the normal one first.
        train: The training clips.
        scored: The clips that it is scored on.
    """

    names: tuple[str, ...]
    train: Videos
    scored: Videos


def read_real(
    folder: Path, read: ClipSettings, past: int, future: int, normal: str, validation: int | None
) -> Real:
    """Read real clips; detectors see the last `future` frames of each.

    Args:
        folder: Clips with the splits "train" and "test".
        read: How clips are read.
        past: P; clips shorter than P + F are left out.
        future: F.
        normal: The label of good clips.
        validation: None to score on the test clips. Else no test clip is read: the clips of the
            split "val" are scored, or without any, every n-th training clip of each label, which
            is not trained on.

    Raises:
        ClipError: If a split is empty, or labels are missing in one.
        SettingsError: If detectors would see too few frames.
    """
    if future < MIN_FRAMES:
        raise SettingsError(
            f"future: expected at least {MIN_FRAMES} frames for detectors to see, got {future}; "
            "use a model or samples with a longer horizon"
        )
    train = list(ClipDataset(folder, read, past + future, "train").clips)
    if validation is None:
        scored = list(ClipDataset(folder, read, past + future, "test").clips)
    elif any(entry.split == VALIDATION for entry in list_clips(folder)):
        scored = list(ClipDataset(folder, read, past + future, VALIDATION).clips)
    else:
        train, scored = _hold_out(train, validation)
    both = sorted({clip.id for clip in train} & {clip.id for clip in scored})
    if both:
        names_of = [clip.name for clip in (*train, *scored) if clip.id == both[0]]
        raise ClipError(
            f"clips: expected other clips to train on than to score on, {' and '.join(names_of)} "
            "hold the same bytes; remove one"
        )
    names = (normal, *sorted({clip.label for clip in train} - {normal}))
    for split, clips in (("train", train), ("those to score on", scored)):
        if {clip.label for clip in clips} != set(names) or len(names) < 2:
            raise ClipError(
                f"clips: expected {normal} and the same defects in all splits, {split} has "
                f"{', '.join(sorted({clip.label for clip in clips}))}; mend labels.csv "
                "or the folders, or use --normal"
            )
    return Real(names, tuple(train), tuple(scored), future)


def _hold_out(clips: list[Clip], every: int) -> tuple[list[Clip], list[Clip]]:
    """Hold out every n-th clip of each label."""
    kept: list[Clip] = []
    held: list[Clip] = []
    counts = dict.fromkeys((clip.label for clip in clips), 0)
    for clip in sorted(clips, key=lambda clip: clip.id):
        counts[clip.label] += 1
        (held if counts[clip.label] % every == 0 else kept).append(clip)
    return kept, held


def _as_videos(clips: tuple[Clip, ...], names: tuple[str, ...], future: int, see: Sight) -> Videos:
    """Real clips as a detector sees them."""
    ids = tuple(clip.id for clip in clips)
    labels = np.array([names.index(clip.label) for clip in clips])
    videos = torch.stack([see(clip.frames[-future:]) for clip in clips])
    return Videos(videos, labels, ids, ids, (("", ""),) * len(ids), ids)


def choose_real(material: Material, k: int, seed: int) -> list[int]:
    """The training clips of one K and seed: all good ones and K of each defect.

    For one seed, the clips of a smaller K are among those of a larger K. If a defect has fewer
    than K clips, all are taken.
    """
    labels = material.train.labels
    indices = np.flatnonzero(labels == 0).tolist()
    for label in range(1, len(material.names)):
        order = np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        indices += order[:k].tolist()
    return indices


def usable(made: Videos, material: Material, real: list[int]) -> Videos:
    """Select the samples that one K and seed may use.

    Both clips of a sample must be among the real ones, and the animated frame must come from a good
    clip or from one with the sample's own label.
    """
    label_of = {material.train.clips[index]: int(material.train.labels[index]) for index in real}
    return pick(
        made,
        [
            index
            for index in range(len(made.labels))
            if made.clips[index] in label_of
            and label_of.get(made.sources[index], -1) in (0, made.labels[index])
        ],
    )


def pick(videos: Videos, chosen: list[int]) -> Videos:
    """The videos with some indices."""
    return Videos(
        videos.videos[chosen],
        videos.labels[chosen],
        tuple(videos.clips[index] for index in chosen),
        tuple(videos.sources[index] for index in chosen),
        tuple(videos.kinds[index] for index in chosen),
        tuple(videos.ids[index] for index in chosen),
    )


def joined(parts: list[Videos]) -> Videos:
    """All videos of the parts, in order."""
    return Videos(
        torch.cat([part.videos for part in parts]),
        np.concatenate([part.labels for part in parts]),
        sum((part.clips for part in parts), ()),
        sum((part.sources for part in parts), ()),
        sum((part.kinds for part in parts), ()),
        sum((part.ids for part in parts), ()),
    )


@dataclass(frozen=True)
class TrainingSet:
    """The training data of one arm at one K and seed.

    Args:
        videos: The training videos, real ones first.
        chances: How often each video is drawn, summing to 1.
        synthetic: The number of synthetic videos.
    """

    videos: Videos
    chances: NDArray[np.float64]
    synthetic: int


def training_set(real: Videos, made: Videos, arm: Arm, seed: int, share: float) -> TrainingSet:
    """Join the real clips, which all arms share, with the arm's samples.

    Args:
        real: The real clips.
        made: Synthetic samples that may be used.
        arm: The arm, which selects some of the samples.
        seed: Shuffles the control's labels.
        share: Synthetic share of the videos drawn in training.

    Raises:
        SettingsError: If an arm finds no samples.
    """
    indices = [index for index, kind in enumerate(made.kinds) if arm.pasted or arm.takes(*kind)]
    chances = _chances(real.labels, arm.balanced)
    if not arm.synthetic:
        return TrainingSet(real, chances, 0)
    if not indices:
        raise SettingsError("uplift: no samples of these clips; generate more sets")
    samples = pick(made, indices)
    rng = np.random.default_rng(seed)
    if arm.placebo:
        samples = pick(samples, np.flatnonzero(samples.labels == 0).tolist())
        evenly = np.arange(len(samples.labels)) % (int(real.labels.max()) + 1)
        samples = replace(samples, labels=rng.permutation(evenly))
    elif arm.shuffled:
        samples = replace(samples, labels=rng.permutation(samples.labels))
    both = [(1 - share) * chances, share * _chances(samples.labels, arm.balanced)]
    return TrainingSet(joined([real, samples]), np.concatenate(both), len(samples.labels))


def _chances(labels: NDArray[np.int64], balanced: bool) -> NDArray[np.float64]:
    """How often each item is drawn, summing to 1; `balanced` draws all labels equally often."""
    counts = np.bincount(labels)
    weights = 1 / counts[labels] if balanced else np.ones(len(labels))
    return np.asarray(weights / weights.sum())
