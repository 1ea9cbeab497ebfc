"""Mean absolute error: how far each future is from what really happened."""

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.selection.metrics.base import METRICS, expect_comparable


@METRICS.register("mae")
def mae(videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute pixel difference between each future and the reference.

    Zero for a future equal to the reference, one for black against white.

    Args:
        videos: Sampled futures, RGB, (N, F, H, W, 3).
        reference: The real future, RGB, (F, H, W, 3).

    Returns:
        MAE of each future on the [0, 1] pixel scale, (N,).

    Raises:
        ShapeError: If the axes differ or the pixels are not uint8.

    Example:
        >>> black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
        >>> mae(np.stack([black, white]), black).tolist()
        [0.0, 1.0]
    """
    expect_comparable(videos, reference)
    flat = reference.reshape(-1)
    totals = [cv2.norm(video.reshape(-1), flat, cv2.NORM_L1) for video in videos]
    return np.array(totals, np.float64) / (flat.size * 255)
