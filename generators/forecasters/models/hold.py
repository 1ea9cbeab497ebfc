"""Repeat the last frame: the baseline that a forecaster has to beat."""

from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS, Forecaster, ForecasterConfig


@FORECASTERS.register("hold")
class HoldForecaster(Forecaster):
    """Every future is the last observed frame."""

    Config = ForecasterConfig
    table_place = 0
    baseline = True
    trains = False
    stochastic = False

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean absolute step of the windows (B, T, D), the error of repeating the last frame."""
        return windows.diff(dim=1).abs().mean()

    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Repeat the last frame: (B, P, D), (B, N, F, 0) -> (B, N, F, D)."""
        batch, samples, horizon, _ = noise.shape
        return past[:, -1:, None].expand(batch, samples, horizon, self.features)
