"""Forecasters that add whole errors of training windows to a prediction in closed form."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from pydantic import Field
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import Forecaster, ForecasterConfig

LEAST_PENALTY = 1e-12


class DressedConfig(ForecasterConfig):
    """Sizes of what is kept from the training windows.

    Args:
        horizon: Number of frames that it predicts at once; longer futures take several blocks.
            None takes the future of the training windows.
        pool: At most so many errors of training windows are kept, evenly spread.
    """

    horizon: int | None = Field(None, ge=1)
    pool: int = Field(2000, ge=1)

    def for_windows(self, count: int, past: int, future: int) -> Self:
        """The future's length as horizon if none is given, and no more errors than windows."""
        del past
        changes = {"horizon": self.horizon or future, "pool": min(self.pool, count)}
        return self.model_copy(update=changes)


class DressedForecaster(Forecaster):
    """Predicts a block of frames, and adds the error that it made on a random training window.

    Every path draws a whole error, (horizon, D), with a random sign, so a sample moves from frame
    to frame as errors really do. The noise of a block's first frame decides the block. Nothing is
    trained: the prediction is solved in closed form, and the errors are kept.

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 9.4
    """

    trains = False
    calibrates = True
    pool: Tensor

    def __init__(self, features: int, config: DressedConfig) -> None:
        super().__init__(features, config)
        self.config: DressedConfig = config
        self.horizon = config.horizon or 1
        self.register_buffer("pool", torch.zeros(config.pool, self.horizon, features))

    def prepare(self, windows: Tensor, past: int) -> None:
        """Solve and keep errors of windows (B, T, D) that stand in the order of their time."""
        self.prepare_by_group(windows, past, torch.zeros(len(windows), dtype=torch.long))

    def prepare_by_group(self, windows: Tensor, past: int, groups: Tensor) -> None:
        """Solve the prediction, and keep its errors on these windows.

        Raises:
            SettingsError: If the windows are too short for the horizon.
        """
        future = windows.shape[1] - past
        if future < self.horizon:
            raise SettingsError(
                f"forecaster.config.horizon: expected at most future = {future}, got "
                f"{self.horizon}; lower it"
            )
        observed = windows[:, :past]
        ways = windows[:, past : past + self.horizon] - windows[:, past - 1 : past]
        self.keep(observed, self.errors(observed, ways, groups))

    @abstractmethod
    def errors(self, past: Tensor, ways: Tensor, groups: Tensor) -> Tensor:
        """Solve the prediction of `ways`, and return its errors on the training windows.

        Args:
            past: Observed frames, (B, P, D).
            ways: True displacements from the last observed frame, (B, horizon, D).
            groups: Number of each window's group, (B,).
        """

    def keep(self, past: Tensor, errors: Tensor) -> None:
        """Keep evenly spread errors, (B, horizon, D), of windows with this past, (B, P, D)."""
        del past
        self.pool.copy_(errors[self.kept_rows(len(errors))])

    def kept_rows(self, count: int) -> Tensor:
        """Which of so many windows are kept; some twice if there are fewer than the pool holds."""
        return torch.linspace(0, count - 1, len(self.pool)).long()

    @abstractmethod
    def ways(self, past: Tensor) -> Tensor:
        """Predicted displacements from the last frame: (B, P, D) -> (B, horizon, D)."""

    def dressing(self, past: Tensor, rows: Tensor) -> Tensor:
        """The kept errors of these rows, (B,), for a past, (B, P, D): (B, horizon, D)."""
        del past
        return self.pool[rows]

    @property
    def noise_size(self) -> int:
        """One value that selects an error, and one for its sign."""
        return 2

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean absolute error of the prediction of the last frames of windows (B, T, D)."""
        past = windows.shape[1] - self.horizon
        future = windows[:, past - 1 : past] + self.ways(windows[:, :past])
        return (future - windows[:, past:]).abs().mean()

    @torch.no_grad()
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn base noise into futures, block by block: (B, P, D), (B, N, F, 2) -> (B, N, F, D)."""
        batch, samples, horizon, _ = noise.shape
        frames = past.repeat_interleave(samples, dim=0)  # (B*N, P, D)
        observed = past.shape[1]
        for start in range(0, horizon, self.horizon):
            choice, sign = noise[:, :, start].flatten(0, 1).unbind(dim=-1)
            rows = (torch.special.ndtr(choice) * len(self.pool)).long().clamp(0, len(self.pool) - 1)
            error = self.dressing(frames, rows) * torch.where(sign < 0, -1.0, 1.0)[:, None, None]
            block = frames[:, -1:] + self.ways(frames) + temperature * error
            frames = torch.cat([frames, block], dim=1)
        return frames[:, observed : observed + horizon].unflatten(0, (batch, samples))


def last_steps(frames: Tensor, count: int) -> Tensor:
    """The last increments, zero before the first frame: (B, P, D) -> (B, count, D)."""
    missing = max(0, count + 1 - frames.shape[1])
    padded = torch.cat([frames[:, :1].expand(-1, missing, -1), frames], dim=1)
    return padded[:, -count - 1 :].diff(dim=1)


def ridge_weights(inputs: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """Weights of a ridge regression without intercept, solved in float64.

    Args:
        inputs: (B, I).
        targets: (B, O).
        ridge: Penalty, as a share of the total variance of the inputs.

    Returns:
        Weights, (I, O).
    """
    wide = inputs.double()
    gram = wide.T @ wide / len(wide)
    gram.diagonal().add_(ridge * gram.diagonal().sum().clamp_min(LEAST_PENALTY))
    weights: Tensor = torch.linalg.solve(gram, wide.T @ targets.double() / len(wide))
    return weights.to(inputs)


def left_out(groups: Tensor, length: int, most: int = 5) -> Sequence[tuple[Tensor, Tensor]]:
    """Ways to leave windows out: whole groups, or blocks of time if there is only one group.

    Args:
        groups: Number of each window's group, (B,); windows of a group stand in order of time.
        length: Frames of a window; windows closer than this to a block overlap it.
        most: Largest number of ways.

    Returns:
        Pairs of masks, (B,) each: the windows to learn from, and those that are left out. Every
        window is left out once. Empty if there are fewer than two windows.
    """
    count = len(groups)
    names, sizes = groups.unique(return_counts=True)
    if len(names) > 1:
        dealt: list[list[int]] = [[] for _ in range(min(most, len(names)))]
        weights = dict(zip(names.tolist(), sizes.tolist(), strict=True))
        for name in sorted(weights, key=lambda one: (-weights[one], one)):
            min(dealt, key=lambda held: sum(weights[one] for one in held)).append(name)
        tested = [torch.isin(groups, torch.tensor(held)) for held in dealt]
        return [(~out, out) for out in tested]
    if count < 2:
        return []
    blocks = torch.arange(count) * min(most, count) // count
    pairs = []
    for block in blocks.unique():
        out = blocks == block
        rows = out.nonzero()
        gap = length - 1
        far = ~out
        while gap > 0:  # a short clip has no windows that far apart
            away = torch.arange(count)
            far = (away < rows.min() - gap) | (away > rows.max() + gap)
            if far.sum() * 4 >= count:
                break
            gap //= 2
        pairs.append((far if far.any() else ~out, out))
    return pairs
