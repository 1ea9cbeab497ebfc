"""Ridge regression that all keypoints share, dressed with what real windows did beyond it."""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import FORECASTERS, Forecaster, ForecasterConfig

RESIDUALS = 256  # kept, evenly spread over the training windows
LEAST_LEVEL = 1.0  # of the median speed: what a slow part does is no larger at a fast one
VALUES = (6, 3, 2)  # of a keypoint
UNIFORM = 2**0.5  # of the error function, which turns a normal value into a uniform one


class RigidRidgeConfig(ForecasterConfig):
    """Sizes of the regression.

    Args:
        lags: Number of increments that it reads, the last ones.
        horizon: Number of frames that it predicts at once; longer futures take several blocks.
        ridge: Penalty, as a share of the variance of these increments.
        per_keypoint: Values of a keypoint: x, y, and the rest of them; None for the most of 6, 3
            and 2 of which the vector can be made.
    """

    lags: int = Field(5, ge=1)
    horizon: int = Field(12, ge=1)
    ridge: float = Field(0.01, gt=0)
    per_keypoint: int | None = Field(None, ge=2)


@FORECASTERS.register("rigid_ridge")
class RigidRidgeForecaster(Forecaster):
    """Futures of rigid parts, from few clips and without training.

    The displacement of each future frame is a linear function of the last increments, with the
    same weights for all positions and others for all further values. A sampled future adds what
    a random training window did beyond that, averaged over its keypoints and taken relative to
    its speed and direction. So all keypoints get the same, a part stays a part, and windows of
    parts that move elsewhere, or faster, are examples, too.

    Reference:
        Hoerl and Kennard, 1970, "Ridge regression: biased estimation for nonorthogonal problems"
    """

    Config = RigidRidgeConfig
    table_place = 2
    whole_paths = True
    coordinates = "common"  # what moves all keypoints alike does so in every unit
    small: ClassVar[dict[str, Any]] = {"lags": 3, "horizon": 4, "per_keypoint": 2}
    trains = False
    weight: Tensor
    residuals: Tensor
    level: Tensor

    def __init__(self, features: int, config: RigidRidgeConfig) -> None:
        per_keypoint = config.per_keypoint or _values_of_a_keypoint(features)
        config = config.model_copy(update={"per_keypoint": per_keypoint})
        super().__init__(features, config)
        self.config: RigidRidgeConfig = config
        self.per_keypoint = per_keypoint
        if features % per_keypoint:
            raise SettingsError(
                f"forecaster.config.per_keypoint: expected a divisor of D = {features}, "
                f"got {per_keypoint}; give the number of values of a keypoint"
            )
        self.register_buffer("weight", torch.zeros(2, config.lags, config.horizon))
        shape = (RESIDUALS, config.horizon, per_keypoint)
        self.register_buffer("residuals", torch.zeros(shape))
        self.register_buffer("level", torch.ones(()))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Solve the regression over the training windows (B, T, D), and keep what it leaves.

        Raises:
            SettingsError: If the windows are too short for the horizon.
        """
        horizon = self.config.horizon
        if windows.shape[1] - past < horizon:
            raise SettingsError(
                f"forecaster.config.horizon: expected at most future = {windows.shape[1] - past}, "
                f"got {horizon}; lower it"
            )
        observed = windows[:, :past]
        ways = windows[:, past : past + horizon] - windows[:, past - 1 : past]
        steps, targets = self._by_kind(self._steps(observed)), self._by_kind(ways)
        for kind, (before, after) in enumerate(zip(steps, targets, strict=True)):
            if not before.numel():
                continue
            gram = before.T @ before / len(before)
            penalty = self.config.ridge * gram.diagonal().mean().clamp_min(1e-12)
            # Without evidence a part goes on at its mean speed of the last increments.
            steady = torch.arange(1, horizon + 1).to(gram) / self.config.lags
            prior = steady.expand(self.config.lags, -1)
            gram.diagonal().add_(penalty)
            moments = before.T @ after / len(before) + penalty * prior
            self.weight[kind].copy_(torch.linalg.solve(gram, moments))
        self.level.copy_(self._velocity(observed).norm(dim=-1).median().clamp_min(1e-6))
        beyond = (ways - self._ways(observed)).unflatten(2, (-1, self.per_keypoint))
        relative = self._turned(beyond.mean(dim=2), self._frame_of(observed), back=True)
        chosen = torch.linspace(0, len(relative) - 1, RESIDUALS).round().long()
        self.residuals.copy_(relative[chosen])

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean absolute error of the last `horizon` frames of windows (B, T, D)."""
        past = windows.shape[1] - self.config.horizon
        observed = windows[:, :past]
        return (observed[:, -1:] + self._ways(observed) - windows[:, past:]).abs().mean()

    @property
    def noise_size(self) -> int:
        """One value that chooses a residual, one that chooses its sign."""
        return 2

    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Predict block by block: (B, P, D), (B, N, F, 2) -> (B, N, F, D).

        The first values of each block's noise choose its residual. `temperature` scales it.
        """
        batch, samples, length = noise.shape[:3]
        paths = past.repeat_interleave(samples, dim=0)  # (B N, P, D)
        flat = noise.flatten(0, 1)
        for begin in range(0, length, self.config.horizon):
            uniform = torch.special.erf(flat[:, begin, 0] / UNIFORM) / 2 + 0.5
            index = (uniform * RESIDUALS).long().clamp(0, RESIDUALS - 1)
            sign = torch.where(flat[:, begin, 1] < 0, -1.0, 1.0).to(past)
            beyond = self.residuals[index] * (temperature * sign)[:, None, None]
            beyond = self._turned(beyond, self._frame_of(paths), back=False)
            copies = self.features // self.per_keypoint
            block = paths[:, -1:] + self._ways(paths) + beyond.repeat(1, 1, copies)
            paths = torch.cat([paths, block], dim=1)
        return paths[:, past.shape[1] :][:, :length].unflatten(0, (batch, samples))

    def _ways(self, frames: Tensor) -> Tensor:
        """Displacements from the last frame by the regression: (B, P, D) -> (B, horizon, D)."""
        steps = self._steps(frames).unflatten(2, (-1, self.per_keypoint))
        places = torch.einsum("blkv,lh->bhkv", steps[..., :2], self.weight[0])
        others = torch.einsum("blkv,lh->bhkv", steps[..., 2:], self.weight[1])
        return torch.cat([places, others], dim=-1).flatten(2)

    def _steps(self, frames: Tensor) -> Tensor:
        """The last increments, zero before the first frame: (B, P, D) -> (B, lags, D)."""
        missing = max(0, self.config.lags + 1 - frames.shape[1])
        padded = torch.cat([frames[:, :1].expand(-1, missing, -1), frames], dim=1)
        return padded[:, -self.config.lags - 1 :].diff(dim=1)

    def _by_kind(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """Series (B, T, D) of positions and of further values, each as rows (n, T)."""
        values = series.double().unflatten(2, (-1, self.per_keypoint))
        places, others = values[..., :2], values[..., 2:]
        return places.movedim(1, -1).flatten(0, -2), others.movedim(1, -1).flatten(0, -2)

    def _velocity(self, frames: Tensor) -> Tensor:
        """Mean increment of all positions over the last frames: (B, P, D) -> (B, 2)."""
        steps = self._steps(frames).unflatten(2, (-1, self.per_keypoint))
        return steps[..., :2].mean(dim=(1, 2))

    def _frame_of(self, frames: Tensor) -> Tensor:
        """Direction of motion times its speed, which is at least a share of the usual: (B, 2)."""
        velocity = self._velocity(frames)
        speed = velocity.norm(dim=-1, keepdim=True)
        least = LEAST_LEVEL * self.level
        ahead = torch.tensor([1.0, 0.0]).to(velocity).expand_as(velocity)
        direction = torch.where(speed > 1e-3 * least, velocity / speed.clamp_min(1e-12), ahead)
        return direction * speed.clamp_min(least)

    def _turned(self, values: Tensor, frame: Tensor, back: bool) -> Tensor:
        """Values (B, h, v) into the frame of a motion (B, 2), or back out of it.

        Positions are turned and scaled as complex numbers, further values are only scaled.
        """
        places = torch.view_as_complex(values[..., :2].contiguous())
        turn = torch.view_as_complex(frame.contiguous())[:, None]
        speed = frame.norm(dim=-1)[:, None, None]
        places = places / turn if back else places * turn
        others = values[..., 2:] / speed if back else values[..., 2:] * speed
        return torch.cat([torch.view_as_real(places), others], dim=-1)


def _values_of_a_keypoint(features: int) -> int:
    """Values of a keypoint in a vector: with Jacobians, of three axes, or a point in the plane."""
    return next((count for count in VALUES if features % count == 0), features)
