"""Which clips of a folder are good, and what is true of each frame of labelled ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.labels import is_good
from flawcast.configs.mask_levels import DEFECT
from flawcast.generators.clips import ClipEntry, list_clips, read_masks
from flawcast.generators.clips.listing import TEST, UNLABELLED

MASK_SIDE = 120  # pixels: a mask is only asked how much of the frame it covers

Say = Callable[[str], None]


@dataclass(frozen=True)
class Truth:
    """What is true of a clip's frames.

    Args:
        wrong: Whether each shows something wrong, (T,).
        worst: The frame that shows most of it; None if none does, or it is not known.
    """

    wrong: NDArray[np.bool_]
    worst: int | None


def good_clips(folder: Path, say: Say) -> list[ClipEntry]:
    """The clips of a folder that are good, without those of the split test.

    Clips without a label are taken for good if none of the folder's clips has one.

    Raises:
        ClipError: If there is none.
    """
    entries = list_clips(folder, lambda reject: say(f"left out: {reject.name}: {reject.reason}"))
    unlabelled = all(entry.label == UNLABELLED for entry in entries)
    good = [entry for entry in entries if unlabelled or is_good(entry.label)]
    kept = [entry for entry in good if entry.split != TEST]
    if not kept:
        labels = ", ".join(sorted({entry.label for entry in entries}))
        raise ClipError(
            f"good clips: expected some labelled normal or good, and not of the split test, found "
            f"the labels {labels} in {folder}; name a folder of good clips"
        )
    if len(kept) < len(entries):
        say(f"{len(kept)} of {len(entries)} clips are good ones to learn from")
    return kept


def truth_of(entry: ClipEntry, length: int) -> Truth:
    """What is true of a labelled clip, by its mask, else by label and onset.

    A defective clip without a mask or an onset counts as wrong throughout.

    Raises:
        ClipError: If its mask cannot be read.
    """
    nothing = np.zeros(length, bool)
    if is_good(entry.label) or (entry.label == UNLABELLED and entry.mask is None):
        return Truth(nothing, None)
    masks = None
    if entry.mask is not None:
        masks = read_masks(entry, ClipSettings(size=MASK_SIDE, fit="keep"), length)
    if masks is not None and len(masks) == length:
        area = (masks >= DEFECT).sum(axis=(1, 2))
        wrong = area > 0
        if entry.onset is not None:
            wrong[entry.onset :] = True
        return Truth(wrong, int(area.argmax()) if area.any() else None)
    wrong = nothing.copy()
    wrong[entry.onset or 0 :] = True
    return Truth(wrong, None)
