"""Masks from the outlines, boxes and run lengths that annotation programs write."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import AnnotationError

Mask = NDArray[np.bool_]
Size = tuple[int, int]  # (H, W)
SUBPIXELS = 4  # fractional bits of OpenCV's polygons
ROUND = 64  # corners of an ellipse


def filled_polygons(polygons: Sequence[Any], size: Size) -> Mask:
    """The area of polygons.

    Args:
        polygons: Each a flat list x, y, x, y, ... in pixels, the picture's corner at 0, 0.
        size: (H, W).

    Raises:
        AnnotationError: If one has fewer than three points or a value that is no number.
    """
    outlines = []
    for polygon in polygons:
        try:
            points = np.asarray(polygon, np.float64).reshape(-1, 2)
        except (TypeError, ValueError):
            raise AnnotationError("expected polygons of pairs of numbers, got others") from None
        if len(points) < 3 or not np.isfinite(points).all():
            raise AnnotationError(f"expected polygons of at least three points, got {len(points)}")
        outlines.append(np.round((points - 0.5) * 2**SUBPIXELS).astype(np.int32))
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, outlines, (1,), cv2.LINE_8, SUBPIXELS)
    return mask > 0


def filled_box(left: float, top: float, right: float, bottom: float, size: Size) -> Mask:
    """The pixels whose centres lie in an upright box.

    Args:
        left: Edge in pixels, the picture's corner at 0, 0.
        top: The same.
        right: The same.
        bottom: The same.
        size: (H, W).

    Example:
        >>> filled_box(1, 0, 3, 1, (2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]

    Raises:
        AnnotationError: If a value is no number.
    """
    if not np.isfinite([left, top, right, bottom]).all():
        raise AnnotationError("expected a box of four numbers, got others")
    rows, columns = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    down = (rows >= min(top, bottom)) & (rows < max(top, bottom))
    across = (columns >= min(left, right)) & (columns < max(left, right))
    mask: Mask = down[:, None] & across[None]
    return mask


def turned_box(
    left: float, top: float, width: float, height: float, degrees: float, by_corner: bool = False
) -> NDArray[np.float64]:
    """The corners (4, 2) of a box that is turned clockwise.

    Args:
        left: Edge before the turn.
        top: The same.
        width: Of the box.
        height: Of the box.
        degrees: The turn.
        by_corner: About the upper left corner, as Label Studio turns; else about the centre.
    """
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    pivot = np.zeros(2) if by_corner else np.array([width, height]) / 2
    return turned(corners, pivot, degrees) + np.array([left, top])


def turned(
    points: NDArray[np.float64], pivot: NDArray[np.float64], degrees: float
) -> NDArray[np.float64]:
    """Points (M, 2), turned clockwise about another, as y points down."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result: NDArray[np.float64] = (points - pivot) @ turn.T + pivot
    return result


def ellipse(x: float, y: float, across: float, down: float) -> NDArray[np.float64]:
    """Corners of an ellipse with its centre and its two radii."""
    turn = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    return np.column_stack([x + across * np.cos(turn), y + down * np.sin(turn)])


def from_run_lengths(counts: Sequence[int], size: Size, by_columns: bool) -> Mask:
    """A mask of runs that are outside and inside in turn.

    Args:
        counts: Length of each run, the first one outside.
        size: (H, W).
        by_columns: Whether runs go down the columns, as in COCO, or along the rows, as in CVAT.

    Raises:
        AnnotationError: If the runs do not fill the mask.
    """
    if sum(counts) != size[0] * size[1] or min(counts, default=0) < 0:
        raise AnnotationError(f"expected runs over {size[0] * size[1]} pixels, got {sum(counts)}")
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
