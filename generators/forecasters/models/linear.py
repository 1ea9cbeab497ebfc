"""Ridge regression from the last increments to the displacements of the next frames."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import FORECASTERS, Forecaster, ForecasterConfig


class LinearConfig(ForecasterConfig):
    """Sizes of the regression.

    Args:
        lags: Number of increments that it reads, the last ones.
        horizon: Number of frames that it predicts at once; longer futures take several blocks.
        ridge: Penalty, as a share of the total variance of these increments.
    """

    lags: int = Field(8, ge=1)
    horizon: int = Field(12, ge=1)
    ridge: float = Field(0.006, gt=0)


@FORECASTERS.register("linear")
class LinearForecaster(Forecaster):
    """Ridge regression in closed form, a baseline that a learned forecaster should beat.

    It predicts the displacement of each future frame from the last observed frame as a linear
    function of the last increments of all dimensions.

    Reference:
        Hoerl and Kennard, 1970, "Ridge regression: biased estimation for nonorthogonal problems"
    """

    Config = LinearConfig
    table_place = 1
    small: ClassVar[dict[str, Any]] = {"lags": 3, "horizon": 4}
    trains = False
    calibrates = True  # no clip has to stop it
    stochastic = False
    weight: Tensor

    def __init__(self, features: int, config: LinearConfig) -> None:
        super().__init__(features, config)
        self.config: LinearConfig = config
        shape = (config.lags * features, config.horizon * features)
        self.register_buffer("weight", torch.zeros(shape))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Solve the regression over the training windows (B, T, D).

        Raises:
            SettingsError: If the windows are too short for the horizon.
        """
        future = windows.shape[1] - past
        if future < self.config.horizon:
            raise SettingsError(
                f"forecaster.config.horizon: expected at most future = {future}, got "
                f"{self.config.horizon}; lower it"
            )
        steps = self._steps(windows[:, :past]).double()
        ways = windows[:, past : past + self.config.horizon] - windows[:, past - 1 : past]
        gram = steps.T @ steps / len(steps)
        penalty = self.config.ridge * gram.diagonal().sum().clamp_min(1e-12)
        gram.diagonal().add_(penalty)
        self.weight.copy_(torch.linalg.solve(gram, steps.T @ ways.flatten(1).double() / len(steps)))

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean absolute error of the last `horizon` frames of windows (B, T, D)."""
        past = windows.shape[1] - self.config.horizon
        return (self._block(windows[:, :past]) - windows[:, past:]).abs().mean()

    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Predict block by block: (B, P, D), (B, N, F, 0) -> (B, N, F, D), all N the same."""
        samples, horizon = noise.shape[1:3]
        frames = past
        while frames.shape[1] - past.shape[1] < horizon:
            frames = torch.cat([frames, self._block(frames)], dim=1)
        future = frames[:, past.shape[1] : past.shape[1] + horizon]
        return future[:, None].expand(-1, samples, -1, -1)

    def _block(self, frames: Tensor) -> Tensor:
        """The next frames: (B, P, D) -> (B, horizon, D)."""
        ways = (self._steps(frames) @ self.weight).unflatten(1, (-1, self.features))
        return frames[:, -1:] + ways

    def _steps(self, frames: Tensor) -> Tensor:
        """The last increments, zero before the first frame: (B, P, D) -> (B, lags * D)."""
        missing = max(0, self.config.lags + 1 - frames.shape[1])
        padded = torch.cat([frames[:, :1].expand(-1, missing, -1), frames], dim=1)
        return padded[:, -self.config.lags - 1 :].diff(dim=1).flatten(1)
