"""A mask from a rectangle around a defect and strokes of a brush, refined by GrabCut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flawcast.configs.errors import DefectError
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.host import Image, Mask
from flawcast.generators.defects.membrane import membrane

LEAST = 3  # pixels of a rectangle's sides
AROUND = 0.6  # of the rectangle's sides, around it: what the surface looks like there
LEAST_AROUND = 12  # pixels
LARGEST = 480  # pixels of the long side that GrabCut works on; larger ones are made smaller first
ROUNDS = 4  # of GrabCut
FAINTEST = 2.0  # of the surface's own spread: what differs less does not stand out
FEWEST = 5  # pixels of a piece: smaller ones are dust, unless a stroke marked them
MOST_POINTS = 20_000  # of all strokes


@dataclass(frozen=True)
class Box:
    """A rectangle in a picture, in whole pixels.

    Args:
        left: Its first column.
        top: Its first row.
        width: How many columns.
        height: How many rows.
    """

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Stroke:
    """One stroke of the brush.

    Args:
        on: Whether it marks the defect, or what is none.
        radius: Of the brush, in pixels.
        points: The middle of the brush on its way, as (x, y).
    """

    on: bool
    radius: float
    points: tuple[tuple[float, float], ...]


def outline(picture: Image, box: Box, strokes: Sequence[Stroke] = ()) -> Mask:
    """The mask of what stands out inside a rectangle.

    What differs from the surface around the rectangle is where GrabCut begins. Pixels under a
    stroke are what it says; the others follow from them. Strokes may leave the rectangle.

    Args:
        picture: RGB, (H, W, 3).
        box: Around the defect.
        strokes: From the first to the last, which counts where they overlap.

    Returns:
        The mask, (H, W); equal arguments give equal masks.

    Raises:
        DefectError: If the rectangle is too small or outside, or nothing in it stands out.
    """
    height, width = picture.shape[:2]
    inside = _inside(box, width, height)
    marked = _painted(strokes, (height, width))  # 1 on, 0 off, -1 nobody said
    area = _with_surround(inside, marked, width, height)
    small, factor = _shrunk(picture[area])
    within = _shifted(inside, area, factor)
    small = _flattened(small, within)
    trimap = _begin(small, within)
    said = cv2.resize(
        marked[area].astype(np.int16), small.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    trimap[said == 1], trimap[said == 0] = cv2.GC_FGD, cv2.GC_BGD
    grown = _grabcut(small, trimap)
    whole = cv2.resize(grown.astype(np.float32), marked[area].shape[::-1]) >= 0.5
    mask = np.zeros((height, width), np.bool_)
    mask[area] = _without_dust(whole)
    mask[marked == 1], mask[marked == 0] = True, False
    if not mask.any():
        raise DefectError(
            "outline: expected something that stands out in the rectangle, found nothing; "
            "mark it with the brush"
        )
    return mask


def _inside(box: Box, width: int, height: int) -> tuple[slice, slice]:
    """The part of a rectangle that lies in the picture."""
    left, top = max(0, box.left), max(0, box.top)
    right, bottom = min(width, box.left + box.width), min(height, box.top + box.height)
    if right - left < LEAST or bottom - top < LEAST:
        raise DefectError(
            f"rectangle: expected at least {LEAST}x{LEAST} pixels inside the {width}x{height} "
            f"picture, got {max(0, right - left)}x{max(0, bottom - top)}; draw it anew"
        )
    return slice(top, bottom), slice(left, right)


def _painted(strokes: Sequence[Stroke], size: tuple[int, int]) -> np.ndarray:
    """What strokes say of each pixel: 1 on, 0 off, -1 nothing."""
    points = sum(len(stroke.points) for stroke in strokes)
    if points > MOST_POINTS:
        raise DefectError(
            f"strokes: expected at most {MOST_POINTS} points, got {points}; save, and begin anew"
        )
    said: np.ndarray = np.full(size, -1, np.int16)
    for stroke in strokes:
        value, wide = int(stroke.on), max(1, round(2 * stroke.radius))
        path = np.round(np.array(stroke.points, np.float64)).astype(np.int32)
        if len(path) == 1:
            cv2.circle(said, path[0].tolist(), max(0, round(stroke.radius)), value, cv2.FILLED)
        else:
            cv2.polylines(said, [path.reshape(-1, 1, 2)], False, value, wide)
    return said


def _with_surround(
    inside: tuple[slice, slice], marked: np.ndarray, width: int, height: int
) -> tuple[slice, slice]:
    """A rectangle and the strokes, with the surface around them."""
    rows, columns = np.nonzero(marked >= 0)
    area = []
    for one, places, most in zip(inside, (rows, columns), (height, width), strict=True):
        first = min(one.start, int(places.min())) if len(places) else one.start
        last = max(one.stop, int(places.max()) + 1) if len(places) else one.stop
        around = max(LEAST_AROUND, round(AROUND * (one.stop - one.start)))
        area.append(slice(max(0, first - around), min(most, last + around)))
    return area[0], area[1]


def _shrunk(picture: Image) -> tuple[Image, float]:
    """A picture of a size that GrabCut is quick on, and its share of the size."""
    factor = min(1.0, LARGEST / max(picture.shape[:2]))
    if factor == 1.0:
        return np.ascontiguousarray(picture), 1.0
    size = [max(1, round(side * factor)) for side in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def _shifted(
    inside: tuple[slice, slice], area: tuple[slice, slice], factor: float
) -> tuple[slice, slice]:
    """A rectangle as it lies in the shrunk area."""
    found = [
        slice(
            int((one.start - around.start) * factor),
            max(1, round((one.stop - around.start) * factor)),
        )
        for one, around in zip(inside, area, strict=True)
    ]
    return found[0], found[1]


def _flattened(picture: Image, inside: tuple[slice, slice]) -> Image:
    """A picture without the light that its surround says lies over the rectangle, around grey."""
    known = np.ones(picture.shape[:2], np.bool_)
    known[inside] = False
    if not known.any():
        return picture
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.float32)
    change = picture.astype(np.float32) - membrane(smooth, known)
    return np.asarray((change + 128).clip(0, 255), np.uint8)


def _begin(picture: Image, inside: tuple[slice, slice]) -> np.ndarray:
    """What is probably the defect: what differs from the surface around the rectangle.

    The half of it that differs most counts as certain, or GrabCut drops faint and small defects.
    """
    trimap = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    lab = cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 0.8), cv2.COLOR_RGB2LAB).astype(np.float32)
    outside = np.ones(trimap.shape, np.bool_)
    outside[inside] = False
    surface = lab[outside] if outside.any() else lab.reshape(-1, 3)
    middle = np.median(surface, 0)
    spread = 1.4826 * np.median(np.abs(surface - middle), 0) + 1.0
    far = np.linalg.norm((lab[inside] - middle) / spread, axis=-1)
    level = far / max(1e-6, float(far.max())) * 255
    cut, _ = cv2.threshold(level.astype(np.uint8), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    defect = level > cut
    if not defect.any() or far.max() < FAINTEST:
        return trimap
    certain = level >= np.median(level[defect])
    likely = np.where(defect, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    trimap[inside] = np.where(certain, cv2.GC_FGD, likely)
    return trimap


def _grabcut(picture: Image, trimap: np.ndarray) -> Mask:
    """GrabCut from a trimap; the same each time."""
    defect = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    if not defect.any() or defect.all():  # it needs some of both
        return defect
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, trimap, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _without_dust(mask: Mask) -> Mask:
    """A mask without its smallest pieces."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= FEWEST]
    return np.isin(pieces, large)
