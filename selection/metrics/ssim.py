"""Structural similarity: how alike local brightness, contrast and structure are."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import ShapeError
from selection.metrics.base import METRICS, expect_comparable

Pixels = NDArray[np.float64]


@dataclass(frozen=True)
class _Window:
    """The neighbourhood over which local statistics are taken.

    Args:
        size: Its side in pixels.
        deviation: Of Gaussian weights; None for equal weights.
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
    scikit-image's `structural_similarity` of every frame with `channel_axis=-1`, many times faster:
    what concerns the reference alone is computed once for all futures, and the local sums of the
    uniform window are integers.

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
    similarity = np.empty((sizes["N"], sizes["F"]))
    for frame in range(sizes["F"]):
        kind = _UniformTarget if window == "uniform" else _Target
        target = kind(reference[frame], local, data_range * 255)
        for sample in range(sizes["N"]):
            similarity[sample, frame] = target.similarity(videos[sample, frame])
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
    n (n - 1) times as large above and below the line, which cancels.
    """

    def __init__(self, frame: NDArray[np.uint8], window: _Window, white: float) -> None:
        self.window, self.count = window, window.size**2
        self.frame = np.ascontiguousarray(frame)
        self.sums, squares = self._sums(self.frame), self._sums(self._products(self.frame))
        self.squared = self.sums * self.sums
        self.spread = self.count * squares - self.squared  # n (n - 1) times the sample variance
        self.brightness = (0.01 * white) ** 2 * self.count**2
        self.contrast = (0.03 * white) ** 2 * self.count * (self.count - 1)

    def similarity(self, frame: NDArray[np.uint8]) -> float:
        """Mean SSIM over pixels and channels of one frame."""
        frame = np.ascontiguousarray(frame)
        sums = self._sums(frame)
        squares = self.count * self._sums(self._products(frame))
        crossed = self.count * self._sums(self._products(frame, self.frame))
        product, squared = sums * self.sums, sums * sums
        crossed -= product
        squares -= squared
        squares += self.spread
        squared += self.squared
        above = (2 * product + self.brightness) * (2 * crossed + self.contrast)
        below = (squared + self.brightness) * (squares + self.contrast)
        return float(np.divide(above, below, out=above).mean(dtype=np.float64))

    def _products(
        self, frame: NDArray[np.uint8], other: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint16]:
        """Products of pixels, which 16 bits hold."""
        found = cv2.multiply(frame, frame if other is None else other, dtype=cv2.CV_16U)
        return np.asarray(found, np.uint16)

    def _sums(self, values: NDArray[np.unsignedinteger]) -> NDArray[np.int32]:
        """Sums around every pixel whose whole neighbourhood lies inside the frame."""
        size, edge = (self.window.size, self.window.size), self.window.size // 2
        found = cv2.boxFilter(values, cv2.CV_32S, size, normalize=False)[edge:-edge, edge:-edge]
        return np.asarray(found, np.int32)
