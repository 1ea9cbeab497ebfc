"""Membranes: what the surround of a region says that the region would show without its defect."""

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

ROUNDS = 12  # of relaxation at each level: the next coarser level has already done most of it
SMALLEST = 3  # pixels along the short side of the coarsest level


def membrane(values: Floats, known: Mask) -> Floats:
    """Continue known values smoothly over all other pixels.

    The result solves Laplace's equation between the known pixels, as in gradient-domain cloning.
    It is found from coarse to fine: each level averages what is known, fills the rest from the
    coarser level, and relaxes it.

    Args:
        values: (H, W, C).
        known: Pixels whose values count, (H, W), at least one.

    Returns:
        (H, W, C), equal to `values` where they are known.

    Reference:
        Perez et al., 2003, Poisson Image Editing, eq. 2.
    """
    weight = known.astype(np.float32)
    return _level(values * weight[..., None], weight)


def _level(sums: Floats, weight: Floats) -> Floats:
    """One level of the pyramid; `sums` are values times their weights."""
    height, width = weight.shape
    known = weight > 0
    mean = np.asarray(sums / np.maximum(weight, 1e-6)[..., None], np.float32)
    if known.all():
        return mean
    if min(height, width) <= SMALLEST:
        overall = sums.sum((0, 1)) / max(1e-6, float(weight.sum()))
        return np.where(known[..., None], mean, overall).astype(np.float32)
    half = (-(-width // 2), -(-height // 2))
    coarse = _level(
        cv2.resize(sums, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], -1),
        cv2.resize(weight, half, interpolation=cv2.INTER_AREA),
    )
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    filled = filled.reshape(height, width, -1)
    keep = known[..., None]
    filled = np.where(keep, mean, filled)
    for _ in range(ROUNDS):
        near = cv2.blur(filled, (3, 3), borderType=cv2.BORDER_REPLICATE).reshape(filled.shape)
        filled = np.where(keep, mean, near)
    return np.asarray(filled, np.float32)
