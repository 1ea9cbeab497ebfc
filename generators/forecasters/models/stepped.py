"""Forecasters that predict frame by frame: their targets, their inputs and the roll-out."""

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster, ForecasterConfig

STEP_FLOOR = 1e-3  # least scale of a step, in standardised units
SHRINKAGE = 0.05  # weight of the diagonal in the estimate of the steps' covariance
LIMIT = 1.5  # largest sampled step, relative to the largest step in training
LEAST_VARIANCE = 1e-4  # least variance of a scaled step in any direction


class SteppedConfig(ForecasterConfig):
    """Coordinates of a step, and the input of later steps.

    Args:
        target: "increments" models x[t+1] - x[t], "positions" models x[t+1], as published.
        whiten: Rotate and scale increments so that their covariance over the training windows is
            the identity. Neighbouring keypoints move together; a small model need not learn this.
        compress: Show large motions to the state on a logarithmic scale: a jump of one keypoint
            must not look like a fast head.
        feedback: "own" feeds every path its own samples (the paper's text), "mean" feeds all paths
            their mean (the authors' code).
    """

    target: Literal["increments", "positions"] = "increments"
    whiten: bool = True
    compress: bool = True
    feedback: Literal["own", "mean"] = "own"


class SteppedForecaster(Forecaster):
    """Updates a state with every frame, and samples the next frame or its increment from it."""

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
        """Set the scale of increments, and their whitening, from training windows (B, T, D)."""
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
        """The targets of all frames except the first: (..., T, D) -> (..., T - 1, D)."""
        if not self.increments:
            return series[..., 1:, :]
        steps = series.diff(dim=-2) / self.step_scale
        return steps @ self.step_basis if self.whitens else steps

    def log_volume(self) -> Tensor:
        """Log-determinant of `modelled` with respect to one frame."""
        volume = -self.step_scale.log().sum()
        return volume + torch.linalg.slogdet(self.step_basis).logabsdet if self.whitens else volume

    def position(self, before: Tensor, drawn: Tensor) -> Tensor:
        """The frame after `before`, from its sampled target `drawn`: (..., D) each."""
        if not self.increments:
            return drawn
        if self.whitens:
            drawn = drawn.clamp(-self.step_limit, self.step_limit) @ self.step_inverse
        return before + drawn * self.step_scale

    def seen(self, series: Tensor) -> Tensor:
        """The input of the state: positions, and increments if modelled, (..., T, D or 2 D)."""
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
        """Sample the target of the next frame, and the `extra` input of `advance`.

        Args:
            state: (layers, B, hidden).
            noise: Standard normal, (B, `noise_size`).
            temperature: Factor of the noise.
        """

    @abstractmethod
    def advance(self, state: Tensor, seen: Tensor, extra: Any) -> Tensor:
        """Update the state with one frame, (B, `inputs`)."""

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
    """A basis in which steps have unit covariance, and its inverse.

    The covariance is shrunk towards its diagonal, because few clips tell little about rare
    directions.

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
