"""Compositing: cut-outs of parts, warped and laid over the background, in the parts' boxes only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.keypoints import Keypoints, unpacked
from flawcast.generators.backbones.layers.motion import Box, Field, dense_motion, driven_box
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]

MARGIN = 3  # empty pixels around a cut-out, so that a warp finds its edge
MOST_REMEMBERED = 2**15  # pixels of a cut-out, whose places in a frame take a quarter of a megabyte
ALIKE = 1e-4  # costs of two sources that differ by less may be those of one, rounded
HIDDEN_COST = 1.5  # how many half frames away a source may be that shows the whole part instead


@dataclass(frozen=True)
class CutOut:
    """A part as one frame shows it.

    Args:
        pixels: RGBA, colours multiplied by alpha, (h, w, 4).
        box: Where it lies in that frame; it may reach over the frame's edge by the empty margin.
        keypoints: The part's own in that frame, (6 k,).
        visible: Share of the part that the frame shows, [0, 1].
    """

    pixels: Image
    box: Box
    keypoints: Keypoints
    visible: float


def make_cut_out(pixels: Image, keypoints: Keypoints, visible: float = 1.0) -> CutOut:
    """Trim a cut-out of frame size to its part.

    Where the part is cut off by the frame its outermost pixels are repeated into the margin, so
    that the cut stays sharp.

    Args:
        pixels: RGBA of the whole frame, (H, W, 4).
        keypoints: (6 k,).
        visible: Share of the part within the frame.
    """
    rows, columns = np.nonzero(pixels[..., 3] > 3)
    if not len(rows):
        return CutOut(np.zeros((1, 1, 4), np.uint8), (0, 0, 1, 1), keypoints, 0.0)
    top, bottom = int(rows.min()) - MARGIN, int(rows.max()) + MARGIN + 1
    left, right = int(columns.min()) - MARGIN, int(columns.max()) + MARGIN + 1
    height, width = pixels.shape[:2]
    pad = [max(0, v) for v in (-top, bottom - height, -left, right - width)]
    inner = pixels[max(0, top) : bottom, max(0, left) : right]
    padded = cv2.copyMakeBorder(inner, *pad, cv2.BORDER_REPLICATE)
    return CutOut(padded, (left, top, right, bottom), keypoints, visible)


def nearest_cut_out(cut_outs: Sequence[CutOut], driving: Keypoints) -> int:
    """Choose the source whose pose is nearest and which shows enough of the part.

    Args:
        cut_outs: The sources of one part.
        driving: Keypoints of the part in the frame to draw, (6 k,).
    """
    places, jacobians = unpacked(driving)
    costs = []
    for one in cut_outs:
        own, own_jacobians = unpacked(one.keypoints)
        way = float(np.linalg.norm((places - own).mean(0)))
        turn = float(np.abs(jacobians - own_jacobians).mean())
        costs.append(way + 2 * turn + HIDDEN_COST * (1 - one.visible))
    return int(np.argmin(costs))


def nearest_cut_outs(cut_outs: Sequence[CutOut], driving: Keypoints) -> list[int]:
    """What `nearest_cut_out` chooses for many frames (F, 6 k) at once.

    Where rounding might decide, it is asked itself.
    """
    places, jacobians = unpacked(driving)
    costs = np.empty((len(cut_outs), len(driving)))
    for cost, one in zip(costs, cut_outs, strict=True):
        own, own_jacobians = unpacked(one.keypoints)
        way = np.linalg.norm((places - own).mean(1), axis=1)
        turn = np.abs(jacobians - own_jacobians).mean((1, 2, 3))
        cost[:] = way + 2 * turn + HIDDEN_COST * (1 - one.visible)
    if len(cut_outs) == 1:
        return [0] * len(driving)
    two = np.partition(costs, 1, axis=0)[:2]
    unsure = two[1] - two[0] < ALIKE
    return [
        nearest_cut_out(cut_outs, one) if ask else nearest
        for one, ask, nearest in zip(
            driving, unsure.tolist(), costs.argmin(0).tolist(), strict=True
        )
    ]


def lay_over(frame: Image, alpha: Image, cut_out: CutOut, driving: Keypoints) -> None:
    """Draw a part over a frame, in place.

    Args:
        frame: RGB, (H, W, 3), changed.
        alpha: What parts cover so far, (H, W) in [0, 255], changed.
        cut_out: The part.
        driving: Keypoints of the part in this frame, (6 k,).
    """
    size = (frame.shape[0], frame.shape[1])
    (left, top, right, bottom), field = source_places(cut_out, driving, size)
    if field is None:
        return
    opacity = blend(frame[top:bottom, left:right], cut_out, field)
    covered = alpha[top:bottom, left:right]
    alpha[top:bottom, left:right] = cv2.max(covered, opacity)


def blend(under: Image, cut_out: CutOut, field: Field) -> Image:
    """Draw a part over its box of a frame, in place.

    Args:
        under: What is in the box so far, RGB, (h, w, 3), changed.
        cut_out: The part.
        field: Where in the cut-out the box's pixels are, (h, w, 2).

    Returns:
        What the part covers, (h, w) in [0, 255].
    """
    layer = cv2.remap(cut_out.pixels, field, None, cv2.INTER_CUBIC, borderValue=0)
    opacity = np.ascontiguousarray(layer[..., 3])
    rest = cv2.merge([255 - opacity] * 3)
    cv2.multiply(under, rest, dst=rest, scale=1 / 255)
    cv2.add(rest, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=rest)
    under[...] = rest
    return opacity


def cover(cut_out: CutOut, driving: Keypoints, size: tuple[int, int]) -> tuple[Box, Image]:
    """What one part covers in a frame, without drawing it.

    Args:
        cut_out: The part.
        driving: Keypoints of the part in this frame, (6 k,).
        size: (H, W).

    Returns:
        The box that it may lie in, and its alpha there, (box height, box width).
    """
    box, field = source_places(cut_out, driving, size)
    if field is None:
        return box, np.zeros((max(0, box[3] - box[1]), max(0, box[2] - box[0])), np.uint8)
    alpha = np.ascontiguousarray(cut_out.pixels[..., 3])
    return box, cv2.remap(alpha, field, None, cv2.INTER_CUBIC, borderValue=0)


def source_places(
    cut_out: CutOut, driving: Keypoints, size: tuple[int, int]
) -> tuple[Box, Field | None]:
    """A part's box in a frame, and where in the cut-out its pixels are; None for an empty box.

    A frame, the same frame with a defect and its mask ask for the same places one after the other,
    so those of small parts are remembered.
    """
    left, top, right, bottom = cut_out.box
    single = cut_out.keypoints.dtype == driving.dtype == np.float32
    if not single or (right - left) * (bottom - top) > MOST_REMEMBERED:
        return _found_places(cut_out.keypoints, cut_out.box, driving, size)
    key = np.concatenate([cut_out.keypoints, driving]).tobytes()
    return _remembered_places(key, len(driving), cut_out.box, size)


@lru_cache(maxsize=64)
def _remembered_places(
    keypoints: bytes, length: int, box: Box, size: tuple[int, int]
) -> tuple[Box, Field | None]:
    """The same, of the bytes of the source's and the frame's keypoints."""
    both = np.frombuffer(keypoints, np.float32)
    return _found_places(both[:-length], box, both[-length:], size)


def _found_places(
    source: Keypoints, box: Box, driving: Keypoints, size: tuple[int, int]
) -> tuple[Box, Field | None]:
    """A part's box in a frame, and where in the cut-out its pixels are."""
    left, top, right, bottom = there = driven_box(source, driving, box, size)
    if right <= left or bottom <= top:
        return there, None
    return there, places_within(source, box, driving, there, size)


def places_within(
    source: Keypoints, box: Box, driving: Keypoints, there: Box, size: tuple[int, int]
) -> Field:
    """Where in a cut-out, which lies in a box of its frame, the pixels of its driven box are."""
    field = dense_motion(source, driving, there, size)
    return cv2.subtract(field, (float(box[0]), float(box[1]), 0.0, 0.0))
