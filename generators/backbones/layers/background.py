"""The background that a clip shows where no part covers it: plate and belt, at both sizes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.belt import Belt, build_belt
from flawcast.generators.backbones.layers.belt_motion import belt_positions
from flawcast.generators.backbones.layers.mattes import grown
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.backbones.layers.plate import Plate, uncovered_plate
from flawcast.generators.backbones.layers.tracking import Track
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

RIM = 40  # share of the short side by which masks are widened: a soft shadow is no plate


def shrunk(frames: Image, scale: float) -> Image:
    """Frames made smaller: (T, H, W, 3) -> (T, h, w, 3)."""
    if scale == 1:
        return frames
    size = round(frames.shape[2] * scale), round(frames.shape[1] * scale)
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in frames])


def enlarged(masks: Mask, size: tuple[int, ...]) -> Mask:
    """Masks at native size: (T, h, w) -> (T, H, W)."""
    if masks.shape[1:] == size:
        return masks
    whole = (size[1], size[0])
    return np.stack(
        [
            cv2.resize(one.astype(np.float32), whole, interpolation=cv2.INTER_LINEAR) > 0.5
            for one in masks
        ]
    )


def covered_areas(moving: Mask, tracks: Sequence[Track]) -> Mask:
    """Where a frame does not show the plate, a little too wide: (T, h, w).

    A place that differs in nearly all frames that no track covers is a fault of the plate, as a
    part left in it, and not a cover.
    """
    wide = max(3, min(moving.shape[1:]) // RIM)
    tracked = np.zeros(moving.shape, bool)
    for one in tracks:
        tracked |= np.stack([grown(mask, wide) for mask in carried(one.mask, one)])
    free = (~tracked).sum(0)
    ghost = (moving & ~tracked).sum(0) > 0.7 * free
    rest = moving & ~tracked & ~ghost
    return tracked | np.stack([grown(mask, wide) for mask in rest])


def part_centres(tracks: Sequence[Track], count: int) -> NDArray[np.float64]:
    """Centre of the first part in each frame, working pixels, (T, 2)."""
    if not tracks:
        return np.zeros((count, 2))
    rows, columns = np.nonzero(tracks[0].mask)
    centre = np.array([columns.mean(), rows.mean(), 1.0])
    return tracks[0].motions @ centre


def working_belt(small: Image, plate: Image, covered: Mask, tracks: Sequence[Track]) -> Belt | None:
    """The belt at working size, if it moves."""
    if len(small) < 3 or not tracks:
        return None
    part = part_centres(tracks, len(small))
    positions = belt_positions(small, plate, covered, part)
    return None if positions is None else build_belt(small, plate, covered, positions, part)


def native_plate(
    frames: Image, line: Sequence[Image], covered: Mask, hidden: Sequence[Mask]
) -> Plate:
    """The plate at native size, of the clip and of the others of its line."""
    size = frames.shape[1:3]
    others = [one[:: max(1, len(one) // 8)] for one in line]
    masks = [enlarged(one, size) for one in (covered, *hidden)]
    return uncovered_plate([frames, *others], masks)


def native_belt(
    belt: Belt | None,
    frames: Image,
    plate: Plate,
    covered: Mask,
    tracks: Sequence[Track],
    scale: float,
) -> Belt | None:
    """The belt at native size, by the positions that were measured at working size."""
    if belt is None:
        return None
    masks = enlarged(covered, frames.shape[1:3])
    part = part_centres(tracks, len(frames)) / scale
    return build_belt(frames, plate.image, masks, belt.positions / scale, part)
