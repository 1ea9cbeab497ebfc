"""The most diverse few of many samples: greedy independent sets at a threshold found by bisection.

Wanted are k samples whose smallest mutual distance is as large as it can be. At one threshold, the
samples are taken from the lowest error on, each if it is at least the threshold away from all that
were taken. Of the thresholds at which k come together, the largest that bisection finds is used.

The guarantee: the smallest distance is at least half of the largest possible one. For let d be that
one, reached by k samples. At a threshold of d / 2 each sample that is taken rules out at most one
of those k (two within d / 2 of it would be less than d apart), so the greedy walk cannot end before
it has taken k. Bisection keeps a threshold that works and the next one that does not; the one that
does not is above d / 2, and d / 2 is among the thresholds. No rule that takes polynomial time does
better than half in general, unless P = NP (Ravi et al., 1994).
"""

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError
from flawcast.configs.shapes import expect_shape


def most_diverse(
    distances: NDArray[np.floating], errors: NDArray[np.floating], k: int
) -> NDArray[np.intp]:
    """Choose k samples that are far from one another.

    Args:
        distances: Of every two samples, symmetric, a metric, (N, N).
        errors: Of each sample, (N,); lower ones are taken first.
        k: How many.

    Returns:
        Distinct indices, (k,), lowest error first. Their smallest mutual distance is at least half
        of the largest that any k samples have.

    Raises:
        SettingsError: If there are fewer than k samples, or k is less than one.
        ShapeError: If the axes do not agree.

    Reference:
        Fahrbach et al., 2024, GIST, https://arxiv.org/abs/2405.18754 (the greedy independent set);
        Ravi et al., 1994, Heuristic and special case algorithms for dispersion problems.

    Example:
        >>> places = np.array([0.0, 0.1, 0.2, 1.0, 1.1])
        >>> apart = np.abs(places[:, None] - places)
        >>> most_diverse(apart, np.array([0.2, 0.1, 0.3, 0.5, 0.4]), k=2).tolist()
        [1, 4]
    """
    count = expect_shape("distances", distances, "N N")["N"]
    expect_shape("errors", errors, f"{count}")
    if not 1 <= k <= count:
        raise SettingsError(
            f"diverse: expected 1 to {count} samples, as many as there are, got {k}; "
            "ask for fewer or raise the largest MAE"
        )
    order = np.argsort(errors, kind="stable")
    apart = np.asarray(distances, np.float64)[np.ix_(order, order)]
    thresholds = np.unique(np.concatenate([np.zeros(1), apart.ravel() / 2, apart.ravel()]))
    works, fails = 0, len(thresholds)
    best = np.arange(k)
    while fails - works > 1:
        middle = (works + fails) // 2
        found = _independent(apart, thresholds[middle], k)
        if len(found) < k:
            fails = middle
            continue
        works = middle
        if _smallest(apart, found) > _smallest(apart, best):
            best = found
    return order[best]


def _independent(apart: NDArray[np.float64], threshold: float, k: int) -> NDArray[np.intp]:
    """Walk from the first sample on and take what is far enough from all taken, up to k."""
    free = np.ones(len(apart), bool)
    taken: list[int] = []
    while len(taken) < k and free.any():
        taken.append(int(free.argmax()))
        free &= apart[taken[-1]] >= threshold
        free[taken] = False
    return np.array(taken, np.intp)


def _smallest(apart: NDArray[np.float64], chosen: NDArray[np.intp]) -> float:
    """The smallest distance between two chosen samples; infinite for one alone."""
    between = apart[np.ix_(chosen, chosen)][np.triu_indices(len(chosen), 1)]
    return float(between.min(initial=np.inf))
