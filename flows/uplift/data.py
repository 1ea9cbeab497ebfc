"""Training data of the arms: real clips, and samples made from nothing but the clips in use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.clip_settings import ClipSettings
from configs.errors import ClipError, SettingsError, StoreError
from configs.settings import validated
from flows.uplift.arms import Arm
from flows.uplift.classifier import shrink
from generators.clip_dataset import ClipDataset
from storage import SampleSetDataset, SampleStore


@dataclass(frozen=True)
class Videos:
    """Videos as the classifier sees them, with their labels' numbers and clips."""

    videos: Tensor  # (M, 3, F, S, S)
    labels: NDArray[np.int64]
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]  # mode and forecaster; of real clips both are empty


@dataclass(frozen=True)
class Material:
    """All that the experiment works on, in memory.

    Args:
        names: Labels, the normal one first.
        train: Real clips of the training split.
        test: Real clips of the test split.
        made: Samples of the store.
    """

    names: tuple[str, ...]
    train: Videos
    test: Videos
    made: Videos


def read_material(clips: Path, store: str, normal: str) -> Material:
    """Read real clips and samples.

    Clips are read as the store's were, so that a clip has one id in both; samples with a test clip
    are left out.

    Raises:
        ClipError: If a split is empty, or labels are missing in one.
        StoreError: If the store holds no samples.
    """
    opened = SampleStore.open(store, snapshot=True)
    first = opened.query(limit=1).to_pylist()
    if not first:
        raise StoreError(f"store {store}: expected samples, found none; generate some")
    read = validated(ClipSettings, json.loads(first[0]["settings"])["clips"], "row of the store")
    frames = first[0]["future"]
    real = {split: ClipDataset(clips, read, frames, split) for split in ("train", "test")}
    names = (normal, *sorted(set(real["train"].labels) - {normal}))
    for split, dataset in real.items():
        if set(dataset.labels) != set(names) or len(names) < 2:
            raise ClipError(
                f"clips: expected {normal} and the same defects in both splits, {split} has "
                f"{', '.join(sorted(set(dataset.labels)))}; mend labels.csv or use --normal"
            )
    rows = SampleSetDataset(
        opened,
        where=f"future = {int(frames)}",
        fields=("label",),
        on_test="leave_out",
        test_clips=real["test"].clip_ids,
    ).rows
    rows = [row for row in rows if row["label"] in names]
    if not rows:
        raise StoreError(f"store {store}: expected samples of training clips, found none")
    videos = [opened.open_array(row["set_id"], "videos")[row["rank"]] for row in rows]
    made = Videos(
        torch.stack([shrink(np.asarray(video, np.uint8)) for video in videos]),
        np.array([names.index(row["label"]) for row in rows]),
        tuple(row["clip_id"] for row in rows),
        tuple(row["source_clip_id"] for row in rows),
        tuple((row["mode"], row["forecaster"]) for row in rows),
    )
    return Material(names, _of(real["train"], names), _of(real["test"], names), made)


def _of(dataset: ClipDataset, names: tuple[str, ...]) -> Videos:
    """Real clips."""
    videos = [shrink(clip.frames[-dataset.frames :]) for clip in dataset.clips]
    ids = tuple(clip.id for clip in dataset.clips)
    labels = np.array([names.index(label) for label in dataset.labels])
    return Videos(torch.stack(videos), labels, ids, ids, (("", ""),) * len(ids))


@dataclass(frozen=True)
class TrainingSet:
    """What one arm trains with at one K and seed.

    Args:
        videos: (M, 3, F, S, S).
        labels: (M,).
        chances: Of each, summing to 1.
        synthetic: How many of them are.
    """

    videos: Tensor
    labels: NDArray[np.int64]
    chances: NDArray[np.float64]
    synthetic: int


def draw_training(material: Material, arm: Arm, k: int, seed: int) -> TrainingSet:
    """The real clips of one K and seed, which are the same in all arms, and the arm's samples.

    A sample counts only if both its clips are among those real ones, and the animated frame is of a
    good clip or of one with the sample's own label. Half of what is drawn is real.

    Raises:
        SettingsError: If an arm finds no samples.
    """
    rng = np.random.default_rng([seed, k])
    real = np.array(sorted(_choose(material, k, rng)))
    train, made = material.train, material.made
    label_of = {train.clips[index]: int(train.labels[index]) for index in real}
    chosen = [
        index
        for index, kind in enumerate(made.kinds)
        if arm.takes(*kind)
        and made.clips[index] in label_of
        and label_of.get(made.sources[index], -1) in (0, made.labels[index])
    ]
    if arm.synthetic and not chosen:
        raise SettingsError(f"uplift: no samples of K = {k}, seed {seed}; generate more sets")
    labels = made.labels[chosen] if chosen else np.zeros(0, np.int64)
    labels = rng.permutation(labels) if arm.shuffled else labels
    chances = _chances(train.labels[real], arm.balanced)
    if chosen:
        chances = np.concatenate([chances, _chances(labels, arm.balanced)]) / 2
    return TrainingSet(
        torch.cat([train.videos[real], made.videos[chosen]]) if chosen else train.videos[real],
        np.concatenate([train.labels[real], labels]).astype(np.int64),
        chances,
        len(chosen),
    )


def _choose(material: Material, k: int, rng: np.random.Generator) -> Iterator[int]:
    """All good clips of the training split, and K of each defect (all, where there are fewer)."""
    labels = material.train.labels
    yield from np.flatnonzero(labels == 0).tolist()
    for label in range(1, len(material.names)):
        yield from rng.permutation(np.flatnonzero(labels == label))[:k].tolist()


def _chances(labels: NDArray[np.int64], balanced: bool) -> NDArray[np.float64]:
    """Of each item, summing to 1; balanced ones give every label that is there the same."""
    counts = np.bincount(labels)
    weights = 1 / counts[labels] if balanced else np.ones(len(labels))
    return weights / weights.sum()
