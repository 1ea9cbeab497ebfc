"""Defects as objects: per-frame masks, their boxes, and outlines that fill to the same pixels."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT
from flawcast.flows.exports.base import ExportSample

Mask = NDArray[np.bool_]
Points = NDArray[np.int32]


def defect_masks(sample: ExportSample, normal: str) -> Mask | None:
    """The masks (F, H, W) of a sample's object: the drawn defect, or the part if none is drawn.

    Args:
        sample: The sample.
        normal: The label of videos without a defect, which have none.
    """
    return None if sample.row["label"] == normal else sample.mask


def frame_label(sample: ExportSample, number: int, normal: str) -> str:
    """The label of one frame: before a drawn defect begins, a frame is normal."""
    mask = defect_masks(sample, normal)
    drawn = sample.maps is not None and bool((sample.maps >= DEFECT).any())
    shows_none = mask is not None and drawn and not mask[number].any()
    return normal if shows_none else str(sample.row["label"])


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, width and height of what a mask (H, W) marks; it marks something.

    Example:
        >>> box_of(np.array([[False, False, False], [False, True, True]]))
        (1, 1, 2, 1)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def outlines(mask: Mask) -> Iterator[Points]:
    """The outline (M, 2) of each connected piece of a mask, through the centres of its pixels.

    It has at least three points. Filled with its border, as OpenCV fills, it gives the piece's
    pixels again. A hole is joined to the outline by a cut there and back, since formats of one
    outline know no holes; where the cut crosses what is not marked, its pixels are added.
    """
    found, levels = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not found:
        return
    parents = levels[0][:, 3]
    for index, contour in enumerate(found):
        if parents[index] >= 0:
            continue  # a hole: joined to what it is in
        outline = contour[:, 0]
        holes = [found[hole][:, 0] for hole in np.flatnonzero(parents == index)]
        while holes:
            nearest, cut = min(
                ((hole, _nearest(outline, hole)) for hole in holes), key=lambda pair: pair[1][2]
            )
            holes = [hole for hole in holes if hole is not nearest]
            outline = _joined(outline, nearest, *cut[:2])
        few = 3 - len(outline)
        yield np.concatenate([outline, np.repeat(outline[-1:], max(few, 0), axis=0)])


def _nearest(outline: Points, hole: Points) -> tuple[int, int, int]:
    """The places of the two points, one of each, that are nearest, and their squared distance."""
    apart = outline[:, None].astype(np.int64) - hole[None]
    distance = (apart**2).sum(axis=2)
    first, second = np.unravel_index(int(distance.argmin()), distance.shape)
    return int(first), int(second), int(distance[first, second])


def _joined(outline: Points, hole: Points, at: int, to: int) -> Points:
    """An outline that goes to a hole, around it, and back."""
    around = np.concatenate([hole[to:], hole[: to + 1]])
    return np.concatenate([outline[: at + 1], around, outline[at:]])
