"""Parts to put defects on: of the built-in line, with its true background."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.defects.host import Host, measure_host


@cache
def smooth_host(size: int = 128, seed: int = 1) -> Host:
    """A bright slab with a little texture on a dark background."""
    rng = np.random.default_rng(seed)
    background = np.full((size, size, 3), 60, np.uint8)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [_slab(size)], 1)
    noise = cv2.GaussianBlur(rng.normal(0, 6, (size, size, 3)), (0, 0), 1.0)
    picture = np.where(mask[..., None] > 0, 165 + noise, background)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7) + rng.normal(0, 1.5, picture.shape)
    return measure_host(picture.clip(0, 255).astype(np.uint8), mask > 0, background)


def _slab(size: int) -> NDArray[np.int32]:
    """Corners of a slab of 0.75 x 0.5 of the frame, turned by 20 degrees."""
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (0.375 * size, 0.25 * size)
    turned = corners @ np.array([[cos, sin], [-sin, cos]]) + size / 2
    return np.round(turned).astype(np.int32)
