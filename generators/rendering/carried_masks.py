"""Carry a mask of the source frame along to every rendered frame.

Without a mask, the motion itself shows where something is unusual: a map of the distance between
the dense motion of a rendering and that of the usual one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones import Rendering
from flawcast.generators.blocks.geometry import warp

VISIBLE = 0.5  # least value of the occlusion map for a pixel that is visible in the source
FARTHEST = 0.25  # least difference, as a share of the width, that a motion map shows as 255


@dataclass(frozen=True)
class CarriedMask:
    """The mask of a source in every rendered frame.

    Args:
        mask: True inside the mask, (F, H, W).
        valid: True for pixels that are visible in the source, (F, H, W). Other pixels are
            inpainted or come from outside of the frame, and their mask is a guess.
    """

    mask: NDArray[np.bool_]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class FrameMaps:
    """A grey map of each rendered frame, and the pixels at which it is reliable.

    Args:
        maps: Grey values, uint8, (F, H, W).
        valid: True for reliable pixels, (F, H, W).
    """

    maps: NDArray[np.uint8]
    valid: NDArray[np.bool_]


@torch.no_grad()
def carry_mask(mask: NDArray[np.bool_], rendering: Rendering) -> CarriedMask:
    """Move a mask along the dense motion of a rendering.

    Args:
        mask: Mask of the source frame, (H, W).
        rendering: F frames rendered from that source.

    Returns:
        The mask and its validity in each of the F frames.
    """
    field = _field(rendering)
    source = torch.from_numpy(mask).to(field)[None, None].expand(len(field), -1, -1, -1)
    moved = warp(source, field)[:, 0] > 0.5
    return CarriedMask(moved.cpu().numpy(), _valid(rendering, field).cpu().numpy())


def carry_levels(levels: NDArray[np.uint8], renderings: Sequence[Rendering]) -> FrameMaps:
    """Move a mask of levels along the dense motion of renderings.

    Args:
        levels: Levels of the source frame, as `levels_of` returns them, (H, W).
        renderings: Batches rendered from that source, F frames in all.
    """
    maps, valid = [], []
    for rendering in renderings:
        part = carry_mask(levels >= PART, rendering)
        defect = carry_mask(levels >= DEFECT, rendering)
        moved = np.where(part.mask, PART, 0)
        maps.append(np.where(defect.mask, DEFECT, moved).astype(np.uint8))
        valid.append(part.valid)
    return FrameMaps(np.concatenate(maps), np.concatenate(valid))


@torch.no_grad()
def source_positions(rendering: Rendering) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where in the source each pixel of rendered frames comes from.

    Args:
        rendering: F rendered frames.

    Returns:
        Pixel positions (x, y) in the source, (F, H, W, 2), and whether the pixel is visible there,
        (F, H, W).
    """
    field = _field(rendering)
    height, width = rendering.frames.shape[2:]
    size = torch.tensor([width, height], dtype=field.dtype, device=field.device)
    positions = (field + 1) / 2 * size - 0.5
    return positions.float().cpu().numpy(), _valid(rendering, field).cpu().numpy()


@torch.no_grad()
def motion_difference(renderings: Sequence[Rendering], usual: Sequence[Rendering]) -> FrameMaps:
    """Measure how much every pixel's motion differs from the usual motion.

    The value of a pixel is the length of the difference of the two dense motion fields: 0 if both
    take the pixel from the same position in the source, 255 if the positions are at least
    `FARTHEST` of the width apart, and linear in between. A pixel is valid if it is valid in both
    renderings.

    Args:
        renderings: Batches of rendered frames, F frames in all.
        usual: The usual frames of the same source, cut into the same batches.
    """
    maps, valid = [], []
    for rendering, other in zip(renderings, usual, strict=True):
        field, expected = _field(rendering), _field(other)
        apart = (field - expected).norm(dim=-1) / 2  # the width is 2 long
        scaled = (apart / FARTHEST).clamp(max=1) * 255
        maps.append(scaled.round().to(torch.uint8).cpu().numpy())
        both = _valid(rendering, field) & _valid(other, expected)
        valid.append(both.cpu().numpy())
    return FrameMaps(np.concatenate(maps), np.concatenate(valid))


def _field(rendering: Rendering) -> Tensor:
    """The dense motion at the frames' resolution: (F, H, W, 2)."""
    size = tuple(rendering.frames.shape[2:])
    field = rendering.deformation.permute(0, 3, 1, 2)
    field = F.interpolate(field, size, mode="bilinear", align_corners=False)
    return field.permute(0, 2, 3, 1)


def _valid(rendering: Rendering, field: Tensor) -> Tensor:
    """Whether each pixel comes from a visible position inside the source: (F, H, W)."""
    return (field.abs() <= 1).all(dim=-1) & _visible(rendering)


def _visible(rendering: Rendering) -> Tensor:
    """Whether the source was visible, at the frames' resolution: (F, H, W)."""
    frames, _, height, width = rendering.frames.shape
    if rendering.occlusion is None:
        return torch.ones(frames, height, width, dtype=torch.bool, device=rendering.frames.device)
    size = (height, width)
    visibility = F.interpolate(rendering.occlusion, size, mode="bilinear", align_corners=False)
    return visibility[:, 0] >= VISIBLE


def mean_iou(
    carried: NDArray[np.bool_], truth: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> float:
    """Mean over frames of intersection over union on the valid pixels.

    Args:
        carried: Masks, (F, H, W).
        truth: True masks, (F, H, W).
        valid: Pixels that count, (F, H, W).

    Returns:
        A value from 0 to 1. Frames in which neither mask has a valid pixel are left out; nan if no
        frame is left.
    """
    axes = (1, 2)
    both = (carried & truth & valid).sum(axes)
    either = ((carried | truth) & valid).sum(axes)
    counted = either > 0
    return float((both[counted] / either[counted]).mean()) if counted.any() else float("nan")
