"""A regression that is solved in seconds, and its errors on clips that it did not see."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.dressed import (
    DressedConfig,
    DressedForecaster,
    last_steps,
    left_out,
    ridge_weights,
)

LARGEST_CHANGE = 3.0  # an error becomes at most so much larger or smaller, before the powers
SHARED_LEVEL = 0.1  # share of the whole vector's motion in the level of each dimension
LEAST_LEVEL = 0.05  # of the median level: a past that stands still


class AnalogConfig(DressedConfig):
    """Sizes of the regressions, and how errors are fitted to the past at hand.

    Args:
        lags: Number of increments that the regressions read, the last ones.
        shared_ridge: Penalty of the regression that all dimensions share.
        ridge: Penalty of the regression between dimensions, which predicts what that one leaves.
            Both are shares of the total variance of the increments.
        reversals: Whether windows that run backwards are training windows as well.
        level_power: Power of the quotient of two levels of motion, that of the past at hand and
            that of an error's own past, by which the error is multiplied.
        shape_power: The same for each dimension, relative to the whole vector.
    """

    lags: int = Field(4, ge=1)
    shared_ridge: float = Field(0.001, gt=0)
    ridge: float = Field(0.02, gt=0)
    reversals: bool = True
    level_power: float = Field(0.7, ge=0)
    shape_power: float = Field(0.4, ge=0)


@FORECASTERS.register("analog")
class AnalogForecaster(DressedForecaster):
    """Two ridge regressions, and errors of other clips scaled to the motion of this past.

    The first regression has the same few weights for every dimension, so that it also holds for
    people and parts that it has not seen. The second one, between dimensions, predicts the rest.
    The errors that are kept are those on groups that were left out of a regression of the others:
    errors on its own training windows would be too small. Without groups, blocks of time are left
    out. A lively past gets larger errors than a calm one, and so does each of its dimensions.
    """

    Config = AnalogConfig
    table_place = 8
    small: ClassVar[dict[str, Any]] = {"lags": 3, "horizon": 2, "pool": 40}
    shared: Tensor
    weight: Tensor
    levels: Tensor
    shapes: Tensor
    least_level: Tensor  # levels below it count as this one

    def __init__(self, features: int, config: AnalogConfig) -> None:
        super().__init__(features, config)
        self.config: AnalogConfig = config
        self.register_buffer("shared", torch.zeros(config.lags, self.horizon))
        shape = (config.lags * features, self.horizon * features)
        self.register_buffer("weight", torch.zeros(shape))
        self.register_buffer("levels", torch.ones(config.pool))
        self.register_buffer("shapes", torch.ones(config.pool, features))
        self.register_buffer("least_level", torch.tensor(LEAST_LEVEL))

    def prepare_by_group(self, windows: Tensor, past: int, groups: Tensor) -> None:
        """Solve the regressions on windows and on the same windows run backwards."""
        if self.config.reversals:
            turned = windows.flip(1)
            turned = turned - turned[:, past - 1 : past]
            windows, groups = torch.cat([windows, turned]), torch.cat([groups, groups])
        super().prepare_by_group(windows, past, groups)

    def errors(self, past: Tensor, ways: Tensor, groups: Tensor) -> Tensor:
        """Solve the regressions; errors on groups, or blocks of time, that each was without."""
        steps = last_steps(past, self.config.lags)
        errors = torch.empty_like(ways)
        # Windows that run backwards are at the same places of their clips as those that do not.
        turns = 2 if self.config.reversals else 1
        length = past.shape[1] + self.horizon
        for others, out in left_out(groups[: len(groups) // turns], length):
            learnt, tested = others.repeat(turns), out.repeat(turns)
            self._solve(steps[learnt], ways[learnt])
            errors[tested] = ways[tested] - self._ways(steps[tested])
        self._solve(steps, ways)
        return errors if len(groups) > turns else ways - self._ways(steps)

    def keep(self, past: Tensor, errors: Tensor) -> None:
        """Keep evenly spread errors, with the level and the shape of the motion before them."""
        super().keep(past, errors)
        levels, shapes = self._motion(past, 0.0)
        self.least_level.copy_(LEAST_LEVEL * levels.median())
        rows = self.kept_rows(len(errors))
        self.levels.copy_(levels[rows])
        self.shapes.copy_(shapes[rows])

    def ways(self, past: Tensor) -> Tensor:
        """Predicted displacements from the last frame: (B, P, D) -> (B, horizon, D)."""
        return self._ways(last_steps(past, self.config.lags))

    def dressing(self, past: Tensor, rows: Tensor) -> Tensor:
        """The kept errors of these rows, scaled to the motion of a past: (B, horizon, D)."""
        level, shape = self._motion(past, float(self.least_level))
        change = level / self.levels[rows].clamp_min(float(self.least_level))
        size = _bounded(change) ** self.config.level_power
        sizes = _bounded(shape / self.shapes[rows]) ** self.config.shape_power
        return self.pool[rows] * (size[:, None] * sizes)[:, None]

    def _solve(self, steps: Tensor, ways: Tensor) -> None:
        """Solve both regressions: (B, lags, D), (B, horizon, D)."""
        single = steps.transpose(1, 2).flatten(0, 1)  # (B*D, lags)
        targets = ways.transpose(1, 2).flatten(0, 1)
        self.shared.copy_(ridge_weights(single, targets, self.config.shared_ridge))
        rest = (ways - self._shared_ways(steps)).flatten(1)
        self.weight.copy_(ridge_weights(steps.flatten(1), rest, self.config.ridge))

    def _ways(self, steps: Tensor) -> Tensor:
        """Both regressions: (B, lags, D) -> (B, horizon, D)."""
        rest = (steps.flatten(1) @ self.weight).unflatten(1, (self.horizon, self.features))
        return self._shared_ways(steps) + rest

    def _shared_ways(self, steps: Tensor) -> Tensor:
        """The regression that all dimensions share: (B, lags, D) -> (B, horizon, D)."""
        return torch.einsum("bld,lf->bfd", steps, self.shared)

    def _motion(self, past: Tensor, least: float) -> tuple[Tensor, Tensor]:
        """Level of the motion, (B,), and that of every dimension relative to it, (B, D)."""
        steps = last_steps(past, max(1, past.shape[1] - 1)).square()
        whole = steps.mean(dim=(1, 2))
        each = steps.mean(dim=1) + SHARED_LEVEL * whole[:, None]
        tiny = torch.finfo().tiny
        shape = (each.clamp_min(tiny) / whole.clamp_min(tiny)[:, None]).sqrt()
        return whole.sqrt().clamp_min(max(least, tiny)), shape


def _bounded(change: Tensor) -> Tensor:
    """A quotient, within bounds."""
    return change.clamp(1 / LARGEST_CHANGE, LARGEST_CHANGE)
