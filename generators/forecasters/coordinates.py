"""Coordinates of forecasters: windows relative to an origin in their past, and scaled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

FLOOR = 1e-3  # least scale, relative to the largest: a dimension that stands still must not grow
RANGE_FLOOR = 0.02  # raw units, the least range that a window is scaled by

Kind = Literal["centred", "common", "raw", "past_range"]


@dataclass(frozen=True)
class WindowScaling:
    """Origin and scale of a window, (..., D) each; both depend only on its past."""

    origin: Tensor
    scale: Tensor

    def standardise(self, series: Tensor) -> Tensor:
        """Raw units to standardised ones, (..., T, D)."""
        return (series - self.origin[..., None, :]) / self.scale[..., None, :]

    def restore(self, series: Tensor) -> Tensor:
        """Back to raw units, (..., T, D)."""
        return series * self.scale[..., None, :] + self.origin[..., None, :]


class Coordinates(nn.Module):
    """Converts raw keypoints to standardised ones and back.

    "centred" moves the last observed frame to zero and takes one scale per dimension from the
    training windows: a scale from the window itself would either use its future or explode if its
    past stands still. "common" does the same with one scale for all dimensions, so that what moves
    all keypoints by the same amount does so in raw units, too. "raw" has one origin for all
    windows. "past_range" maps each window's past to [0, 1]: published weights were trained in such
    coordinates, but with the future's range too.

    Args:
        features: Length of one keypoint vector, D.
        kind: Kind of the coordinates.
    """

    scale: Tensor
    origin: Tensor

    def __init__(self, features: int, kind: Kind = "centred") -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("scale", torch.ones(features))
        if kind == "raw":
            self.register_buffer("origin", torch.zeros(features))

    def fit(self, windows: Sequence[Tensor], past: int) -> None:
        """Set the scale to the root mean square distance of training windows from their origin."""
        if self.kind == "past_range":
            return
        if self.kind == "raw":
            self.origin.copy_(torch.cat(list(windows)).mean(dim=0))
        squares = torch.cat(
            [(window - self.scaling(window[:past]).origin) ** 2 for window in windows]
        )
        scale = squares.mean(dim=0).sqrt()
        if self.kind == "common":
            scale = scale.max().expand_as(scale)
        self.scale.copy_(scale.clamp_min(max(FLOOR * scale.max().item(), 1e-6)))

    def scaling(self, past: Tensor) -> WindowScaling:
        """Origin and scale of windows with the past (..., P, D)."""
        if self.kind in ("centred", "common"):
            return WindowScaling(past[..., -1, :], self.scale)
        if self.kind == "raw":
            return WindowScaling(self.origin, self.scale)
        low, high = past.amin(dim=-2), past.amax(dim=-2)
        return WindowScaling(low, (high - low).clamp_min(RANGE_FLOOR))
