"""VRNN: a recurrent net with a latent variable in every step."""

from math import log, pi
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.stepped import SteppedConfig, SteppedForecaster

LEAST_DEVIATION = 1e-4
LOG_DEVIATIONS = (-6.0, 3.0)  # bounds of the log deviation of the decoder's output

Gaussian = tuple[Tensor, Tensor]


class VRNNConfig(SteppedConfig):
    """Sizes; the defaults fit small data on a CPU.

    Args:
        hidden: Units of the recurrent layer.
        latent: Number of latent values of one step.
        mlp: Units of the prior, posterior and decoder nets.
        output: Last layer of the decoder; "tanh" keeps frames in [-1, 1], as in the authors' code.
        output_noise: Let the decoder predict a Gaussian deviation of its output too, and sample
            from it. If off, the loss is the published squared error, and no noise is added.
        kl_weight: Weight of the divergence of posterior and prior; 1 is the exact bound.
        dropout: Share of the state that is hidden from the nets during training.
    """

    hidden: int = Field(128, ge=1)
    latent: int = Field(24, ge=1)
    mlp: int = Field(128, ge=1)
    output: Literal["linear", "tanh"] = "linear"
    output_noise: bool = True
    kl_weight: float = Field(1.0, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)


@FORECASTERS.register("vrnn")
class VRNNForecaster(SteppedForecaster):
    """GRU cell with a learned prior over latent values, trained by the evidence lower bound.

    In the past, the posterior's mean updates the state. In the future, every path samples its own
    latent values from the prior and reads its own frames, never a true one.

    Reference:
        Chung et al., 2015, https://arxiv.org/abs/1506.02216
    """

    Config = VRNNConfig
    table_place = 5
    samples_compared = True  # as in the paper's table of diversity
    small: ClassVar[dict[str, Any]] = {"hidden": 16, "latent": 5, "mlp": 16}
    compared_with_mean_feedback = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"hidden": 256, "latent": 15, "mlp": 512},
        "authors": {
            "hidden": 256,
            "latent": 20,
            "mlp": 128,
            "output": "tanh",
            "output_noise": False,
            "target": "positions",
        },
    }

    def __init__(self, features: int, config: VRNNConfig) -> None:
        super().__init__(features, config)
        self.config: VRNNConfig = config
        hidden, latent, mlp = config.hidden, config.latent, config.mlp
        self.cell = nn.GRUCell(self.inputs + latent, hidden)
        self.prior_hidden = nn.Linear(hidden, mlp)
        self.prior_mean = nn.Linear(mlp, latent)
        self.prior_std = nn.Linear(mlp, latent)
        self.posterior_hidden = nn.Linear(hidden + features, mlp)
        self.posterior_mean = nn.Linear(mlp, latent)
        self.posterior_std = nn.Linear(mlp, latent)
        self.decoder_hidden = nn.Linear(hidden + latent, mlp)
        self.decoder_out = nn.Linear(mlp, features)
        self.dropout = nn.Dropout(config.dropout)
        if config.output_noise:
            self.decoder_deviation = nn.Linear(mlp, features)
            nn.init.zeros_(self.decoder_deviation.weight)  # at first all deviations are equal
            nn.init.zeros_(self.decoder_deviation.bias)

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Negative evidence lower bound per step and dimension of windows (B, T, D)."""
        frames = self._frames(windows)
        noise = torch.randn(*frames.shape[:2], self.config.latent, device=frames.device)
        decoded, log_deviation, divergence, _ = self._follow(windows, noise, seen)
        error = (decoded - frames)[:, 1:].square()
        if self.config.output_noise:
            deviation = log_deviation[:, 1:]
            fit = 0.5 * (error * (-2 * deviation).exp() + log(2 * pi)) + deviation
            fit = fit - self.log_volume() / self.features
        else:
            fit = error
        weighted = self.config.kl_weight * divergence[:, 1:].mean() / self.features
        return fit.mean() + weighted

    def encode(
        self, windows: Tensor, noise: Tensor | None, seen: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Follow observed frames with the posterior.

        Args:
            windows: (B, T, D).
            noise: Noise of the latent values, (B, T, latent); None for their means.
            seen: Windows that the state reads instead of `windows`, (B, T, D).

        Returns:
            The decoded target of every frame, (B, T, D); the divergence of posterior and prior,
            (B, T); the state after the last frame, (1, B, hidden).
        """
        decoded, _, divergence, state = self._follow(windows, noise, seen)
        return decoded, divergence, state

    @property
    def noise_size(self) -> int:
        """Number of latent values, plus D for the noise of the output."""
        return self.config.latent + (self.features if self.config.output_noise else 0)

    def start(self, past: Tensor) -> Tensor:
        """State after the observed frames: (B, P, D) -> (1, B, hidden)."""
        return self.encode(past, None)[2]

    def draw(self, state: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Sample latent values from the prior and decode them: the target, and the values."""
        mean, deviation = self._prior(state[0])
        inner, outer = noise.split([self.config.latent, self.noise_size - self.config.latent], -1)
        latent = mean + deviation * temperature * inner
        drawn, log_deviation = self._decode(state[0], latent)
        if self.config.output_noise:
            drawn = drawn + log_deviation.exp() * temperature * outer
        return drawn, latent

    def advance(self, state: Tensor, seen: Tensor, extra: Tensor) -> Tensor:
        """Feed one frame, (B, `inputs`), and its latent values to the state."""
        following: Tensor = self.cell(torch.cat([seen, extra], dim=-1), state[0])
        return following[None]

    def _frames(self, windows: Tensor) -> Tensor:
        """The targets, and for the first frame its position or a zero increment: (B, T, D)."""
        modelled = self.modelled(windows)
        first = torch.zeros_like(modelled[:, :1]) if self.increments else windows[:, :1]
        return torch.cat([first, modelled], dim=1)

    def _prior(self, state: Tensor) -> Gaussian:
        """Mean and deviation of the latent values before their frame is seen."""
        inner = torch.relu(self.prior_hidden(state))
        return self.prior_mean(inner), softplus(self.prior_std(inner)) + LEAST_DEVIATION

    def _posterior(self, state: Tensor, frame: Tensor) -> Gaussian:
        """Mean and deviation of the latent values once their frame is seen."""
        inner = torch.relu(self.posterior_hidden(torch.cat([state, frame], dim=-1)))
        return self.posterior_mean(inner), softplus(self.posterior_std(inner)) + LEAST_DEVIATION

    def _decode(self, state: Tensor, latent: Tensor) -> Gaussian:
        """The target that state and latent values decode to, and its log deviation."""
        inner = torch.relu(self.decoder_hidden(torch.cat([state, latent], dim=-1)))
        frame: Tensor = self.decoder_out(inner)
        frame = torch.tanh(frame) if self.config.output == "tanh" else frame
        if not self.config.output_noise:
            return frame, torch.zeros_like(frame)
        return frame, self.decoder_deviation(inner).clamp(*LOG_DEVIATIONS)

    def _follow(
        self, windows: Tensor, noise: Tensor | None, seen: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `encode`, with the log deviation of the output, (B, T, D), in second place."""
        frames = self._frames(windows)
        inputs = self.seen(windows if seen is None else seen)
        state = windows.new_zeros(len(windows), self.config.hidden)
        decoded, deviations, divergences = [], [], []
        for step in range(windows.shape[1]):
            visible = self.dropout(state)
            mean, deviation = self._posterior(visible, frames[:, step])
            latent = mean if noise is None else mean + deviation * noise[:, step]
            divergences.append(_divergence((mean, deviation), self._prior(visible)))
            frame, log_deviation = self._decode(visible, latent)
            decoded.append(frame)
            deviations.append(log_deviation)
            state = self.cell(torch.cat([inputs[:, step], latent], dim=-1), state)
        stacked = [torch.stack(parts, dim=1) for parts in (decoded, deviations, divergences)]
        return stacked[0], stacked[1], stacked[2], state[None]


def _divergence(one: Gaussian, other: Gaussian) -> Tensor:
    """Kullback-Leibler divergence of two diagonal Gaussians, summed over their values."""
    (mean, deviation), (other_mean, other_deviation) = one, other
    ratio = (deviation / other_deviation).square()
    distance = ((mean - other_mean) / other_deviation).square()
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)
