"""Masks from the outlines and run lengths that annotation tools write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import DefectError
from flawcast.generators.backbones.layers.vision import cv2

Mask = NDArray[np.bool_]
SUBPIXELS = 4  # fractional bits of OpenCV's polygons


@dataclass(frozen=True)
class Marked:
    """A defect that somebody marked in a picture.

    Args:
        label: What it is called; empty if nobody said.
        mask: Where it is, (H, W).
        part: Where the part is, (H, W); None if unknown.
    """

    label: str
    mask: Mask
    part: Mask | None = None


def filled_polygons(polygons: Sequence[Any], size: tuple[int, int]) -> Mask:
    """The area of polygons.

    Args:
        polygons: Each a flat list x, y, x, y, ... in pixels, the picture's corner at 0, 0.
        size: (H, W).

    Raises:
        DefectError: If one has fewer than three points or a value that is no number.
    """
    outlines = []
    for polygon in polygons:
        try:
            points = np.asarray(polygon, np.float64).reshape(-1, 2)
        except (TypeError, ValueError):
            raise DefectError("expected polygons of pairs of numbers, got others") from None
        if len(points) < 3 or not np.isfinite(points).all():
            raise DefectError(f"expected polygons of at least three points, got {len(points)}")
        outlines.append(np.round((points - 0.5) * 2**SUBPIXELS).astype(np.int32))
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, outlines, 1, cv2.LINE_8, SUBPIXELS)
    return mask > 0


def from_run_lengths(counts: Sequence[int], size: tuple[int, int], by_columns: bool) -> Mask:
    """A mask of runs that are outside and inside in turn.

    Args:
        counts: Length of each run, the first one outside.
        size: (H, W).
        by_columns: Whether runs go down the columns, as in COCO, or along the rows, as in CVAT.

    Raises:
        DefectError: If the runs do not fill the mask.
    """
    if sum(counts) != size[0] * size[1] or min(counts, default=0) < 0:
        raise DefectError(f"expected runs over {size[0] * size[1]} pixels, got {sum(counts)}")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(size[::-1]).T if by_columns else flat.reshape(size)


def packed_run_lengths(text: str) -> list[int]:
    """Run lengths of COCO's packed form: six bits a character, differences to the run before last.

    Example:
        >>> packed_run_lengths(";23000009")
        [11, 2, 3, 2, 3, 2, 3, 2, 12]
    """
    counts: list[int] = []
    place, value = 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << (5 * place)
        place += 1
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << (5 * place)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        place, value = 0, 0
    return counts
