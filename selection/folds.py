"""Folds of cross-validation that keep together what belongs together."""

import numpy as np
from numpy.typing import NDArray


def deal_folds(
    groups: NDArray[np.int64], kinds: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """Which fold each thing is in: groups are dealt out whole, the largest first.

    Each goes to the fold that has the fewest things of its kinds so far.

    Args:
        groups: Number of each thing's group, (M,), for instance of the item that a picture shows.
        kinds: What each thing is, (M,), counted from 0, for instance whether it is defective.
        count: How many folds.
        seed: Breaks ties.

    Example:
        >>> deal_folds(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 2, seed=0)
        array([1, 1, 0, 0])
    """
    rng = np.random.default_rng(seed)
    members = {int(group): np.flatnonzero(groups == group) for group in dict.fromkeys(groups)}
    most = int(kinds.max()) + 1
    full = np.zeros((count, most))  # things of each kind that a fold has
    fold = np.zeros(len(groups), np.int64)
    for group in sorted(members, key=lambda group: (-len(members[group]), rng.random())):
        sizes = np.bincount(kinds[members[group]], minlength=most)
        best = int((full @ sizes).argmin())
        full[best] += sizes
        fold[members[group]] = best
    return fold
