"""A forecaster made of other forecasters: every path is drawn by one of them."""

from collections.abc import Sequence
from math import isclose, sqrt
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import Settings, validated
from flawcast.generators.forecasters.base import (
    FORECASTERS,
    Forecaster,
    ForecasterConfig,
    build_forecaster,
    with_preset,
)
from flawcast.generators.forecasters.models.analog import AnalogForecaster
from flawcast.generators.forecasters.models.gru_nf import GRUNFForecaster

GOLDEN = (sqrt(5) - 1) / 2


class Part(Settings):
    """One of the forecasters.

    Args:
        name: Registered name.
        weight: Share of the paths that it draws.
        config: Its settings.
    """

    name: str
    weight: float = Field(gt=0, le=1)
    config: dict[str, Any] = Field(default_factory=dict)


class MixtureConfig(ForecasterConfig):
    """The parts; the default weights were the best on people that were left out.

    Args:
        parts: Forecasters that can sample, and their weights, which add up to 1.
    """

    parts: tuple[Part, ...] = Field(
        (Part(name="analog", weight=0.7), Part(name="gru_nf", weight=0.3)), min_length=1
    )

    @model_validator(mode="after")
    def _weights_add_up(self) -> Self:
        """Refuse weights that do not add up to 1."""
        total = sum(part.weight for part in self.parts)
        if not isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"weights: expected a sum of 1, got {total:g}")
        return self

    def for_windows(self, count: int, past: int, future: int) -> Self:
        """Settings of every part with its sizes filled in."""
        parts = []
        for part in self.parts:
            config = _config_of(part).for_windows(count, past, future)
            parts.append(part.model_copy(update={"config": config.model_dump(mode="json")}))
        return self.model_copy(update={"parts": tuple(parts)})

    def parts_by_name(self) -> dict[str, dict[str, Any]]:
        """Names and settings of the parts."""
        return {part.name: part.config for part in self.parts}


@FORECASTERS.register("mixture")
class MixtureForecaster(Forecaster):
    """Several forecasters, each of which draws a share of the paths.

    Forecasters of different kinds err differently, so their samples together cover more of what
    may happen. Which part draws a path depends only on the path's number, and any first paths are
    divided by the weights as evenly as possible.

    Reference:
        Gneiting and Ranjan, 2013, "Combining predictive distributions"
    """

    Config = MixtureConfig
    table_place = 9
    samples_compared = True
    small: ClassVar[dict[str, Any]] = {
        "parts": [
            {"name": kind.name, "weight": 0.5, "config": kind.small}
            for kind in (AnalogForecaster, GRUNFForecaster)
        ]
    }
    temperatures: Tensor

    def __init__(self, features: int, config: MixtureConfig) -> None:
        super().__init__(features, config)
        self.config: MixtureConfig = config
        parts = [build_forecaster(part.name, features, part.config) for part in config.parts]
        for part in parts:
            if not part.stochastic:
                raise SettingsError(
                    f"forecaster mixture: expected parts that draw samples, got {part.name}; "
                    f"take dressed_hold, dressed_ridge or analog in its place"
                )
        self.parts = nn.ModuleList(parts)
        self.register_buffer("temperatures", torch.ones(len(parts)))

    @property
    def members(self) -> Sequence[Forecaster]:
        """The parts."""
        return [part for part in self.parts if isinstance(part, Forecaster)]

    def tempered(self, temperatures: Sequence[float]) -> float:
        """Remember the fitted temperature of every part."""
        self.temperatures.copy_(torch.tensor(temperatures))
        return 1.0

    def prepare(self, windows: Tensor, past: int) -> None:
        """Prepare every part on the training windows (B, T, D)."""
        for part in self.members:
            part.prepare(windows, past)

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean loss of the parts, by weight, of whole windows (B, T, D)."""
        losses = [
            part.weight * member.loss(windows, seen)
            for part, member in zip(self.config.parts, self.members, strict=True)
        ]
        return torch.stack(losses).sum()

    @property
    def noise_size(self) -> int:
        """Length of the longest noise of any part."""
        return max(part.noise_size for part in self.members)

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Every path by its own part: (B, P, D), (B, N, F, `noise_size`) -> (B, N, F, D)."""
        batch, samples, horizon, _ = noise.shape
        futures = past.new_empty(batch, samples, horizon, self.features)
        drawn_by = self.parts_of(samples)
        for number, part in enumerate(self.members):
            paths = (drawn_by == number).nonzero()[:, 0]
            if len(paths):
                scale = temperature * round(self.temperatures[number].item(), 6)
                own = noise[:, paths, :, : part.noise_size]
                futures[:, paths] = part.roll_out(past, own, scale)
        return futures

    def parts_of(self, samples: int) -> Tensor:
        """Number of the part that draws each path: (N,).

        The fractions of the golden ratio's multiples fill [0, 1] evenly at any N.
        """
        places = (torch.arange(1, samples + 1, dtype=torch.float64) * GOLDEN) % 1
        weights = torch.tensor([part.weight for part in self.config.parts], dtype=torch.float64)
        return torch.searchsorted(weights.cumsum(0)[:-1], places)


def _config_of(part: Part) -> ForecasterConfig:
    """The settings of a part, validated."""
    kind = FORECASTERS[part.name]
    return validated(kind.Config, with_preset(kind, part.config), f"forecaster {part.name}")
