"""The interface of per-sample metrics, and the checks that they share."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.configs.registry import Registry
from flawcast.configs.shapes import expect_shape


class Metric(Protocol):
    """One number for every sampled future; a set's number is the mean over its samples.

    Called with the futures, RGB uint8, (N, F, H, W, 3), and the real future, RGB uint8,
    (F, H, W, 3). Only predicted frames are given: observed frames count in no metric.
    """

    def __call__(
        self, videos: NDArray[np.uint8], reference: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Score each sample: (N,)."""


METRICS: Registry[Metric] = Registry("metric", "flawcast.selection.metrics")


def expect_videos(videos: NDArray[np.uint8]) -> dict[str, int]:
    """Check that futures are uint8, (N, F, H, W, 3), and return the size of each axis."""
    _expect_pixels("videos", videos)
    return expect_shape("videos", videos, "N F H W 3")


def expect_comparable(videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> dict[str, int]:
    """Check futures and the reference that they are compared with: same F, H and W.

    Raises:
        ShapeError: If an axis is missing or differs, or the pixels are not uint8.
    """
    sizes = expect_videos(videos)
    _expect_pixels("reference", reference)
    expect_shape("reference", reference, "{F} {H} {W} 3".format_map(sizes))
    return sizes


def _expect_pixels(name: str, array: NDArray[np.uint8]) -> None:
    """Refuse pixels of another type, whose scale would be a guess."""
    if array.dtype != np.uint8:
        raise ShapeError(
            f"{name}: expected uint8 pixels, got {array.dtype}; scale to 0..255 and convert"
        )
