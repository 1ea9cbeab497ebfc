"""Average pairwise displacement: how far the futures of a set are from one another."""

from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import expect_videos


def average_pairwise_displacement(videos: NDArray[np.uint8], *, self_pairs: bool = False) -> float:
    """Mean absolute difference between every two videos of a sample set.

    Zero when all videos are equal, larger as the sampled futures spread out. Jitter raises it
    too: report `temporal_coherence` beside it.

    Args:
        videos: Futures of one clip, RGB, (N, F, H, W, 3), at least two.
        self_pairs: Average over all N² ordered pairs, including each video with itself. This is
            the scale of the paper's printed figures, (N-1)/N times the default.

    Returns:
        APD on the [0, 1] pixel scale, averaged over the N(N-1)/2 pairs.

    Raises:
        ShapeError: If the axes differ or there are fewer than two videos.

    Example:
        >>> black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
        >>> average_pairwise_displacement(np.stack([black, white]))
        1.0
    """
    if self_pairs:
        return float(pairwise_displacements(videos).mean())
    return float(sample_diversity(videos).mean())


def sample_diversity(videos: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference between each video and all the others of its set.

    The mean of these over the set is its APD.

    Args:
        videos: Futures of one clip, RGB, (N, F, H, W, 3), at least two.

    Returns:
        Each video's mean distance to the N-1 others on the [0, 1] pixel scale, (N,).

    Raises:
        ShapeError: If the axes differ or there are fewer than two videos.

    Example:
        >>> videos = np.repeat(np.uint8([0, 0, 255]), 2 * 4 * 4 * 3).reshape(3, 2, 4, 4, 3)
        >>> sample_diversity(videos).tolist()
        [0.5, 0.5, 1.0]
    """
    count = expect_videos(videos)["N"]
    if count < 2:
        raise ShapeError(f"videos: APD compares pairs and needs N >= 2, got N = {count}")
    totals: NDArray[np.float64] = pairwise_displacements(videos).sum(axis=1)
    return totals / (count - 1)


def pairwise_displacements(videos: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute pixel difference between every two videos.

    Args:
        videos: Videos of equal size, RGB, (N, F, H, W, 3).

    Returns:
        Symmetric distances on the [0, 1] pixel scale with a zero diagonal, (N, N).

    Raises:
        ShapeError: If the axes differ or the pixels are not uint8.
    """
    count = expect_videos(videos)["N"]
    flat = videos.reshape(count, -1)
    totals = np.zeros((count, count))
    for one, other in combinations(range(count), 2):
        totals[one, other] = totals[other, one] = cv2.norm(flat[one], flat[other], cv2.NORM_L1)
    return totals / (flat.shape[1] * 255)
