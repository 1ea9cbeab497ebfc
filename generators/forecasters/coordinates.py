"""The coordinates that forecasters work in: windows centred on the last observed frame, scaled."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FLOOR = 1e-3  # of the largest scale: a dimension that stands still must not be blown up


class Coordinates(nn.Module):
    """Raw keypoints to standardised ones and back: (x - last observed) / scale.

    One scale per dimension, from training windows only: a scale of the window itself would either
    look at its future or explode where its past stands still.

    Args:
        features: D.
    """

    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(features))

    def fit(self, windows: Sequence[Tensor], past: int) -> None:
        """Set the scale to the training windows' root mean square distance from their origin."""
        squares = torch.cat([(window - window[past - 1]) ** 2 for window in windows])
        scale = squares.mean(dim=0).sqrt()
        self.scale.copy_(scale.clamp_min(max(FLOOR * scale.max().item(), 1e-6)))

    def forward(self, series: Tensor, origin: Tensor) -> Tensor:
        """Standardise (..., T, D) around `origin` (..., D)."""
        return (series - origin[..., None, :]) / self.scale

    def inverse(self, series: Tensor, origin: Tensor) -> Tensor:
        """Back to raw units."""
        return series * self.scale + origin[..., None, :]
