"""Forecasters that map each frame x[t] to frame x[t+h], independently of other frames."""

from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster, ForecasterConfig
from flawcast.generators.forecasters.models.stepped import STEP_FLOOR


class FrameMapConfig(ForecasterConfig):
    """Target of the map, and the input of predictions beyond P frames.

    Args:
        target: "increments" models the displacement x[t+h] - x[t], "positions" models x[t+h], as
            published.
        feedback: Input of predictions beyond P frames: "own" feeds every path its own predictions,
            "mean" feeds all paths their mean.
    """

    target: Literal["increments", "positions"] = "increments"
    feedback: Literal["own", "mean"] = "own"


class FrameMapForecaster(Forecaster):
    """Maps each frame to the one h = P frames later; beyond P frames it maps its predictions."""

    lag: Tensor
    way_scale: Tensor

    def __init__(self, features: int, config: FrameMapConfig) -> None:
        super().__init__(features, config)
        self.config: FrameMapConfig = config
        self.register_buffer("lag", torch.ones((), dtype=torch.long))
        self.register_buffer("way_scale", torch.ones(features))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Set h to P, and the scale of displacements from the training windows (B, T, D)."""
        self.lag.fill_(min(past, windows.shape[1] - 1))
        if self.config.target == "increments":
            before, after = self.pairs(windows)
            scale = (after - before).square().mean(dim=(0, 1)).sqrt()
            self.way_scale.copy_(scale.clamp_min(STEP_FLOOR))

    def pairs(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, and the frames h later: (B, T, D) -> (B, T - h, D) twice."""
        lag = int(self.lag)
        return windows[:, :-lag], windows[:, lag:]

    def modelled(self, before: Tensor, after: Tensor) -> Tensor:
        """The scaled target, as the model sees it: (..., D)."""
        way = after - before if self.config.target == "increments" else after
        return way / self.way_scale

    @abstractmethod
    def draw(self, frames: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Sample the scaled target of frames: (..., D), (..., `noise_size`) -> (..., D)."""

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn base noise into futures: (B, P, D), (B, N, F, `noise_size`) -> (B, N, F, D)."""
        samples, horizon = noise.shape[1:3]
        inputs = list(past[:, None].expand(-1, samples, -1, -1).unbind(dim=2))  # (B, N, D) each
        observed = len(inputs)
        futures = []
        for step in range(horizon):
            before = inputs[max(0, observed + step - int(self.lag))]
            target = self.draw(before, noise[:, :, step], temperature) * self.way_scale
            after = before + target if self.config.target == "increments" else target
            futures.append(after)
            mean = after.mean(dim=1, keepdim=True).expand_as(after)
            inputs.append(mean if self.config.feedback == "mean" else after)
        return torch.stack(futures, dim=2)
