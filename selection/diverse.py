"""The most diverse few of many samples: greedy independent sets, the threshold by bisection.

The goal is k samples whose smallest mutual distance is as large as possible. At a given threshold,
a greedy walk goes through the samples from the lowest error on. It takes each sample that is at
least the threshold away from all taken samples. Bisection looks for the largest threshold at which
the walk takes k samples.

The guarantee: the smallest distance is at least half of the largest possible one. Proof: let d be
the largest possible one, reached by k samples. At a threshold of d / 2, each taken sample rules
out at most one of those k (two within d / 2 of it would be less than d apart), so the walk cannot
end before it has taken k. Bisection ends with a threshold that works and the next one that does
not. The one that does not is above d / 2, and d / 2 is among the thresholds. In general, no rule
that takes polynomial time does better than half, unless P = NP (Ravi et al., 1994).
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
        distances: Distance between every two samples: a metric, symmetric, (N, N).
        errors: Error of each sample, (N,); lower ones are taken first.
        k: Number of samples to choose.

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
        taken = _independent(apart, thresholds[middle], k)
        if len(taken) < k:
            fails = middle
            continue
        works = middle
        if _smallest(apart, taken) > _smallest(apart, best):
            best = taken
    return order[best]


def _independent(apart: NDArray[np.float64], threshold: float, k: int) -> NDArray[np.intp]:
    """Walk from the first sample on; take up to k that are far enough from all taken ones."""
    free = np.ones(len(apart), bool)
    taken: list[int] = []
    while len(taken) < k and free.any():
        taken.append(int(free.argmax()))
        free &= apart[taken[-1]] >= threshold
        free[taken] = False
    return np.array(taken, np.intp)


def _smallest(apart: NDArray[np.float64], indices: NDArray[np.intp]) -> float:
    """The smallest distance between two of the samples; infinite for a single one."""
    between = apart[np.ix_(indices, indices)][np.triu_indices(len(indices), 1)]
    return float(between.min(initial=np.inf))
