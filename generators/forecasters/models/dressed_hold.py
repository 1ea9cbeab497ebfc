"""Repeat the last frame, and add how a random training window went on from its last frame."""

from typing import Any, ClassVar

from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.dressed import DressedConfig, DressedForecaster


@FORECASTERS.register("dressed_hold")
class DressedHoldForecaster(DressedForecaster):
    """`hold` with a spread: the least that a forecaster which samples has to beat."""

    Config = DressedConfig
    table_place = 1
    baseline = True
    samples_compared = True
    small: ClassVar[dict[str, Any]] = {"horizon": 2, "pool": 40}

    def errors(self, past: Tensor, ways: Tensor, groups: Tensor) -> Tensor:
        """The displacements themselves, (B, horizon, D)."""
        del past, groups
        return ways

    def ways(self, past: Tensor) -> Tensor:
        """No displacement: (B, P, D) -> (B, horizon, D)."""
        return past.new_zeros(len(past), self.horizon, self.features)
