"""GRU-NF: a recurrent state that conditions a normalising flow over the next step."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from generators.forecasters.base import FORECASTERS, Forecaster, ForecasterConfig
from generators.forecasters.realnvp import ConditionalRealNVP

STEP_FLOOR = 1e-3  # of a dimension's scale: the least that a step's scale may be
PREDICT_SAMPLES = 100


class GRUNFConfig(ForecasterConfig):
    """Sizes and coordinates; the defaults fit small data on a CPU.

    The paper's: hidden 512 to 2048, gru_layers 3, blocks 12, flow_hidden 2048, flow_layers 5.
    """

    hidden: int = Field(192, ge=1)
    gru_layers: int = Field(2, ge=1)
    condition: int = Field(64, ge=1)
    blocks: int = Field(6, ge=1)
    flow_hidden: int = Field(96, ge=1)
    flow_layers: int = Field(3, ge=2)
    batch_norm: bool = True
    target: Literal["increments", "positions"] = "increments"
    feedback: Literal["own", "mean"] = "own"


@FORECASTERS.register("gru_nf")
class GRUNFForecaster(Forecaster):
    """GRU whose state conditions a RealNVP flow over the next keypoint vector or its increment.

    The flow gives p(x[t+1] | h[t]) exactly: training maximises it, sampling inverts it. The state
    sees positions centred on the last observed frame, and increments; the flow sees increments
    x[t+1] - x[t].
    `feedback="mean"` feeds all trajectories the mean of the samples, as the paper's public code
    does; the paper's text feeds each its own sample.

    Reference:
        Rasul et al., 2020, https://arxiv.org/abs/2002.06103; "Towards Efficient Real-Time Video
        Motion Transfer via Generative Time Series Modeling", eqs. 31-32
    """

    Config = GRUNFConfig
    name = "gru_nf"
    step_scale: Tensor

    def __init__(self, features: int, config: GRUNFConfig) -> None:
        super().__init__(features, config)
        self.config: GRUNFConfig = config
        inputs = features * (2 if config.target == "increments" else 1)
        self.gru = nn.GRU(inputs, config.hidden, config.gru_layers, batch_first=True)
        self.condition = nn.Linear(config.hidden, config.condition)
        self.flow = ConditionalRealNVP(
            features,
            config.condition,
            config.flow_hidden,
            config.flow_layers,
            config.blocks,
            config.batch_norm,
        )
        self.register_buffer("step_scale", torch.ones(features))

    def prepare(self, windows: Tensor) -> None:
        """Scale increments to unit variance over the training windows (B, T, D)."""
        if self.config.target == "increments":
            steps = windows.diff(dim=1).square().mean(dim=(0, 1)).sqrt()
            self.step_scale.copy_(steps.clamp_min(STEP_FLOOR))

    def log_prob(self, windows: Tensor) -> Tensor:
        """Teacher-forced log-density of every step but the first: (B, T, D) -> (B, T - 1)."""
        states, _ = self.gru(self._seen(windows[:, :-1]))
        steps = windows.diff(dim=1) if self.config.target == "increments" else windows[:, 1:]
        return self.flow.log_prob(steps / self.step_scale, self.condition(states))

    def loss(self, windows: Tensor) -> Tensor:
        """Mean negative log-likelihood per step and dimension of windows (B, T, D)."""
        return -self.log_prob(windows).mean() / self.features

    @torch.no_grad()
    def predict(self, past: Tensor, horizon: int) -> Tensor:
        """The mean of 100 samples, drawn from a fixed seed: (B, P, D) -> (B, F, D).

        The mean is the best single future for the squared error; it is smoother than any sample.
        """
        generator = torch.Generator().manual_seed(0)
        return self.sample(past, horizon, PREDICT_SAMPLES, generator).mean(dim=1)

    @torch.no_grad()
    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw futures that differ only in the noise: (B, P, D) -> (B, N, F, D)."""
        shape = (len(past), samples, horizon, self.features)
        noise = torch.randn(shape, generator=generator).to(past)
        return self.roll_out(past, temperature * noise)

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor) -> Tensor:
        """Turn base noise into futures: (B, P, D), (B, N, F, D) -> (B, N, F, D)."""
        batch, samples, horizon, _ = noise.shape
        _, state = self.gru(self._seen(past))  # (layers, B, hidden)
        state = state.repeat_interleave(samples, dim=1)
        before = past[:, -1].repeat_interleave(samples, dim=0)  # (B*N, D)
        futures = []
        for step in range(horizon):
            condition = self.condition(state[-1])
            drawn = self.flow.inverse(noise[:, :, step].flatten(0, 1), condition) * self.step_scale
            position = before + drawn if self.config.target == "increments" else drawn
            futures.append(position)
            fed = position
            if self.config.feedback == "mean":
                mean = position.unflatten(0, (batch, samples)).mean(dim=1)
                fed = mean.repeat_interleave(samples, dim=0)
            _, state = self.gru(self._seen(torch.stack([before, fed], dim=1))[:, 1:], state)
            before = fed
        return torch.stack(futures, dim=1).unflatten(0, (batch, samples))

    def _seen(self, series: Tensor) -> Tensor:
        """What the state is fed: positions, and how they got there, (B, T, D or 2 D)."""
        if self.config.target == "positions":
            return series
        steps = series.diff(dim=1, prepend=series[:, :1]) / self.step_scale
        return torch.cat([series, steps], dim=-1)
