"""Sensor noise: how strong it is in a clip, and fresh noise of that strength."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BINS = 8  # of brightness
MEDIAN = 0.78 * 2**0.5  # of three channels' mean |change|, as a multiple of one frame's sigma
FEWEST = 200  # samples that a bin needs
FROZEN_SHARE = 0.5  # a part keeps its source frame's noise, so it gets less of the fresh one
TILE_MARGIN = 64  # pixels by which a tile of noise is larger than the frame
TILE_SIGMA = 36.95  # standard deviation of the sum of four even bytes, divided by 4
TABLE_SCALE = 200  # whole numbers that stand for one gray level of strength
LEAST = 0.05  # gray levels: less noise is none


@dataclass(frozen=True)
class Noise:
    """Strength of a clip's noise by brightness.

    Args:
        sigma: Standard deviation in gray levels at `BINS` equal steps of brightness, (BINS,).
    """

    sigma: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Over all brightnesses, gray levels."""
        return float(self.sigma.mean())

    def table(self) -> NDArray[np.float32]:
        """Standard deviation for each gray level, (256,)."""
        middles = (np.arange(BINS) + 0.5) * 256 / BINS
        return np.interp(np.arange(256), middles, self.sigma).astype(np.float32)


def estimate_noise(frames: Image, covered: Mask) -> Noise:
    """Measure noise as the change between neighbouring frames where nothing moves.

    The median of the absolute change ignores what moves after all; divided by sqrt(2), it is the
    noise of one frame. Where all moves, as on a belt that fills the frame, it is taken from second
    differences in the flattest places.

    Args:
        frames: RGB, (T, H, W, 3).
        covered: Where something moves, (T, H, W).
    """
    changes = [np.zeros(0, np.float32)]
    levels = [np.zeros(0, np.int64)]
    for index in range(1, min(len(frames), 12)):
        before = cv2.cvtColor(frames[index - 1], cv2.COLOR_RGB2GRAY)[::2, ::2].astype(np.float32)
        pair = frames[index - 1, ::2, ::2].astype(np.float32), frames[index, ::2, ::2]
        still = ~(covered[index - 1] | covered[index])[::2, ::2]
        change = pair[1] - pair[0]
        changes.append(np.abs(change - np.median(change)).mean(-1)[still])
        levels.append((before[still] * BINS / 256).astype(np.int64))
    change, level = np.concatenate(changes), np.concatenate(levels)
    if len(change) < FEWEST * BINS:
        flat = [_flat_noise(frame) for frame in frames[:: max(1, len(frames) // 4)]]
        return Noise(np.full(BINS, min(flat)))
    overall = float(np.median(change)) / MEDIAN
    sigma = np.full(BINS, overall)
    for index in range(BINS):
        inside = change[level == index]
        if len(inside) >= FEWEST:
            sigma[index] = min(2 * overall, float(np.median(inside)) / MEDIAN)
    return Noise(sigma)


def _flat_noise(frame: Image) -> float:
    """Noise of one frame by its second differences in the flattest quarter of it.

    Reference:
        Immerkaer, 1996, Fast noise variance estimation: the kernel.
    """
    grey = frame.astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = cv2.blur(np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel)).mean(-1), (9, 9))
    return float(np.quantile(rough[::3, ::3], 0.25)) / 6 / 0.8


class FreshNoise:
    """Adds new noise to frames of one size, the same for the same generator.

    One tile of values that are close to normal is drawn; each frame takes another cut of it,
    mirrored at random. All is done in 16-bit integers, which takes a tenth of the time that
    floats take.

    Args:
        noise: How strong it is.
        size: (H, W).
        generator: Where randomness comes from.
    """

    def __init__(self, noise: Noise, size: tuple[int, int], generator: np.random.Generator) -> None:
        self.size, self.generator = size, generator
        self.strongest = float(noise.sigma.max())
        if self.strongest < LEAST:
            return
        shape = (size[0] + TILE_MARGIN, size[1] + TILE_MARGIN, 3)
        dice = np.frombuffer(generator.bytes(4 * int(np.prod(shape))), np.uint8)
        total = dice.reshape(4, *shape).sum(axis=0, dtype=np.int16)  # 4 even ones are near normal
        self.tile = (total - 508) >> 2  # [-127, 128]
        self.table = np.rint(noise.table() * TABLE_SCALE).astype(np.int16)

    def skip(self, frames: int) -> None:
        """Go on as if noise had been added to some frames."""
        for _ in range(frames):
            self._place()

    def add(self, frame: Image, alpha: NDArray[np.uint8] | None = None) -> Image:
        """A frame with noise: (H, W, 3), and where parts are (H, W) in [0, 255]."""
        if self.strongest < LEAST:
            return frame
        top, left, flip = self._place()
        height, width = self.size
        cut = self.tile[top : top + height, left : left + width]
        strength = cv2.LUT(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), self.table)
        if alpha is not None:
            strength -= cv2.multiply(strength, alpha.astype(np.int16), scale=FROZEN_SHARE / 255)
        strengths = cv2.merge([strength] * 3)
        values = cv2.multiply(cv2.flip(cut, flip), strengths, scale=1 / TILE_SIGMA / TABLE_SCALE)
        return cv2.add(frame, values, dtype=cv2.CV_8U)

    def _place(self) -> tuple[int, int, int]:
        """Where the next frame's cut lies in the tile, and how it is mirrored."""
        if self.strongest < LEAST:
            return 0, 0, 0
        top, left = self.generator.integers(0, TILE_MARGIN, 2)
        return int(top), int(left), int(self.generator.integers(-1, 2))
