"""GRU-NF: a recurrent state that conditions a normalising flow over the next step."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.realnvp import ConditionalRealNVP
from flawcast.generators.forecasters.models.stepped import SteppedConfig, SteppedForecaster

LOG_SPREAD = 3.0  # bound of the log spread that the state gives a step


class GRUNFConfig(SteppedConfig):
    """Sizes; the defaults fit small data on a CPU.

    Args:
        hidden: Units of each recurrent layer.
        gru_layers: Number of recurrent layers.
        condition: Length of the vector that conditions the flow.
        blocks: Number of coupling layers of the flow.
        flow_hidden: Units of each layer of the flow's nets.
        flow_layers: Number of fully connected layers of each of the flow's nets.
        batch_norm: Whether a batch norm layer follows each coupling.
        affine: Whether the state also gives the centre and the spread of the next step directly,
            so that the flow only models the rest.
        dropout: Share of the state that is hidden from the flow during training.
    """

    hidden: int = Field(96, ge=1)
    gru_layers: int = Field(1, ge=1)
    condition: int = Field(48, ge=1)
    blocks: int = Field(4, ge=1)
    flow_hidden: int = Field(64, ge=1)
    flow_layers: int = Field(3, ge=2)
    batch_norm: bool = True
    affine: bool = True
    dropout: float = Field(0.2, ge=0, lt=1)


@FORECASTERS.register("gru_nf")
class GRUNFForecaster(SteppedForecaster):
    """GRU whose state conditions a RealNVP flow over the next keypoint vector or its increment.

    The flow gives p(x[t+1] | h[t]) exactly: training maximises it, and sampling inverts the flow.
    The state reads positions relative to the last observed frame, and increments; the flow models
    whitened increments x[t+1] - x[t].
    `feedback="mean"` feeds all trajectories the mean of the samples, as the paper's public code
    does. According to the paper's text each trajectory gets its own sample.

    Reference:
        Rasul et al., 2020, https://arxiv.org/abs/2002.06103; "Towards Efficient Real-Time Video
        Motion Transfer via Generative Time Series Modeling", eqs. 31-32
    """

    Config = GRUNFConfig
    table_place = 6
    samples_compared = True  # as in the paper's table of diversity
    small: ClassVar[dict[str, Any]] = {
        "hidden": 16,
        "condition": 8,
        "blocks": 2,
        "flow_hidden": 16,
        "flow_layers": 2,
    }
    compared_with_mean_feedback = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "hidden": 1024,
            "gru_layers": 3,
            "condition": 200,
            "blocks": 12,
            "flow_hidden": 2048,
            "flow_layers": 5,
        },
        "authors": {
            "hidden": 512,
            "gru_layers": 3,
            "condition": 200,
            "blocks": 5,
            "flow_hidden": 512,
            "flow_layers": 5,
        },
    }

    def __init__(self, features: int, config: GRUNFConfig) -> None:
        super().__init__(features, config)
        self.config: GRUNFConfig = config
        self.gru = nn.GRU(self.inputs, config.hidden, config.gru_layers, batch_first=True)
        self.condition = nn.Linear(config.hidden, config.condition)
        self.dropout = nn.Dropout(config.dropout)
        self.flow = ConditionalRealNVP(
            features,
            config.condition,
            config.flow_hidden,
            config.flow_layers,
            config.blocks,
            config.batch_norm,
        )

        if config.affine:
            self.affine = nn.Linear(config.condition, 2 * features)
            nn.init.zeros_(self.affine.weight)  # at first no change
            nn.init.zeros_(self.affine.bias)

    def log_prob(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Teacher-forced log-density of every frame but the first: (B, T, D) -> (B, T - 1)."""
        shown = windows if seen is None else seen
        states, _ = self.gru(self.seen(shown[:, :-1]))
        condition = self.condition(self.dropout(states))
        steps, volume = self.modelled(windows), self.log_volume()
        if self.config.affine:
            centre, log_spread = self._affine(condition)
            steps = (steps - centre) * (-log_spread).exp()
            volume = volume - log_spread.sum(-1)
        return self.flow.log_prob(steps, condition) + volume

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean negative log-likelihood per step and dimension of windows (B, T, D)."""
        return -self.log_prob(windows, seen).mean() / self.features

    @property
    def noise_size(self) -> int:
        """Length of the flow's base vector."""
        return self.features

    def start(self, past: Tensor) -> Tensor:
        """State after the observed frames: (B, P, D) -> (layers, B, hidden)."""
        state: Tensor = self.gru(self.seen(past))[1]
        return state

    def draw(self, state: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, None]:
        """Invert the flow: (layers, B, hidden), (B, D) -> (B, D)."""
        condition = self.condition(state[-1])
        return self.placed(self.flow.inverse(temperature * noise, condition), condition), None

    def placed(self, shaped: Tensor, condition: Tensor) -> Tensor:
        """Move and scale the flow's output as the state predicts: (B, D), (B, C) -> (B, D)."""
        if not self.config.affine:
            return shaped
        centre, log_spread = self._affine(condition)
        return shaped * log_spread.exp() + centre

    def advance(self, state: Tensor, seen: Tensor, extra: None) -> Tensor:
        """Feed one frame, (B, `inputs`), to the state."""
        following: Tensor = self.gru(seen[:, None], state)[1]
        return following

    def _affine(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and bounded log spread of the next step."""
        centre, log_spread = self.affine(condition).chunk(2, dim=-1)
        return centre, LOG_SPREAD * torch.tanh(log_spread / LOG_SPREAD)
