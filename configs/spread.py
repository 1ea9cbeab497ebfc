"""Some of many things, evenly spread over their order."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """Choose at most `count` items, each the first of an equal share; all of them for None.

    Which windows of a clip are made depends on this choice, so it stays as it is.

    Example:
        >>> spread("abcdef", 3)
        ['a', 'c', 'e']
    """
    kept = len(items) if count is None else min(count, len(items))
    return [items[index * len(items) // kept] for index in range(kept)]


def spread_ends(length: int, count: int) -> list[int]:
    """Choose at most `count` of `length` positions, first and last among them, for people to see.

    Example:
        >>> spread_ends(10, 4)
        [0, 3, 6, 9]
    """
    positions = np.linspace(0, length - 1, min(count, length)).round().astype(int)
    return sorted(set(positions.tolist()))
