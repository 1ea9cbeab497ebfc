"""Drawn clips with known motion."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
STEP = 4  # pixels a frame
SIDE = 28  # of the part


def textured(size: tuple[int, int], seed: int, low: int, high: int) -> Image:
    """A smooth random picture, RGB."""
    noise = np.random.default_rng(seed).uniform(low, high, (*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    smooth = (smooth - smooth.mean()) * 2 + (low + high) / 2
    return smooth.clip(low, high).astype(np.uint8)


def draw_clip(count: int = 14, start: int = 4, weave: int = 0) -> tuple[Image, Image]:
    """A textured square that moves right over a gray plate with a rail: frames and plate.

    Args:
        count: T.
        start: Left edge of the part in the first frame, pixels.
        weave: Strength of a belt's texture that moves with the part; 0 for none.
    """
    height, width = 64, 96
    plate = np.full((height, width, 3), 90, np.uint8)
    plate[50:54] = 40
    part = textured((SIDE, SIDE), 1, 120, 250)
    belt = textured((height, 4 * width), 2, 128 - weave, 128 + weave) if weave else None
    frames = np.repeat(plate[None], count, 0)
    for index, frame in enumerate(frames):
        if belt is not None:
            left = 2 * width - STEP * index
            frame[:] = np.clip(frame.astype(int) + belt[:, left : left + width] - 128, 0, 255)
        left = start + STEP * index
        shown = part[:, max(0, -left) : max(0, min(SIDE, width - left))]
        frame[14 : 14 + SIDE, max(0, left) : max(0, left) + shown.shape[1]] = shown
    return frames, plate
