"""Structural similarity: how alike local brightness, contrast and structure are."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import METRICS, expect_comparable

Pixels = NDArray[np.float64]
BAND_VALUES = 2**15  # values compared at once: few enough to stay in the processor's cache


@dataclass(frozen=True)
class _Window:
    """The neighbourhood over which local statistics are taken.

    Args:
        size: Its side in pixels.
        deviation: Standard deviation of the Gaussian weights; None for equal weights.
        correction: Turns the biased local variance into the one that is compared.
    """

    size: int
    deviation: float | None
    correction: float

    def mean(self, image: Pixels) -> Pixels:
        """Weighted mean around every pixel whose whole neighbourhood lies inside the frame."""
        taps, edge = (self.size, self.size), self.size // 2
        if self.deviation is None:
            smooth = cv2.blur(image, taps)
        else:
            smooth = cv2.GaussianBlur(image, taps, self.deviation)
        return smooth[edge:-edge, edge:-edge].astype(np.float64, copy=False)


_WINDOWS = {"uniform": _Window(7, None, 49 / 48), "gaussian": _Window(11, 1.5, 1.0)}


def ssim(
    videos: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    window: Literal["uniform", "gaussian"] = "uniform",
    data_range: float = 1.0,
) -> NDArray[np.float64]:
    """Structural similarity of each future to the reference, averaged over its frames.

    One for a future equal to the reference, near zero for an unrelated one. Equals
    scikit-image's `structural_similarity` of every frame with `channel_axis=-1`, but is many times
    faster: statistics of the reference are computed once for all futures, and the local sums of
    the uniform window are integers.

    Args:
        videos: Sampled futures, RGB, (N, F, H, W, 3).
        reference: The real future, RGB, (F, H, W, 3).
        window: "uniform" is 7x7 with sample covariances, scikit-image's default; "gaussian" has
            deviation 1.5 and 11x11 taps, as in the paper that introduced SSIM.
        data_range: Distance between black and white for the two stabilising constants, on the
            [0, 1] pixel scale. 2 is what old scikit-image versions assumed of float images.

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
    local = _WINDOWS[window]
    if min(sizes["H"], sizes["W"]) < local.size:
        raise ShapeError(
            f"videos: SSIM needs frames of at least {local.size}x{local.size} pixels, "
            f"got {sizes['H']}x{sizes['W']}"
        )
    similarity = np.zeros((sizes["N"], sizes["F"]))
    kind = _UniformTarget if window == "uniform" else _Target
    rows = sizes["H"] - local.size + 1  # rows with a whole neighbourhood
    band = max(1, BAND_VALUES // (sizes["W"] * 3)) if window == "uniform" else rows
    for frame, top in product(range(sizes["F"]), range(0, rows, band)):
        bottom = min(top + band, rows)
        pixels = slice(top, bottom + local.size - 1)
        target = kind(reference[frame, pixels], local, data_range * 255)
        for sample in range(sizes["N"]):
            mean = target.similarity(videos[sample, frame, pixels])
            similarity[sample, frame] += mean * (bottom - top) / rows
    scores: NDArray[np.float64] = similarity.mean(axis=1)
    return scores


METRICS.register("ssim")(ssim)


class _Target:
    """A reference frame with its local statistics, to be compared with many frames."""

    def __init__(self, frame: NDArray[np.uint8], window: _Window, white: float) -> None:
        self.window = window
        self.pixels = frame.astype(np.float64)
        self.mean, self.variance = self._statistics(self.pixels)
        self.stabilisers = (0.01 * white) ** 2, (0.03 * white) ** 2

    def similarity(self, frame: NDArray[np.uint8]) -> float:
        """Mean SSIM over pixels and channels of one frame."""
        pixels = frame.astype(np.float64)
        mean, variance = self._statistics(pixels)
        product = mean * self.mean
        covariance = self.window.mean(pixels * self.pixels) - product
        covariance *= self.window.correction
        brightness, contrast = self.stabilisers
        above = (2 * product + brightness) * (2 * covariance + contrast)
        below = (mean**2 + self.mean**2 + brightness) * (variance + self.variance + contrast)
        return float((above / below).mean())

    def _statistics(self, pixels: Pixels) -> tuple[Pixels, Pixels]:
        """Local mean and variance of one frame."""
        mean = self.window.mean(pixels)
        variance = self.window.mean(pixels * pixels) - mean * mean
        return mean, variance * self.window.correction


class _UniformTarget:
    """A reference frame with its local sums over the uniform window: exact, in 32-bit integers.

    With n pixels in a window and sums instead of means, all terms of the formula are n^2 or
    n (n - 1) times as large in numerator and denominator, so the factors cancel. Only the products
    become floats. All steps write to preallocated memory, because allocating takes longer than
    they do.
    """

    def __init__(self, frame: NDArray[np.uint8], window: _Window, white: float) -> None:
        self.window, self.count = window, window.size**2
        self.frame = np.ascontiguousarray(frame)
        self.products = np.empty(self.frame.shape, np.uint16)
        self.scratch = [np.empty(self.frame.shape, np.int32) for _ in range(5)]
        self.sums, squares = self._sums(self.frame, 3), self._squares(self.frame, 4)
        self.squared = self.sums * self.sums
        self.spread = self.count * squares - self.squared  # n (n - 1) times the sample variance
        self.product = np.empty_like(self.squared)
        self.floats = [np.empty(self.squared.shape, np.float32) for _ in range(3)]
        self.brightness = np.float32((0.01 * white) ** 2 * self.count**2)
        self.contrast = np.float32((0.03 * white) ** 2 * self.count * (self.count - 1))

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
        size, edge = (self.window.size, self.window.size), self.window.size // 2
        whole = self.scratch[place]
        cv2.boxFilter(values, cv2.CV_32S, size, dst=whole, normalize=False)
        return whole[edge:-edge, edge:-edge]
