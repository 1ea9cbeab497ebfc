"""Forecasters that go on frame by frame: what they model, what they see, how they roll."""

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster, ForecasterConfig

STEP_FLOOR = 1e-3  # of a dimension's scale: the least that a step's scale may be
SHRINKAGE = 0.05  # of the steps' covariance towards its diagonal
LIMIT = 1.5  # of the largest step in training: the most that a sampled one may move
LEAST_VARIANCE = 1e-4  # of a scaled step, in any direction


class SteppedConfig(ForecasterConfig):
    """Coordinates of a step, and what is fed back.

    Args:
        target: Model increments x[t+1] - x[t], or positions (as published).
        whiten: Rotate and scale increments so that over the training windows their covariance is
            the identity: neighbouring keypoints move together, which a small model need not learn.
        compress: Show the state large motions on a logarithmic scale: a jump of one keypoint must
            not look like a fast head.
        feedback: Feed every path its own samples (the paper's text), or all of them their mean
            (its authors' code).
    """

    target: Literal["increments", "positions"] = "increments"
    whiten: bool = True
    compress: bool = True
    feedback: Literal["own", "mean"] = "own"


class SteppedForecaster(Forecaster):
    """A state that is fed frame by frame, and draws the next frame or its increment."""

    step_scale: Tensor
    step_basis: Tensor
    step_inverse: Tensor
    step_limit: Tensor

    def __init__(self, features: int, config: SteppedConfig) -> None:
        super().__init__(features, config)
        self.config: SteppedConfig = config
        self.increments = config.target == "increments"
        self.whitens = self.increments and config.whiten
        self.inputs = features * (2 if self.increments else 1)
        self.register_buffer("step_scale", torch.ones(features))
        if self.whitens:
            self.register_buffer("step_basis", torch.eye(features))
            self.register_buffer("step_inverse", torch.eye(features))
            self.register_buffer("step_limit", torch.full((features,), torch.finfo().max))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Scale, and if asked whiten, increments over the training windows (B, T, D)."""
        if not self.increments:
            return
        steps = windows.diff(dim=1)
        scale = steps.square().mean(dim=(0, 1)).sqrt().clamp_min(STEP_FLOOR)
        self.step_scale.copy_(scale)
        if self.whitens:
            basis, inverse = whitening((steps / scale).flatten(0, 1))
            self.step_basis.copy_(basis)
            self.step_inverse.copy_(inverse)
            largest = self.modelled(windows).abs().amax(dim=(0, 1))
            self.step_limit.copy_(LIMIT * largest.clamp_min(1.0))

    def modelled(self, series: Tensor) -> Tensor:
        """What is modelled of every frame but the first: (..., T, D) -> (..., T - 1, D)."""
        if not self.increments:
            return series[..., 1:, :]
        steps = series.diff(dim=-2) / self.step_scale
        return steps @ self.step_basis if self.whitens else steps

    def log_volume(self) -> Tensor:
        """Log-determinant of `modelled` with respect to one frame."""
        volume = -self.step_scale.log().sum()
        return volume + torch.linalg.slogdet(self.step_basis).logabsdet if self.whitens else volume

    def position(self, before: Tensor, drawn: Tensor) -> Tensor:
        """The frame that follows `before`, from what was drawn for it: (..., D) each."""
        if not self.increments:
            return drawn
        if self.whitens:
            drawn = drawn.clamp(-self.step_limit, self.step_limit) @ self.step_inverse
        return before + drawn * self.step_scale

    def seen(self, series: Tensor) -> Tensor:
        """What the state is fed: positions, and how they got there, (..., T, D or 2 D)."""
        if not self.increments:
            return series
        steps = series.diff(dim=-2, prepend=series[..., :1, :]) / self.step_scale
        shown = torch.cat([series, steps], dim=-1)
        return shown.asinh() if self.config.compress else shown

    @abstractmethod
    def start(self, past: Tensor) -> Tensor:
        """State after the observed frames: (B, P, D) -> (layers, B, hidden)."""

    @abstractmethod
    def draw(self, state: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Any]:
        """Draw the next frame as it is modelled, and what `advance` needs besides.

        Args:
            state: (layers, B, hidden).
            noise: Standard normal, (B, `noise_size`).
            temperature: Factor of the noise.
        """

    @abstractmethod
    def advance(self, state: Tensor, seen: Tensor, extra: Any) -> Tensor:
        """Feed one frame, (B, `inputs`), to the state."""

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn base noise into futures: (B, P, D), (B, N, F, `noise_size`) -> (B, N, F, D)."""
        batch, samples, horizon, _ = noise.shape
        state = self.start(past).repeat_interleave(samples, dim=1)  # (layers, B*N, hidden)
        before = past[:, -1].repeat_interleave(samples, dim=0)  # (B*N, D)
        futures = []
        for step in range(horizon):
            drawn, extra = self.draw(state, noise[:, :, step].flatten(0, 1), temperature)
            position = self.position(before, drawn)
            futures.append(position)
            fed = position
            if self.config.feedback == "mean":
                mean = position.unflatten(0, (batch, samples)).mean(dim=1)
                fed = mean.repeat_interleave(samples, dim=0)
            state = self.advance(state, self.seen(torch.stack([before, fed], dim=1))[:, 1], extra)
            before = fed
        return torch.stack(futures, dim=1).unflatten(0, (batch, samples))


def whitening(steps: Tensor) -> tuple[Tensor, Tensor]:
    """A basis in which steps have unit covariance, and the way back.

    The covariance is drawn towards its diagonal, since few clips know little of rare directions.

    Args:
        steps: Scaled steps, (B, D).

    Returns:
        Two (D, D) matrices: `steps @ basis` is white, and `@ inverse` undoes it.
    """
    exact = steps.double()
    covariance = exact.T @ exact / len(exact)
    diagonal = covariance.diagonal().clamp_min(LEAST_VARIANCE)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal.diag()
    covariance.diagonal().clamp_min_(LEAST_VARIANCE)
    values, vectors = torch.linalg.eigh(covariance)
    deviations = values.clamp_min(SHRINKAGE * LEAST_VARIANCE).sqrt()
    return (vectors / deviations).to(steps), (vectors * deviations).T.to(steps)
