"""Motion: a defect moves with its part, by the same dense motion, and its mask moves alike.

A motion is a field of source positions: for each pixel of a frame, the pixel (x, y) of the source
frame that it shows. Every backbone has one: `field_of_affine` for a part that moves as a whole,
`field_of_deformation` for a dense motion in [-1, 1], `source_positions` of
`generators.rendering.carried_masks` for what a backbone rendered.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.layer import (
    HALF,
    Box,
    DefectLayer,
    Image,
    Mask,
    laid_over,
    mixed,
)

Field = NDArray[np.float32]  # (h, w, 2)

REACH = 1.5  # pixels around a layer's box that a moved pixel may still touch


@dataclass(frozen=True)
class MovedDefect:
    """A defect in one frame.

    Args:
        pixels: RGBA, colours multiplied by alpha, (h, w, 4).
        cover: How much of each pixel is defective, [0, 255], (h, w).
        hole: How much of each pixel has lost the part, [0, 255], (h, w).
        box: Where this lies in the frame; empty where the defect is hidden or outside.
        size: (H, W) of the frame.
    """

    pixels: Image
    cover: Image
    hole: Image
    box: Box
    size: tuple[int, int]

    @property
    def mask(self) -> Mask:
        """The mask of the frame, (H, W)."""
        left, top, right, bottom = self.box
        full = np.zeros(self.size, bool)
        full[top:bottom, left:right] = self.cover > HALF
        return full

    def over(self, frame: Image, background: Image | None = None) -> Image:
        """A frame with the defect.

        Args:
            frame: RGB, (H, W, 3); it is not changed.
            background: What is behind the part in this frame, for a defect with a hole.
        """
        left, top, right, bottom = self.box
        result = frame.copy()
        if right <= left or bottom <= top:
            return result
        inner = frame[top:bottom, left:right]
        if background is not None and self.hole.any():
            inner = mixed(inner, background[top:bottom, left:right], self.hole)
        result[top:bottom, left:right] = laid_over(inner, self.pixels)
        return result


def move(
    layer: DefectLayer,
    field: Field,
    progress: float = 1.0,
    visible: NDArray[np.generic] | None = None,
) -> MovedDefect:
    """Carry a defect from its source frame into another frame.

    Args:
        layer: The defect.
        field: Source position of each pixel of the frame, pixels, (H, W, 2).
        progress: How far the defect has grown, [0, 1].
        visible: How much of the part each pixel of the frame shows, (H, W): bool or [0, 1]. There
            the part is neither occluded nor outside, and the field is that of the part. None for
            everywhere.

    Returns:
        The defect in that frame, empty where it cannot be seen.
    """
    size = field.shape[0], field.shape[1]
    left, top, right, bottom = layer.box
    x, y = field[..., 0], field[..., 1]
    near = (x > left - REACH) & (x < right - 1 + REACH)
    near &= (y > top - REACH) & (y < bottom - 1 + REACH)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    if not len(rows):
        return _nothing(size)
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    inner = np.ascontiguousarray(field[box[1] : box[3], box[0] : box[2]])
    inner = inner - np.array([left, top], np.float32)
    pixels = cv2.remap(layer.at(progress)[0], inner, None, cv2.INTER_CUBIC, borderValue=0)
    shares = cv2.merge([layer.cover_at(progress), layer.hole_at(progress)])
    shares = cv2.remap(shares, inner, None, cv2.INTER_LINEAR, borderValue=0)
    if visible is not None:
        share = visible[box[1] : box[3], box[0] : box[2]].astype(np.float32)[..., None]
        pixels = np.round(pixels * share).astype(np.uint8)
        shares = np.round(shares * share).astype(np.uint8)
    pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])  # cubic weights overshoot
    return MovedDefect(
        pixels,
        np.ascontiguousarray(shares[..., 0]),
        np.ascontiguousarray(shares[..., 1]),
        box,
        size,
    )


def carried_to(layer: DefectLayer, field: Field) -> DefectLayer:
    """The same defect as a layer on another frame of its part, such as a further source.

    Args:
        layer: The defect on its source frame.
        field: Position in that frame of each pixel of the other frame, pixels, (H, W, 2).
    """
    whole = move(layer, field)
    left, top, right, bottom = whole.box
    inner = field[top:bottom, left:right] - np.array(layer.box[:2], np.float32)
    onset = np.ones(whole.cover.shape, np.float32)
    if onset.size:
        onset = cv2.remap(
            layer.onset,
            np.ascontiguousarray(inner),
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return replace(
        layer,
        pixels=whole.pixels,
        cover=whole.cover,
        hole=whole.hole,
        onset=onset,
        box=whole.box,
        size=whole.size,
    )


def painted(cut_out: Image, box: Box, layer: DefectLayer, progress: float = 1.0) -> Image:
    """A part's cut-out with a defect on it, so that one warp moves both.

    The cut-out keeps its matte; only a hole takes from it.

    Args:
        cut_out: RGBA of the part, colours multiplied by alpha, (h, w, 4); it is not changed.
        box: Where it lies in the source frame; it may reach over the frame's edge.
        layer: The defect on the same source frame.
        progress: How far it has grown, [0, 1].
    """
    low = np.maximum(box[:2], layer.box[:2])
    high = np.minimum(box[2:], layer.box[2:])
    if progress <= 0 or (high <= low).any():
        return cut_out
    ours = _part(low - box[:2], high - box[:2])
    theirs = _part(low - layer.box[:2], high - layer.box[:2])
    result = cut_out.copy()
    under = result[ours].astype(np.float32)
    under *= 1 - layer.hole_at(progress)[theirs][..., None] / np.float32(255)
    over = layer.at(progress)[0][theirs].astype(np.float32)
    share = under[..., 3:] / 255
    under[..., :3] = under[..., :3] * (1 - over[..., 3:] / 255) + over[..., :3] * share
    result[ours] = under.round().astype(np.uint8)
    return result


def field_of_affine(motion: NDArray[np.floating], size: tuple[int, int]) -> Field:
    """Source positions of a part that moves as a whole.

    Args:
        motion: From pixels of the source to pixels of the frame, (2, 3) or, with perspective,
            (3, 3).
        size: (H, W) of the frame.
    """
    full = np.eye(3)
    full[: len(motion)] = motion
    back = np.linalg.inv(full)
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    points = np.stack([x, y, np.ones_like(x)], -1) @ back.T
    return np.asarray(points[..., :2] / points[..., 2:], np.float32)


def field_of_deformation(deformation: NDArray[np.floating], size: tuple[int, int]) -> Field:
    """Source positions by a dense motion of a backbone, enlarged to the frame.

    What is enlarged is the difference to the identity, which stays exact at every size.

    Args:
        deformation: Source position of each pixel, the outer edges at -1 and 1, (h, w, 2).
        size: (H, W) of the frame.
    """
    rows, columns = deformation.shape[:2]
    scale = np.array([size[1], size[0]], np.float32)
    residual = (deformation - _identity(rows, columns)) / 2 * scale
    residual = cv2.resize(
        residual.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR
    )
    return residual + (_identity(*size) + 1) / 2 * scale - np.float32(0.5)


def _identity(rows: int, columns: int) -> Field:
    """Middles of pixels, the outer edges at -1 and 1: (rows, columns, 2)."""
    x = (np.arange(columns, dtype=np.float32) + 0.5) * 2 / columns - 1
    y = (np.arange(rows, dtype=np.float32) + 0.5) * 2 / rows - 1
    return np.stack(np.meshgrid(x, y), -1)


def _part(low: NDArray[np.integer], high: NDArray[np.integer]) -> tuple[slice, slice]:
    """Rows and columns between two corners (x, y)."""
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _nothing(size: tuple[int, int]) -> MovedDefect:
    """A defect that a frame does not show."""
    empty = np.zeros((0, 0), np.uint8)
    return MovedDefect(np.zeros((0, 0, 4), np.uint8), empty, empty, (0, 0, 0, 0), size)
