"""The coordinates of forecasters: windows moved to an origin of their past, and scaled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

FLOOR = 1e-3  # of the largest scale: a dimension that stands still must not be blown up
RANGE_FLOOR = 0.02  # of the units: the least range of the past that a window is scaled by

Kind = Literal["centred", "raw", "past_range"]


@dataclass(frozen=True)
class WindowScaling:
    """One window's origin and scale, (..., D) each; both come from its past alone."""

    origin: Tensor
    scale: Tensor

    def standardise(self, series: Tensor) -> Tensor:
        """Raw units to standardised ones, (..., T, D)."""
        return (series - self.origin[..., None, :]) / self.scale[..., None, :]

    def restore(self, series: Tensor) -> Tensor:
        """Back to raw units, (..., T, D)."""
        return series * self.scale[..., None, :] + self.origin[..., None, :]


class Coordinates(nn.Module):
    """Raw keypoints to standardised ones and back.

    "centred" moves the last observed frame to zero, with one scale per dimension from training
    windows: a scale of the window itself would either look at its future or explode where its past
    stands still. "raw" has one origin for all windows. "past_range" maps each window's past to
    [0, 1]: what published weights were trained in, without their look at the future.

    Args:
        features: D.
        kind: Which of the three.
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
        """Set the scale to the training windows' root mean square distance from their origin."""
        if self.kind == "past_range":
            return
        if self.kind == "raw":
            self.origin.copy_(torch.cat(list(windows)).mean(dim=0))
        squares = torch.cat(
            [(window - self.scaling(window[:past]).origin) ** 2 for window in windows]
        )
        scale = squares.mean(dim=0).sqrt()
        self.scale.copy_(scale.clamp_min(max(FLOOR * scale.max().item(), 1e-6)))

    def scaling(self, past: Tensor) -> WindowScaling:
        """Origin and scale of windows whose past is (..., P, D)."""
        if self.kind == "centred":
            return WindowScaling(past[..., -1, :], self.scale)
        if self.kind == "raw":
            return WindowScaling(self.origin, self.scale)
        low, high = past.amin(dim=-2), past.amax(dim=-2)
        return WindowScaling(low, (high - low).clamp_min(RANGE_FLOOR))
