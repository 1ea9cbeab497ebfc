"""Filling holes of a plate: along rows or columns where these go on, else from all sides."""

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

MOST_GAP = 14.0  # gray levels between both ends of a line that may be joined


def inpainted(image: Image, hole: Mask) -> Image:
    """Fill a hole smoothly from its outline: RGB (H, W, 3), (H, W) -> RGB (H, W, 3).

    A belt and its rails go on along one axis: where both ends of the rows, or of the columns, are
    alike, they are joined by lines. Else all sides are blended.
    """
    if hole.all() or not hole.any():
        return image
    rows, row_gap = _joined(image, hole)
    columns, column_gap = _joined(image.swapaxes(0, 1), hole.T)
    if min(row_gap, column_gap) > MOST_GAP:
        return _blended(image, hole)
    lines = rows if row_gap <= column_gap else columns.swapaxes(0, 1)
    return np.where(hole[..., None], lines.round().clip(0, 255).astype(np.uint8), image)


def spread(change: Floats, free: Floats, reach: float) -> Floats:
    """A change (H, W, 3) smoothed over what is free (H, W), and carried on into the rest."""
    weight = cv2.GaussianBlur(free, (0, 0), reach)
    smooth = cv2.GaussianBlur(change, (0, 0), reach)
    return smooth / np.maximum(weight, 0.05)[..., None]


def _joined(image: Image, hole: Mask) -> tuple[NDArray[np.float32], float]:
    """Rows joined across a hole by straight lines, and how unlike their two ends are."""
    height, width = hole.shape
    at = np.broadcast_to(np.arange(width), hole.shape)
    left = np.maximum.accumulate(np.where(hole, -1, at), axis=1)
    right = np.minimum.accumulate(np.where(hole, width, at)[:, ::-1], axis=1)[:, ::-1]
    both = hole & (left >= 0) & (right < width)
    left, right = np.where(left < 0, right, left), np.where(right == width, left, right)
    left, right = (side.clip(0, width - 1) for side in (left, right))  # a row that is all hole
    smooth = _blended(image, hole).astype(np.float32)
    row = np.arange(height)[:, None]
    behind = (left - 1).clip(0), (right + 1).clip(None, width - 1)
    first = (smooth[row, left] + smooth[row, behind[0]]) / 2  # two pixels: less noise
    last = (smooth[row, right] + smooth[row, behind[1]]) / 2
    share = ((at - left) / np.maximum(right - left, 1)).astype(np.float32)[..., None]
    gap = np.abs(first - last).mean(-1)
    lines = first + share * (last - first)
    return lines, float(gap[both].mean()) if both.sum() > 0.9 * hole.sum() else float("inf")


def _blended(image: Image, hole: Mask) -> Image:
    """Fill a hole from all sides: averages of known pixels at ever coarser levels.

    Reference:
        Gortler et al., 1996, The lumigraph: pull-push.
    """
    known = (~hole).astype(np.float32)
    levels = [np.concatenate([image * known[..., None], known[..., None]], -1).astype(np.float32)]
    while levels[-1][..., 3].min() < 0.5 and min(levels[-1].shape[:2]) > 1:
        size = tuple(max(1, (side + 1) // 2) for side in levels[-1].shape[1::-1])
        coarse = cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)
        levels.append(coarse / np.maximum(coarse[..., 3:], 0.25))  # four known corners are enough
    filled = levels[-1]
    for level in reversed(levels[:-1]):
        size = level.shape[1::-1]
        coarse = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        filled = level + (1 - level[..., 3:].clip(0, 1)) * coarse
    smooth = filled[..., :3] / np.maximum(filled[..., 3:], 1e-3)
    soft = cv2.GaussianBlur(smooth, (0, 0), 2.0)
    return np.where(hole[..., None], soft.clip(0, 255).round().astype(np.uint8), image)
