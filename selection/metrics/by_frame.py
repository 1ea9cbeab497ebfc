"""Scores of kept futures, one time after the other, where all frames at once are too many."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import expect_comparable
from flawcast.selection.metrics.ssim import frame_similarities


@dataclass(frozen=True)
class KeptScores:
    """Scores of the kept futures of one clip: bit by bit those of the metrics over whole videos.

    Args:
        ssim: Structural similarity to the reference, (K,), as `ssim`.
        diversity: Mean distance to the other futures, (K,), as `sample_diversity`.
        coherence: Movement in relation to the reference's, as `temporal_coherence`.
    """

    ssim: NDArray[np.float64]
    diversity: NDArray[np.float64]
    coherence: float

    @property
    def apd(self) -> float:
        """Average pairwise displacement."""
        return float(self.diversity.mean())


def score_by_frame(frames: Iterable[NDArray[np.uint8]], reference: NDArray[np.uint8]) -> KeptScores:
    """Score futures that are drawn time by time; two times are in memory at once.

    Args:
        frames: For each time, the frames of all K >= 2 futures, RGB, (K, H, W, 3).
        reference: The real future, RGB, (F, H, W, 3), F >= 2.

    Raises:
        ShapeError: If the frames are not as many or as large as those of the reference.

    Example:
        >>> reference = np.zeros((2, 8, 8, 3), np.uint8)
        >>> videos = np.stack([reference, reference + 255])
        >>> score_by_frame(videos.swapaxes(0, 1), reference).apd
        1.0
    """
    before: NDArray[np.uint8] | None = None
    apart: list[NDArray[np.float64]] = []
    alike: list[NDArray[np.float64]] = []
    moved: list[NDArray[np.float64]] = []
    for time, now in enumerate(frames):
        if time >= len(reference):
            raise ShapeError(f"frames: expected {len(reference)} times, got more")
        expect_comparable(now[:, None], reference[time : time + 1])
        apart.append(_distances(now))
        alike.append(frame_similarities(now, reference[time]))
        if before is not None:
            moved.append(np.array([_distance(*pair) for pair in zip(now, before, strict=True)]))
        before = now
    if len(apart) != len(reference) or before is None or len(before) < 2 or len(reference) < 2:
        raise ShapeError(
            f"frames: expected at least 2 futures at {max(2, len(reference))} times, got "
            f"{0 if before is None else len(before)} at {len(apart)}"
        )
    truth = sum(_distance(*pair) for pair in zip(reference[1:], reference, strict=False))
    movement = np.sum(moved, axis=0)
    displacements = np.sum(apart, axis=0) / (reference.size * 255)
    return KeptScores(
        ssim=np.stack(alike, axis=1).mean(axis=1),
        diversity=displacements.sum(axis=1) / (len(before) - 1),
        coherence=float((movement / truth).mean()) if truth else float("nan"),
    )


def _distances(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Sums of absolute differences between every two frames, (K, K)."""
    totals = np.zeros((len(frames), len(frames)))
    for one, other in combinations(range(len(frames)), 2):
        totals[one, other] = totals[other, one] = _distance(frames[one], frames[other])
    return totals


def _distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Sum of absolute differences, a whole number."""
    return float(cv2.norm(one.reshape(-1), other.reshape(-1), cv2.NORM_L1))
