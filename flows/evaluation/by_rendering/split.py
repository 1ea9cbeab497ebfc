"""Which clips forecasters are trained on and which they are tested on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.identity import derive_seed
from flawcast.generators.clips.listing import TEST, TRAIN, ClipEntry

SPEAKER = r"(id\d{5})"  # as VoxCeleb names its speakers


@dataclass(frozen=True)
class Split:
    """Clips on either side, and who said so.

    Args:
        train: To train on.
        test: To test on.
        how: What decided, for the report.
    """

    train: tuple[ClipEntry, ...]
    test: tuple[ClipEntry, ...]
    how: str


def group_of(name: str, pattern: str) -> str:
    """What of a clip's name must not be on both sides of a split; the name where nothing matches.

    Raises:
        SettingsError: If the pattern is no regular expression.

    Example:
        >>> group_of("vox_id10286_9K2YB1d8BqY_000284_000429", SPEAKER), group_of("a", SPEAKER)
        ('id10286', 'a')
    """
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise SettingsError(
            f"group: expected a regular expression, got {pattern!r} ({error})"
        ) from None
    if found is None:
        return name
    return (found.group(1) or name) if found.re.groups else found.group()


def split_entries(entries: Sequence[ClipEntry], held_out: float, group: str, seed: int) -> Split:
    """Divide clips by labels.csv, or by folders `train` and `test`, or else by groups at random.

    Args:
        entries: The clips of one folder.
        held_out: Share of the groups used for testing if neither file nor folders name them.
        group: A regular expression; see `group_of`.
        seed: Draws those groups.

    Raises:
        ClipError: If one side would be empty.
    """
    splits = [entry.split for entry in entries]
    how = "labels.csv or the folders train and test"
    if TEST not in splits:
        groups = sorted({group_of(entry.name, group) for entry in entries})
        rng = np.random.default_rng(derive_seed(seed, "evaluation split"))
        count = min(max(1, round(held_out * len(groups))), len(groups) - 1)
        drawn = {groups[index] for index in rng.permutation(len(groups))[:count]}
        splits = [TEST if group_of(entry.name, group) in drawn else TRAIN for entry in entries]
        how = f"chance (seed {seed}), {count} of {len(groups)} groups held out"
    sides = [
        tuple(entry for entry, split in zip(entries, splits, strict=True) if split == side)
        for side in (TRAIN, TEST)
    ]
    if not all(sides):
        raise ClipError(
            f"clips: expected some to train and some to test on, got {len(sides[0])} and "
            f"{len(sides[1])} by {how}; say which in labels.csv, or add clips"
        )
    return Split(sides[0], sides[1], how)
