"""Structural similarity: how alike local brightness, contrast and structure are."""

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import METRICS, expect_comparable

BAND_VALUES = 2**15  # values compared at once: few enough to stay in the processor's cache
WINDOW = 7  # pixels: the side of the neighbourhood over which local statistics are taken


@METRICS.register("ssim")
def ssim(videos: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity of each future to the reference, averaged over its frames.

    One for a future equal to the reference, near zero for an unrelated one. Equals
    scikit-image's `structural_similarity` of every frame with `channel_axis=-1` (a uniform 7x7
    window, sample covariances), but is many times faster: statistics of the reference are computed
    once for all futures, and the local sums of the window are integers.

    Args:
        videos: Sampled futures, RGB, (N, F, H, W, 3).
        reference: The real future, RGB, (F, H, W, 3).

    Returns:
        SSIM of each future, (N,), in [-1, 1].

    Raises:
        ShapeError: If the axes differ or a frame is smaller than the window.

    Reference:
        Wang et al., 2004, "Image quality assessment: from error visibility to structural
        similarity", eq. 13.

    Example:
        >>> video = np.zeros((1, 2, 8, 8, 3), np.uint8)
        >>> ssim(video, video[0]).tolist()
        [1.0]
    """
    sizes = expect_comparable(videos, reference)
    similarity = [
        frame_similarities(videos[:, time], reference[time]) for time in range(sizes["F"])
    ]
    scores: NDArray[np.float64] = np.stack(similarity, axis=1).mean(axis=1)
    return scores


def frame_similarities(
    frames: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Structural similarity of frames (N, H, W, 3) to one frame (H, W, 3): (N,).

    Raises:
        ShapeError: If the frame is smaller than the window.
    """
    height, width = reference.shape[:2]
    if min(height, width) < WINDOW:
        raise ShapeError(
            f"videos: SSIM needs frames of at least {WINDOW}x{WINDOW} pixels, got {height}x{width}"
        )
    similarity = np.zeros(len(frames))
    rows = height - WINDOW + 1  # rows with a whole neighbourhood
    band = max(1, BAND_VALUES // (width * 3))
    for top in range(0, rows, band):
        bottom = min(top + band, rows)
        pixels = slice(top, bottom + WINDOW - 1)
        target = _Target(reference[pixels])
        for sample, frame in enumerate(frames):
            similarity[sample] += target.similarity(frame[pixels]) * (bottom - top) / rows
    return similarity


class _Target:
    """A reference frame with its local sums over the uniform window: exact, in 32-bit integers.

    With n pixels in a window and sums instead of means, all terms of the formula are n^2 or
    n (n - 1) times as large in numerator and denominator, so the factors cancel. Only the products
    become floats. All steps write to preallocated memory, because allocating takes longer than
    they do.
    """

    def __init__(self, frame: NDArray[np.uint8]) -> None:
        self.count = WINDOW**2
        self.frame = np.ascontiguousarray(frame)
        self.products = np.empty(self.frame.shape, np.uint16)
        self.scratch = [np.empty(self.frame.shape, np.int32) for _ in range(5)]
        self.sums, squares = self._sums(self.frame, 3), self._squares(self.frame, 4)
        self.squared = self.sums * self.sums
        self.spread = self.count * squares - self.squared  # n (n - 1) times the sample variance
        self.product = np.empty_like(self.squared)
        self.floats = [np.empty(self.squared.shape, np.float32) for _ in range(3)]
        self.brightness = np.float32((0.01 * 255) ** 2 * self.count**2)
        self.contrast = np.float32((0.03 * 255) ** 2 * self.count * (self.count - 1))

    def similarity(self, frame: NDArray[np.uint8]) -> float:
        """Mean SSIM over pixels and channels of one frame."""
        frame = np.ascontiguousarray(frame)
        sums, squares = self._sums(frame, 0), self._squares(frame, 1)
        cv2.multiply(frame, self.frame, dst=self.products, dtype=cv2.CV_16U)
        crossed = self._sums(self.products, 2)
        mixed = np.multiply(sums, self.sums, out=self.product)
        sums *= sums
        crossed *= self.count
        crossed -= mixed
        squares *= self.count
        squares -= sums
        squares += self.spread
        sums += self.squared
        above, below, factor = self.floats
        above[...] = mixed
        above += self.brightness / 2  # both factors of the numerator are halved
        factor[...] = crossed
        factor += self.contrast / 2
        above *= factor
        below[...] = sums
        below += self.brightness
        factor[...] = squares
        factor += self.contrast
        below *= factor
        above /= below
        return 4 * float(above.mean(dtype=np.float64))

    def _squares(self, frame: NDArray[np.uint8], place: int) -> NDArray[np.int32]:
        """Sums of squares of pixels, which 16 bits hold."""
        cv2.multiply(frame, frame, dst=self.products, dtype=cv2.CV_16U)
        return self._sums(self.products, place)

    def _sums(self, values: NDArray[np.unsignedinteger], place: int) -> NDArray[np.int32]:
        """Sums around every pixel whose whole neighbourhood lies inside the frame."""
        size, edge = (WINDOW, WINDOW), WINDOW // 2
        whole = self.scratch[place]
        cv2.boxFilter(values, cv2.CV_32S, size, dst=whole, normalize=False)
        return whole[edge:-edge, edge:-edge]
