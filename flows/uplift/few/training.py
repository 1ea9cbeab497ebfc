"""The detector of one arm, from real pictures and made ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.identity import derive_seed
from flawcast.flows.uplift.few.arms import FewArm
from flawcast.flows.uplift.few.scorer import Cells, Scores, cells_of, learn, remember
from flawcast.flows.uplift.images.frames import Frame


@dataclass(frozen=True)
class Lesson:
    """What an arm may learn from.

    Args:
        good: Real pictures of good parts alone, RGB, (H, W, 3).
        real: Real pictures of both kinds.
        made: Pictures that the arm's samples are.
        augment: Changes a picture at random, as real ones differ.
        times: How many changed ones of each real picture.
        share: Of the loss that the made pictures have.
    """

    good: Sequence[NDArray[np.uint8]]
    real: Sequence[Frame]
    made: Sequence[Frame]
    augment: Callable[[Frame, np.random.Generator], Frame]
    times: int
    share: float


def train_arm(arm: FewArm, lesson: Lesson, seed: int) -> Scores:
    """Train the detector of one arm.

    Args:
        arm: Which pictures it learns from.
        lesson: The pictures.
        seed: The draw.
    """
    if arm.of_good_alone:
        return remember(list(lesson.good), seed)
    rng = np.random.default_rng(derive_seed(seed, "cells"))
    real = list(lesson.real)
    if arm.augmented:
        real += [lesson.augment(frame, rng) for frame in lesson.real for _ in range(lesson.times)]
    groups = [[cells_of(frame, rng) for frame in real]]
    if not arm.synthetic:
        return learn(groups, [1.0])
    groups.append([cells_of(frame, rng) for frame in lesson.made])
    if arm.shuffled:
        groups[1] = shuffled(groups[1], rng)
    return learn(groups, [1 - lesson.share, lesson.share])


def shuffled(cells: list[Cells], rng: np.random.Generator) -> list[Cells]:
    """The same cells with their truth shuffled: the control."""
    truth = rng.permutation(np.concatenate([one.defective for one in cells]))
    parts = np.split(truth, np.cumsum([len(one.defective) for one in cells])[:-1])
    return [Cells(one.features, part) for one, part in zip(cells, parts, strict=True)]
