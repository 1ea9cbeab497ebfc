"""Affine motions of points: fitting them robustly, applying and inverting them."""

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]  # (2, 3): pixel (x, y, 1) of the source -> pixel of another frame
Points = NDArray[np.float32]  # (n, 2), pixels

FEWEST = 5  # points that a motion needs
STIFFNESS = 2.0  # points' worth of belief that the part only shifts since the last frame


def fitted(starts: Points, ends: Points, stiffness: float = STIFFNESS) -> Affine | None:
    """Robust affine motion of points, drawn towards a mere shift where they say little.

    Args:
        starts: (n, 2).
        ends: (n, 2).
        stiffness: Weight of the pull, in points spread like these.

    Returns:
        (2, 3), or None where less than a third of the points agree.
    """
    moves = (ends - starts).astype(np.float64)
    shift = np.median(moves, axis=0)
    weights = np.ones(len(starts))
    result = np.eye(2, 3)
    for step in range(5):
        total = weights.sum()
        centre = (weights[:, None] * starts).sum(0) / total
        mean = (weights[:, None] * moves).sum(0) / total if step else shift
        offsets, rest = starts - centre, moves - mean
        scatter = (weights[:, None] * offsets).T @ offsets
        spread = np.trace(scatter) / (2 * total)
        pull = (stiffness * spread + 25.0 * stiffness) * np.eye(2)
        linear = np.linalg.solve(scatter + pull, (weights[:, None] * offsets).T @ rest).T
        result = np.concatenate([np.eye(2) + linear, (mean - linear @ centre)[:, None]], 1)
        errors = np.linalg.norm(moved(starts, result) - ends, axis=-1)
        scale = max(0.3, 1.5 * float(np.median(errors)))
        scale = min(scale, 2.0)
        weights = 1 / (1 + (errors / scale) ** 2) ** 2
    agreeing = (errors < 1.5).sum()
    return result if agreeing >= max(FEWEST - 1, len(starts) / 3) else None


def plausible(motion: Affine, before: Affine) -> bool:
    """Whether a part may have changed its size and shape so much within one frame."""
    change = motion[:, :2] @ np.linalg.inv(before[:, :2])
    stretch = np.linalg.svd(change, compute_uv=False)
    return bool(stretch.min() > 0.75 and stretch.max() < 1.33)


def moved(points: Points, motion: Affine) -> Points:
    """Points after a motion: (n, 2) -> (n, 2)."""
    return (points @ motion[:, :2].T + motion[:, 2]).astype(np.float32)


def shifted(motion: Affine, shift: NDArray[np.float64]) -> Affine:
    """A motion followed by a shift."""
    result = motion.copy()
    result[:, 2] += shift
    return result


def square(motion: Affine, power: int) -> Affine:
    """A motion, or its inverse for power -1, as a (3, 3) matrix."""
    full = np.concatenate([motion, [[0, 0, 1]]])
    return full if power == 1 else np.linalg.inv(full)
