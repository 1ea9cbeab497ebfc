"""Structural similarity: how alike local brightness, contrast and structure are."""

from dataclasses import dataclass
from math import prod
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics.base import METRICS, expect_comparable

Kind = TypeVar("Kind", bound=np.generic)

BAND_VALUES = 2**15  # values compared at once: few enough to stay in the processor's cache
MOST_MISSES = 10  # frames that repeat nothing, which others may repeat
EDGES = (1, -2)  # columns, one of which those share that have the same background
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


@dataclass(frozen=True)
class _Known:
    """A frame that was compared: its similarities, (h, w, 3), a quarter each, and their mean."""

    frame: NDArray[np.uint8]
    places: NDArray[np.float32]
    similarity: float


class _Target:
    """A reference frame with its local sums over the uniform window: exact, in 32-bit integers.

    With n pixels in a window and sums instead of means, all terms of the formula are n^2 or
    n (n - 1) times as large in numerator and denominator, so the factors cancel. Only the products
    become floats. All steps write to preallocated memory, because allocating takes longer than
    they do.

    Frames of one source often share their background. Where a frame repeats the pixels of one
    before it, it repeats its similarities; the mean is taken over all, so no bit of it changes.
    """

    def __init__(self, frame: NDArray[np.uint8]) -> None:
        self.count = WINDOW**2
        self.frame = np.ascontiguousarray(frame)
        self.products = np.empty(self.frame.size, np.uint16)
        self.scratch = [np.empty(self.frame.size, np.int32) for _ in range(6)]
        self.sums, squares = self._sums(self.frame, 3), self._squares(self.frame, 4)
        self.squared = self.sums * self.sums
        self.spread = self.count * squares - self.squared  # n (n - 1) times the sample variance
        self.floats = [np.empty(self.squared.size, np.float32) for _ in range(2)]
        self.brightness = np.float32((0.01 * 255) ** 2 * self.count**2)
        self.contrast = np.float32((0.03 * 255) ** 2 * self.count * (self.count - 1))
        self.places = np.empty(self.squared.shape, np.float32)
        self.known: dict[tuple[int, bytes], list[_Known]] = {}  # by a column and its pixels
        self.misses = MOST_MISSES if self.frame.size < BAND_VALUES // 2 else 0

    def similarity(self, frame: NDArray[np.uint8]) -> float:
        """Mean SSIM over pixels and channels of one frame."""
        frame = np.ascontiguousarray(frame)
        compare = self.misses < MOST_MISSES
        edges = [(at, frame[:, at].tobytes()) for at in EDGES] if compare else []
        alike = [known for edge in edges for known in self.known.get(edge, [])]
        for known in alike:
            if not cv2.norm(frame, known.frame, cv2.NORM_INF):
                return known.similarity
        new = self._repeated(frame, alike)
        self._compare(frame, new, self.places[:, new])
        similarity = 4 * float(self.places.mean(dtype=np.float64))
        if compare and new == slice(0, self.squared.shape[1]):
            self.misses += 1
            known = _Known(frame, self.places.copy(), similarity)
            for edge in edges:
                self.known.setdefault(edge, []).append(known)
        return similarity

    def _repeated(self, frame: NDArray[np.uint8], alike: list[_Known]) -> slice:
        """Copy what is known from a frame before; the columns that lack.

        At least half of the columns are known, or all lack.
        """
        width, source = self.squared.shape[1], None
        new = slice(0, width)
        for known in alike:
            apart = cv2.absdiff(frame, known.frame).reshape(len(frame), -1)
            differ = np.flatnonzero(cv2.reduce(apart, 0, cv2.REDUCE_MAX)) // 3
            first, last = max(0, int(differ[0]) - WINDOW + 1), min(width, int(differ[-1]) + 1)
            if 2 * (last - first) <= width and last - first < new.stop - new.start:
                new, source = slice(first, last), known
        if source is not None:
            np.copyto(self.places, source.places)
        return new

    def _compare(self, frame: NDArray[np.uint8], columns: slice, out: NDArray[np.float32]) -> None:
        """A quarter of the SSIM of some columns, into `out`, (h, w, 3)."""
        pixels = slice(columns.start, columns.stop + WINDOW - 1)
        frame, target = (np.ascontiguousarray(each[:, pixels]) for each in (frame, self.frame))
        sums, squares = self._sums(frame, 0), self._squares(frame, 1)
        products = _room(self.products, frame.shape)
        cv2.multiply(frame, target, dst=products, dtype=cv2.CV_16U)
        crossed = self._sums(products, 2)
        mixed = _room(self.scratch[5], out.shape)
        np.multiply(sums, self.sums[:, columns], out=mixed)
        sums *= sums
        crossed *= self.count
        crossed -= mixed
        squares *= self.count
        squares -= sums
        squares += self.spread[:, columns]
        sums += self.squared[:, columns]
        below, factor = (_room(each, out.shape) for each in self.floats)
        above = out
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

    def _squares(self, frame: NDArray[np.uint8], place: int) -> NDArray[np.int32]:
        """Sums of squares of pixels, which 16 bits hold."""
        products = _room(self.products, frame.shape)
        cv2.multiply(frame, frame, dst=products, dtype=cv2.CV_16U)
        return self._sums(products, place)

    def _sums(self, values: NDArray[np.unsignedinteger], place: int) -> NDArray[np.int32]:
        """Sums around every pixel whose whole neighbourhood lies inside the frame."""
        size, edge = (WINDOW, WINDOW), WINDOW // 2
        whole = _room(self.scratch[place], values.shape)
        cv2.boxFilter(values, cv2.CV_32S, size, dst=whole, normalize=False)
        return whole[edge:-edge, edge:-edge]


def _room(memory: NDArray[Kind], shape: tuple[int, ...]) -> NDArray[Kind]:
    """The beginning of some memory as an array of a shape."""
    return memory[: prod(shape)].reshape(shape)
