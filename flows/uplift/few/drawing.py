"""Which stills are learnt from, and which are tested on: no item is on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed
from flawcast.flows.uplift.images.stills import Still


@dataclass(frozen=True)
class Draw:
    """Indices of the stills of one K and seed.

    Args:
        bad: Defective ones to learn from.
        good: Good ones to learn from.
        tested: Those of all other items.
    """

    bad: tuple[int, ...]
    good: tuple[int, ...]
    tested: tuple[int, ...]


def draw_stills(stills: Sequence[Still], k: int, good: int, seed: int, most: int) -> Draw:
    """Draw stills to learn from, each of another item.

    For one seed, the stills of a smaller K are among those of a larger one, and the tested stills
    are the same for every K.

    Args:
        stills: All stills.
        k: Number of defective ones.
        good: Number of good ones.
        seed: The draw.
        most: The largest K of the experiment.

    Raises:
        ClipError: If there are too few items.
    """
    order = np.random.default_rng(derive_seed(seed, "stills")).permutation(len(stills)).tolist()
    taken: set[int] = set()
    sides: dict[bool, list[int]] = {True: [], False: []}
    for defective, wanted in ((True, most), (False, good)):
        for index in order:
            still = stills[index]
            if still.defective == defective and still.item not in taken:
                if len(sides[defective]) == wanted:
                    break
                sides[defective].append(index)
                taken.add(still.item)
    tested = tuple(index for index, still in enumerate(stills) if still.item not in taken)
    kinds = {stills[index].defective for index in tested}
    if len(sides[True]) < most or len(kinds) < 2:
        raise ClipError(
            f"images: expected {most} defective items to learn from and others to test on, found "
            f"{len(sides[True])}; lower --k or --gap"
        )
    return Draw(tuple(sides[True][:k]), tuple(sides[False]), tested)
