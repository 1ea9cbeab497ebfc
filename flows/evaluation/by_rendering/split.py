"""Divides clips into those to train forecasters on and those to test them on."""

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
    """Training and test clips, and how they were divided.

    Args:
        train: Training clips.
        test: Test clips.
        how: How they were divided, for the report.
    """

    train: tuple[ClipEntry, ...]
    test: tuple[ClipEntry, ...]
    how: str


def group_of(name: str, pattern: str) -> str:
    """The group in a clip's name; no group is on both sides of a split.

    The whole name is the group if the pattern does not match.

    Raises:
        SettingsError: If the pattern is not a regular expression.

    Example:
        >>> group_of("vox_id10286_9K2YB1d8BqY_000284_000429", SPEAKER), group_of("a", SPEAKER)
        ('id10286', 'a')
    """
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise SettingsError(
            f"group: expected a regular expression, got {pattern!r} ({error})"
        ) from None
    if match is None:
        return name
    return (match.group(1) or name) if match.re.groups else match.group()


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
        held_out_groups = {groups[index] for index in rng.permutation(len(groups))[:count]}
        splits = [
            TEST if group_of(entry.name, group) in held_out_groups else TRAIN for entry in entries
        ]
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
