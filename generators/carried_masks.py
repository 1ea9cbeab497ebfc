"""Masks carried along: a mask drawn on the source frame, moved to every rendered frame."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from generators.backbones import Rendering
from generators.geometry import warp

VISIBLE = 0.5  # occlusion map from which a pixel counts as seen in the source


@dataclass(frozen=True)
class CarriedMask:
    """A source's mask in every rendered frame.

    Args:
        mask: True inside, (F, H, W).
        valid: True where the pixel was seen in the source, (F, H, W); elsewhere it was inpainted
            or came from outside the frame, and the mask is a guess.
    """

    mask: NDArray[np.bool_]
    valid: NDArray[np.bool_]


@torch.no_grad()
def carry_mask(mask: NDArray[np.bool_], rendering: Rendering) -> CarriedMask:
    """Move a mask along the dense motion of a rendering.

    Args:
        mask: Drawn on the source frame, (H, W).
        rendering: Of F frames from that source.

    Returns:
        The mask and its validity in each of the F frames.
    """
    frames, _, height, width = rendering.frames.shape
    field = rendering.deformation.permute(0, 3, 1, 2)
    field = F.interpolate(field, (height, width), mode="bilinear", align_corners=False)
    field = field.permute(0, 2, 3, 1)  # (F, H, W, 2)
    drawn = torch.from_numpy(mask).to(field)[None, None].expand(frames, -1, -1, -1)
    moved = warp(drawn, field)[:, 0] > 0.5
    inside = (field.abs() <= 1).all(dim=-1)
    return CarriedMask(moved.cpu().numpy(), (inside & _visible(rendering)).cpu().numpy())


def _visible(rendering: Rendering) -> Tensor:
    """Where the source was visible, at the frames' resolution: (F, H, W)."""
    frames, _, height, width = rendering.frames.shape
    if rendering.occlusion is None:
        return torch.ones(frames, height, width, dtype=torch.bool, device=rendering.frames.device)
    size = (height, width)
    seen = F.interpolate(rendering.occlusion, size, mode="bilinear", align_corners=False)
    return seen[:, 0] >= VISIBLE


def mean_iou(
    carried: NDArray[np.bool_], truth: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> float:
    """Mean over frames of intersection over union on the valid pixels.

    Args:
        carried: Masks, (F, H, W).
        truth: True masks, (F, H, W).
        valid: Pixels that count, (F, H, W).

    Returns:
        From 0 to 1; frames in which neither mask has a valid pixel are left out, and nan where no
        frame is left.
    """
    axes = (1, 2)
    both = (carried & truth & valid).sum(axes)
    either = ((carried | truth) & valid).sum(axes)
    counted = either > 0
    return float((both[counted] / either[counted]).mean()) if counted.any() else float("nan")
