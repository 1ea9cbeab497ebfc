"""A detector of the experiment learns from a lesson and judges videos.

What it sees of a video is its own choice: its `see`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flawcast.configs.registry import Registry
from flawcast.flows.uplift.detectors.sights import Sight, shown

SHIFT, LIGHT, CONTRAST = 2, 0.1, 0.15  # of augmentation: pixels, and relative changes


@dataclass(frozen=True)
class Lesson:
    """The training data and settings of a detector.

    Args:
        videos: What the detector sees of the training videos, (M, ...).
        labels: The label number of each video, 0 for good ones, (M,).
        chances: How often each is drawn, (M,), summing to 1.
        augmented: Whether a detector that can use it changes videos at random.
        count: How many labels there are.
        steps: Training steps, the same in every arm.
        seed: Decides weights, batches and augmentation.
    """

    videos: Tensor
    labels: NDArray[np.int64]
    chances: NDArray[np.float64]
    augmented: bool
    count: int
    steps: int
    seed: int


@dataclass(frozen=True)
class Verdict:
    """A detector's judgement of the test videos.

    Args:
        suspicion: A score for each video; higher is more likely defective, (M,).
        said: The predicted label of each video, (M,); None if the detector predicts no labels.
        loss: Its training loss at the end.
    """

    suspicion: NDArray[np.float64]
    said: NDArray[np.int64] | None
    loss: float


@dataclass(frozen=True)
class Detector:
    """A way to tell defective videos from good ones.

    Args:
        judge: Learns from a lesson and judges what it sees of videos, (M, ...).
        of_good_alone: Whether it learns only from the good videos. Arms that differ only in
            defective videos are then equal to it.
        see: What it sees of a video. Detectors with the same sight share what they see.
        check: Raises an error if something that it needs is not installed.
    """

    judge: Callable[[Lesson, Tensor], Verdict]
    of_good_alone: bool = False
    see: Sight = shown
    check: Callable[[], object] = lambda: None


DETECTORS: Registry[Detector] = Registry("detector", "flawcast.flows.uplift.detectors")


def with_motion(videos: Tensor) -> Tensor:
    """Videos and their frame-to-frame differences, the first of which is 0: (M, 6, T, S, S)."""
    steps = functional.pad(videos.diff(dim=2), (0, 0, 0, 0, 1, 0))
    return torch.cat([videos - 0.5, 4 * steps], dim=1)


def moved(videos: Tensor) -> Tensor:
    """Flip and shift each video (M, C, T, h, w) as a whole; torch's own seed decides."""
    count, size = len(videos), videos.shape[-1]
    videos = torch.where(torch.rand(count, 1, 1, 1, 1) < 0.5, videos.flip(-1), videos)
    room = functional.pad(videos.flatten(1, 2), (SHIFT,) * 4, mode="replicate")
    places = torch.randint(0, 2 * SHIFT + 1, (count, 2)).tolist()
    cut = [
        video[:, top : top + size, left : left + size]
        for video, (top, left) in zip(room, places, strict=True)
    ]
    return torch.stack(cut).view_as(videos)


def augment(videos: Tensor) -> Tensor:
    """Flip, shift, and change the light of each video as a whole; torch's own seed decides."""
    each = (len(videos), 1, 1, 1, 1)
    videos = moved(videos)
    light = torch.empty(each).uniform_(-LIGHT, LIGHT)
    contrast = torch.empty(each).uniform_(1 - CONTRAST, 1 + CONTRAST)
    middle = videos.mean(dim=(1, 2, 3, 4), keepdim=True)
    return ((videos - middle) * contrast + middle + light).clamp(0, 1)
