"""NF: a RealNVP over the frame h later, conditioned on the current frame."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.frame_map import FrameMapConfig, FrameMapForecaster
from flawcast.generators.forecasters.models.realnvp import ConditionalRealNVP


class NFConfig(FrameMapConfig):
    """Sizes; the defaults fit small data on a CPU.

    Args:
        blocks: Number of coupling layers of the flow.
        flow_hidden: Units of each layer of the flow's nets.
        flow_layers: Number of fully connected layers of each of the flow's nets.
        batch_norm: Whether a batch norm layer follows each coupling.
        error_weight: Weight of the squared error of the flow's centre; the likelihood has 1.
    """

    blocks: int = Field(4, ge=1)
    flow_hidden: int = Field(64, ge=1)
    flow_layers: int = Field(3, ge=2)
    batch_norm: bool = True
    error_weight: float = Field(1.0, ge=0)


@FORECASTERS.register("nf")
class NFForecaster(FrameMapForecaster):
    """Conditional RealNVP, trained by likelihood and the squared error of its centre.

    The centre is the image of zero noise. Each frame is sampled with noise of its own, so the
    frames of a path are not consistent in time.

    Reference:
        Dinh et al., 2016, https://arxiv.org/abs/1605.08803
    """

    Config = NFConfig
    table_place = 4
    small: ClassVar[dict[str, Any]] = {"blocks": 2, "flow_hidden": 16, "flow_layers": 2}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"blocks": 12, "flow_hidden": 2048, "flow_layers": 5},
        "authors": {"blocks": 5, "flow_hidden": 512, "flow_layers": 5},
    }

    def __init__(self, features: int, config: NFConfig) -> None:
        super().__init__(features, config)
        self.config: NFConfig = config
        self.flow = ConditionalRealNVP(
            features,
            features,
            config.flow_hidden,
            config.flow_layers,
            config.blocks,
            config.batch_norm,
        )

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Negative log-likelihood per dimension plus weighted squared error of (B, T, D)."""
        before, after = self.pairs(windows)
        shown = before if seen is None else self.pairs(seen)[0]
        wanted = self.modelled(before, after)
        density = self.flow.log_prob(wanted, shown).mean() / self.features
        volume = self.way_scale.log().mean()
        centre = self.flow.inverse(torch.zeros_like(wanted), shown)
        error = (centre - wanted).square().mean()
        return volume - density + self.config.error_weight * error

    @property
    def noise_size(self) -> int:
        """Length of the flow's base vector."""
        return self.features

    def draw(self, frames: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Invert the flow: (..., D), (..., D) -> (..., D)."""
        return self.flow.inverse(temperature * noise, frames)
