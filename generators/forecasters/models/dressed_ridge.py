"""Ridge regression, and the error that it made on a random training window."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.dressed import (
    DressedConfig,
    DressedForecaster,
    last_steps,
    ridge_weights,
)


class DressedRidgeConfig(DressedConfig):
    """Sizes of the regression.

    Args:
        lags: Number of increments that it reads, the last ones.
        ridge: Penalty, as a share of the total variance of these increments.
    """

    lags: int = Field(8, ge=1)
    ridge: float = Field(0.006, gt=0)


@FORECASTERS.register("dressed_ridge")
class DressedRidgeForecaster(DressedForecaster):
    """`linear` with a spread, the baseline that a trained density should beat.

    Reference:
        Hoerl and Kennard, 1970, "Ridge regression: biased estimation for nonorthogonal problems"
    """

    Config = DressedRidgeConfig
    table_place = 2
    baseline = True
    samples_compared = True
    small: ClassVar[dict[str, Any]] = {"lags": 3, "horizon": 2, "pool": 40}
    weight: Tensor

    def __init__(self, features: int, config: DressedRidgeConfig) -> None:
        super().__init__(features, config)
        self.config: DressedRidgeConfig = config
        shape = (config.lags * features, self.horizon * features)
        self.register_buffer("weight", torch.zeros(shape))

    def errors(self, past: Tensor, ways: Tensor, groups: Tensor) -> Tensor:
        """Solve the regression; its errors on the windows that it was solved on."""
        del groups
        steps = last_steps(past, self.config.lags).flatten(1)
        self.weight.copy_(ridge_weights(steps, ways.flatten(1), self.config.ridge))
        return ways - self.ways(past)

    def ways(self, past: Tensor) -> Tensor:
        """Predicted displacements from the last frame: (B, P, D) -> (B, horizon, D)."""
        steps = last_steps(past, self.config.lags).flatten(1)
        return (steps @ self.weight).unflatten(1, (self.horizon, self.features))
