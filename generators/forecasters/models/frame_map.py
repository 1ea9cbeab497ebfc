"""Forecasters that map frame x[t] to frame x[t+h], each frame by itself."""

from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster, ForecasterConfig
from flawcast.generators.forecasters.models.stepped import STEP_FLOOR


class FrameMapConfig(ForecasterConfig):
    """Coordinates of what is mapped, and what is fed back where F > P.

    Args:
        target: Model the way x[t+h] - x[t], or the position x[t+h] (as published).
        feedback: Where predictions feed further ones, feed every path its own, or all the mean.
    """

    target: Literal["increments", "positions"] = "increments"
    feedback: Literal["own", "mean"] = "own"


class FrameMapForecaster(Forecaster):
    """Maps each frame to the one h = P frames later; predictions stand in where F > P."""

    lag: Tensor
    way_scale: Tensor

    def __init__(self, features: int, config: FrameMapConfig) -> None:
        super().__init__(features, config)
        self.config: FrameMapConfig = config
        self.register_buffer("lag", torch.ones((), dtype=torch.long))
        self.register_buffer("way_scale", torch.ones(features))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Look ahead by P frames; scale the ways over the training windows (B, T, D)."""
        self.lag.fill_(min(past, windows.shape[1] - 1))
        if self.config.target == "increments":
            before, after = self.pairs(windows)
            scale = (after - before).square().mean(dim=(0, 1)).sqrt()
            self.way_scale.copy_(scale.clamp_min(STEP_FLOOR))

    def pairs(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Frames and those that come h later: (B, T, D) -> (B, T - h, D) twice."""
        lag = int(self.lag)
        return windows[:, :-lag], windows[:, lag:]

    def modelled(self, before: Tensor, after: Tensor) -> Tensor:
        """What is modelled of the later frames: (..., D)."""
        way = after - before if self.config.target == "increments" else after
        return way / self.way_scale

    @abstractmethod
    def draw(self, frames: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Map frames to what is modelled of later ones: (..., D), (..., `noise_size`)."""

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn base noise into futures: (B, P, D), (B, N, F, `noise_size`) -> (B, N, F, D)."""
        samples, horizon = noise.shape[1:3]
        known = list(past[:, None].expand(-1, samples, -1, -1).unbind(dim=2))  # (B, N, D) each
        observed = len(known)
        futures = []
        for step in range(horizon):
            before = known[max(0, observed + step - int(self.lag))]
            drawn = self.draw(before, noise[:, :, step], temperature) * self.way_scale
            after = before + drawn if self.config.target == "increments" else drawn
            futures.append(after)
            mean = after.mean(dim=1, keepdim=True).expand_as(after)
            known.append(mean if self.config.feedback == "mean" else after)
        return torch.stack(futures, dim=2)
