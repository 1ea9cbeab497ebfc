"""Temporal coherence: whether futures move as much from frame to frame as the truth does."""

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import METRICS, expect_comparable


def temporal_coherence(videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Frame-to-frame displacement of the futures divided by that of the reference.

    One is right; above it the futures jitter, below it they are too still. APD alone rewards
    jitter, so the two belong together.

    Args:
        videos: Sampled futures, RGB, (N, F, H, W, 3), at least two frames.
        reference: The real future, RGB, (F, H, W, 3).

    Returns:
        The ratio, 0 or more; nan if the reference stands still, because no ratio is right then.

    Raises:
        ShapeError: If the axes differ or there are fewer than two frames.

    Example:
        >>> video = np.uint8([[[[0, 0, 0]]], [[[9, 9, 9]]]])  # F = 2, one pixel
        >>> temporal_coherence(np.stack([video, 2 * video]), video)
        1.5
    """
    return float(sample_coherence(videos, reference).mean())


@METRICS.register("coherence")
def sample_coherence(
    videos: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Frame-to-frame displacement of each future divided by that of the reference.

    Args:
        videos: Sampled futures, RGB, (N, F, H, W, 3), at least two frames.
        reference: The real future, RGB, (F, H, W, 3).

    Returns:
        The ratio of each future, (N,); nan if the reference stands still.

    Raises:
        ShapeError: If the axes differ or there are fewer than two frames.
    """
    frames = expect_comparable(videos, reference)["F"]
    if frames < 2:
        raise ShapeError(
            f"videos: coherence compares neighbours and needs F >= 2, got F = {frames}"
        )
    truth = _total_movement(reference)
    if truth == 0:
        return np.full(len(videos), np.nan)
    return np.array([_total_movement(video) for video in videos]) / truth


def _total_movement(video: NDArray[np.uint8]) -> float:
    """Sum of absolute differences between neighbouring frames."""
    flat = video.reshape(len(video), -1)
    return float(cv2.norm(flat[1:], flat[:-1], cv2.NORM_L1))
