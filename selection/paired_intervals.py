"""Paired bootstrap intervals: is one forecaster better than another on other clips too?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError

RESAMPLES = 2000


@dataclass(frozen=True)
class PairedInterval:
    """A mean difference of two scores, and where it lies for other clips of the same kind.

    Args:
        difference: Mean difference; negative if the first score is smaller.
        low: Lower end of the 95 percent interval.
        high: Upper end.
    """

    difference: float
    low: float
    high: float


def paired_interval(
    ours: NDArray[np.floating],
    base: NDArray[np.floating],
    clips: Sequence[str],
    share: float = 0.95,
) -> PairedInterval:
    """Bootstrap the mean difference of two scores of the same windows over their clips.

    Windows of one clip are alike, so whole clips are drawn. Every window counts the same.

    Args:
        ours: Scores of one forecaster, a value per window.
        base: Scores of the other, for the same windows.
        clips: The clip of every window.
        share: Share of the resampled means that the interval holds.

    Raises:
        ShapeError: If the lengths differ, or there is no window.

    Example:
        >>> paired_interval(np.array([1.0, 2.0]), np.array([2.0, 3.0]), ["a", "b"])
        PairedInterval(difference=-1.0, low=-1.0, high=-1.0)

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13
    """
    if not len(ours) == len(base) == len(clips) or not len(ours):
        raise ShapeError(
            f"paired interval: expected scores of the same windows, got {len(ours)}, {len(base)} "
            f"and {len(clips)} values"
        )
    gaps = np.asarray(ours, np.float64) - base
    names, owners = np.unique(np.asarray(clips), return_inverse=True)
    totals = np.bincount(owners, weights=gaps)
    counts = np.bincount(owners).astype(np.float64)
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return PairedInterval(float(gaps.mean()), float(low), float(high))
