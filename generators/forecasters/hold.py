"""Repeat the last frame: the baseline that a forecaster has to beat."""

import torch
from torch import Tensor

from generators.forecasters.base import FORECASTERS, Forecaster, ForecasterConfig


@FORECASTERS.register("hold")
class HoldForecaster(Forecaster):
    """Every future is the last observed frame."""

    Config = ForecasterConfig
    name = "hold"
    trains = False

    def loss(self, windows: Tensor) -> Tensor:
        """Mean absolute step of the windows (B, T, D): what holding misses each time."""
        return windows.diff(dim=1).abs().mean()

    def predict(self, past: Tensor, horizon: int) -> Tensor:
        """Repeat the last frame: (B, P, D) -> (B, F, D)."""
        return past[:, -1:].expand(-1, horizon, -1)

    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """N equal futures: (B, P, D) -> (B, N, F, D)."""
        return self.predict(past, horizon)[:, None].expand(-1, samples, -1, -1)
