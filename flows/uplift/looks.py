"""Defects of looks in the samples of an experiment: of the sizes that the real ones have."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings, Range
from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT
from flawcast.flows.generate.defects.inputs import parse_defects
from flawcast.generators.clips import Clip, read_masks
from flawcast.generators.clips.masks import levels_of

WIDER = 1.2  # factor by which sizes may lie beyond those of the real defects
SIZES = (0.04, 0.9)  # smallest and largest share of a part's long side
SEVERITY = (0.5, 1.0)


def looks_of(text: str, clips: Sequence[Clip], read: ClipSettings) -> DefectSettings | None:
    """Settings of defects of looks that are as large as those of real clips.

    Args:
        text: As in `parse_defects`; empty for none.
        clips: The clips that may be learnt from; those of the looks' labels are measured.
        read: How they were read, for their masks.

    Raises:
        SettingsError: If a type is unknown.
    """
    if not text:
        return None
    settings = DefectSettings.model_validate(
        {**parse_defects(text), "severity": SEVERITY, "placebo": True}
    )
    labels = {settings.label_of(name) for name in settings.types}
    own = [clip for clip in clips if clip.label in labels]
    sizes = [size for clip in own if (size := defect_size(clip, read)) is not None]
    return settings.model_copy(update={"size": _wider(sizes)}) if sizes else settings


def defect_size(clip: Clip, read: ClipSettings) -> float | None:
    """Length of a clip's defect at its end, as a share of the part's long side.

    None where no mask tells it, or the defect is all of the part.
    """
    try:
        grey = read_masks(clip.entry, read, len(clip.frames))
    except ClipError:
        return None
    if grey is None:
        return None
    last = levels_of(grey)[-1]
    defect, part = last == DEFECT, last > 0
    if not defect.any() or defect.sum() == part.sum():
        return None
    return _long_side(defect) / _long_side(part)


def _wider(sizes: Sequence[float]) -> Range:
    """The range of some sizes, and a little more."""
    low, high = np.clip([min(sizes) / WIDER, max(sizes) * WIDER], *SIZES)
    return float(round(low, 4)), float(round(high, 4))


def _long_side(mask: NDArray[np.bool_]) -> float:
    """Long side of the smallest rectangle around a mask, in pixels."""
    points = np.argwhere(mask)[:, ::-1].astype(np.float32)
    return float(max(cv2.minAreaRect(points)[1])) + 1
