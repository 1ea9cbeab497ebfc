"""GRU: a recurrent net that predicts the next frame, trained with the squared error."""

from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.stepped import SteppedConfig, SteppedForecaster


class GRUConfig(SteppedConfig):
    """Sizes of the net.

    Args:
        hidden: Units of each recurrent layer.
        gru_layers: Number of recurrent layers.
        dropout: Share of the state that is left out during training.
        whiten: Off by default: with whitened increments the squared error would weigh the
            smallest motions as much as the largest.
    """

    hidden: int = Field(128, ge=1)
    gru_layers: int = Field(1, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    whiten: bool = False


@FORECASTERS.register("gru")
class GRUForecaster(SteppedForecaster):
    """Autoregressive GRU: one future, each frame fed back as if it had been observed."""

    Config = GRUConfig
    table_place = 2
    small: ClassVar[dict[str, Any]] = {"hidden": 16}
    stochastic = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"hidden": 256, "gru_layers": 1}}

    def __init__(self, features: int, config: GRUConfig) -> None:
        super().__init__(features, config)
        self.config: GRUConfig = config
        self.gru = nn.GRU(self.inputs, config.hidden, config.gru_layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, features)
        nn.init.zeros_(self.output.bias)
        nn.init.normal_(self.output.weight, std=1e-3)  # at first nothing moves

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean squared error of the next step over windows (B, T, D)."""
        shown = windows if seen is None else seen
        states, _ = self.gru(self.seen(shown[:, :-1]))
        error: Tensor = self.output(self.dropout(states)) - self.modelled(windows)
        return error.square().mean()

    def start(self, past: Tensor) -> Tensor:
        """State after the observed frames: (B, P, D) -> (layers, B, hidden)."""
        state: Tensor = self.gru(self.seen(past))[1]
        return state

    def draw(self, state: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, None]:
        """The expected next step: (layers, B, hidden) -> (B, D)."""
        return self.output(state[-1]), None

    def advance(self, state: Tensor, seen: Tensor, extra: None) -> Tensor:
        """Feed one frame, (B, `inputs`), to the state."""
        following: Tensor = self.gru(seen[:, None], state)[1]
        return following
