"""Scores of a detector and how sure they are: AUROC, average precision, F1, paired bootstrap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Difference:
    """A difference of two arms' AUROC and its 95 percent interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What it says, plainly."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no difference shown"


def auroc(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> float:
    """Chance that a defective clip scores higher than a good one; ties count half.

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
    """Mean precision over the ranks at which defective clips are found, equal scores together.

    Example:
        >>> round(average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 4)
        0.8333
    """
    total, found = 0.0, 0
    for level in np.unique(scores)[::-1]:
        above = scores >= level
        hits = int(defective[above].sum())
        total += (hits - found) * hits / int(above.sum())
        found = hits
    return total / int(defective.sum())


def f1(said: NDArray[np.int64], truth: NDArray[np.int64], label: int) -> float:
    """Harmonic mean of precision and recall of one label; 0 where it is never said rightly."""
    hits = int(((said == label) & (truth == label)).sum())
    both = int((said == label).sum()) + int((truth == label).sum())
    return 2 * hits / both if both else 0.0


def paired_difference(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    defective: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Difference:
    """Difference of the mean AUROC of two arms over the same seeds and test clips.

    Test clips are drawn anew with replacement (good and defective ones apart, as many of each), and
    seeds with them; both arms see the same draws.

    Args:
        one: Scores of an arm, (seeds, M).
        other: Scores of the arm that it is compared with, (seeds, M).
        defective: The truth, (M,).
        rng: Draws.
    """
    bad, good = np.flatnonzero(defective), np.flatnonzero(~defective)
    truth = np.concatenate([np.ones(len(bad), bool), np.zeros(len(good), bool)])

    def mean(
        scores: NDArray[np.float64], seeds: NDArray[np.int64], clips: NDArray[np.int64]
    ) -> float:
        return float(np.mean([auroc(scores[seed][clips], truth) for seed in seeds]))

    every, everyone = np.arange(len(one)), np.concatenate([bad, good])
    drawn = []
    for _ in range(RESAMPLES):
        seeds = rng.choice(every, len(every))
        clips = np.concatenate([rng.choice(bad, len(bad)), rng.choice(good, len(good))])
        drawn.append(mean(one, seeds, clips) - mean(other, seeds, clips))
    low, high = np.quantile(drawn, [0.025, 0.975])
    difference = mean(one, every, everyone) - mean(other, every, everyone)
    return Difference(difference, float(low), float(high))
