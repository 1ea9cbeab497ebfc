"""Looks: a small picture of what a defect changes, by which copies are recognised."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.layer import DefectLayer, Image, Mask

Look = NDArray[np.float32]  # (SIDE * SIDE,), of length 1

SIDE = 24  # pixels along a side of a look
AIR = 0.15  # share of the defect's box that is shown around it
SMALLEST = 10  # pixels along the longer side: smaller spots all look alike


def look_of(before: Image, after: Image, mask: Mask) -> Look | None:
    """The look of a defect, whatever its size, strength and part.

    Args:
        before: What the surface would show without it, RGB, (H, W, 3).
        after: What it shows, RGB, (H, W, 3).
        mask: The defect, (H, W).

    Returns:
        (SIDE * SIDE,) of length 1; None for a defect that is too small to be recognised.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows) or max(np.ptp(rows), np.ptp(columns)) + 1 < SMALLEST:
        return None
    length = max(np.ptp(rows), np.ptp(columns)) + 1
    reach = (0.5 + AIR) * length
    x, y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    scale = SIDE / (2 * reach)
    matrix = np.array([[scale, 0, (reach - x) * scale], [0, scale, (reach - y) * scale]])
    change = (after.astype(np.float32) - before).mean(-1)
    change = cv2.GaussianBlur(change, (0, 0), max(0.3, 0.4 / scale))
    small = cv2.warpAffine(change, matrix, (SIDE, SIDE)).ravel()
    size = float(np.linalg.norm(small))
    return np.asarray(small / size, np.float32) if size > 0 else None


def look_of_layer(layer: DefectLayer, picture: Image, background: Image | None) -> Look | None:
    """The look of a defect on its source frame."""
    return look_of(picture, layer.over(picture, background), layer.mask())


def likeness(look: Look | None, others: Iterable[Look | None]) -> float:
    """How alike a look is to the most alike of others, up to 1; 0 if none can be compared."""
    if look is None:
        return 0.0
    return max((float(look @ other) for other in others if other is not None), default=0.0)
