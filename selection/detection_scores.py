"""Scores of a detector and their uncertainty: AUROC, average precision, F1, paired bootstrap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
Indices = NDArray[np.int64]
Measure = Callable[[Indices], float]


@dataclass(frozen=True)
class Difference:
    """The difference between the scores of two arms, and its 95 percent interval."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the verdict in words."""
        interval = [self.low, self.high]
        return {"difference": self.mean, "interval": interval, "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Whether the interval shows help, harm or neither."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no difference shown"


def auroc(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> float:
    """Probability that a defective clip scores higher than a good one; ties count half.

    Args:
        scores: Higher is more suspicious, (M,).
        defective: The truth, (M,), with clips of both kinds.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    bad, good = scores[defective][:, None], scores[~defective]
    return float(((bad > good) + 0.5 * (bad == good)).mean())


def average_precision(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> float:
    """Mean precision over the ranks of the defective clips; equal scores share a rank.

    Example:
        >>> round(average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 4)
        0.8333
    """
    total, earlier = 0.0, 0
    for level in np.unique(scores)[::-1]:
        above = scores >= level
        hits = int(defective[above].sum())
        total += (hits - earlier) * hits / int(above.sum())
        earlier = hits
    return total / int(defective.sum())


def f1(predicted: NDArray[np.int64], truth: NDArray[np.int64], label: int) -> float:
    """Harmonic mean of precision and recall of one label; 0 if it is never predicted correctly."""
    hits = int(((predicted == label) & (truth == label)).sum())
    both = int((predicted == label).sum()) + int((truth == label).sum())
    return 2 * hits / both if both else 0.0


def paired_difference(
    one: Sequence[Measure],
    other: Sequence[Measure],
    draw: Callable[[np.random.Generator], Indices],
    everything: Indices,
    rng: np.random.Generator,
) -> Difference:
    """Difference of the mean scores of two arms over the same seeds and the same test items.

    The interval is a bootstrap: test items and seeds are resampled with replacement, and both arms
    get the same resamples.

    Args:
        one: Scores an arm on the test items of some indices; one function per seed.
        other: The same for the arm that it is compared with.
        draw: Resamples the indices of the test items.
        everything: Indices of all test items, once each.
        rng: Source of the randomness.
    """

    def difference(seeds: Indices, items: Indices) -> float:
        return float(np.mean([one[seed](items) - other[seed](items) for seed in seeds]))

    every = np.arange(len(one))
    resampled = [difference(rng.choice(every, len(every)), draw(rng)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(difference(every, everything), float(low), float(high))


def draw_clips(defective: NDArray[np.bool_]) -> Callable[[np.random.Generator], Indices]:
    """A function that resamples clips with replacement, good and defective ones separately."""
    bad, good = np.flatnonzero(defective), np.flatnonzero(~defective)
    return lambda rng: np.concatenate([rng.choice(bad, len(bad)), rng.choice(good, len(good))])
