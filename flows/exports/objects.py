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
    pixels again. Formats of one outline know no holes, so each hole is joined to what is left of
    it by a cut there and back, along a row and inside the piece.
    """
    found, levels = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not found:
        return
    parents = levels[0][:, 3]
    loops = [_from_leftmost(contour[:, 0].astype(np.int32)) for contour in found]
    holes: dict[int, list[int]] = {}
    for index in np.flatnonzero(parents >= 0).tolist():
        holes.setdefault(int(parents[index]), []).append(index)
    for index in np.flatnonzero(parents < 0).tolist():
        outline = _joined(mask, [loops[index], *(loops[hole] for hole in holes.get(index, ()))])
        outline = _without_middles(outline)
        few = 3 - len(outline)
        yield np.concatenate([outline, np.repeat(outline[-1:], max(few, 0), axis=0)])


def _from_leftmost(loop: Points) -> Points:
    """A closed line of pixels, begun at its leftmost one."""
    return np.roll(loop, -int(loop[:, 0].argmin()), axis=0)


def _joined(mask: Mask, loops: list[Points]) -> Points:
    """An outline and the borders of its holes as one closed line.

    The pixels left of a hole's leftmost one are inside, up to the outline or to the border of a
    hole further left: there the hole is joined.
    """
    if len(loops) == 1:
        return loops[0]
    owners: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number, loop in enumerate(loops):
        for place, pixel in enumerate(map(tuple, loop.tolist())):
            owners.setdefault(pixel, []).append((number, place))
    joints: dict[tuple[int, int], list[int]] = {}
    for number, loop in enumerate(loops[1:], start=1):
        x, y = loop[0].tolist()
        while x > 0 and mask[y, x - 1]:
            x -= 1
        # A pixel may be on several borders; none that begins further left is joined to this one.
        left = (at for at in owners[x, y] if at[0] == 0 or loops[at[0]][0, 0] < loop[0, 0])
        joints.setdefault(next(left), []).append(number)
    return _walked(loops, joints)


def _walked(loops: list[Points], joints: dict[tuple[int, int], list[int]]) -> Points:
    """Walk the first loop, and from each joint around the loops that are joined there.

    Args:
        loops: Closed lines.
        joints: The loops that are joined at the place of another one.
    """
    back = {inner: loops[at[0]][at[1]] for at, inners in joints.items() for inner in inners}
    line: list[Points] = []
    waiting = [(0, 0)]  # loops under way, and the next place of each
    while waiting:
        number, place = waiting.pop()
        loop = loops[number]
        if place == len(loop):  # around: back to its beginning, and to the joint
            line += [loop[0], back[number]] if number else []
            continue
        line.append(loop[place])
        waiting.append((number, place + 1))
        waiting += [(inner, 0) for inner in joints.get((number, place), ())]
    return np.array(line, np.int32)


def _without_middles(line: Points) -> Points:
    """A closed line without the points in the middle of straight stretches."""
    before, after = line - np.roll(line, 1, axis=0), np.roll(line, -1, axis=0) - line
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    ahead = (before * after).sum(axis=1)
    return line[(turns != 0) | (ahead <= 0)]
