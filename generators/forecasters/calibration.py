"""What is fitted after training: how much samples move, and how far the single future goes."""

from collections.abc import Callable

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster

TEMPERATURES = (0.5, 1.5)  # within which the base noise is scaled so that samples move enough
REACHES = (0.7, 1.0)  # within which the single future's way is shortened
WINDOWS, SAMPLES, BISECTIONS = 64, 32, 8


@torch.no_grad()
def fitted_temperature(forecaster: Forecaster, watched: Tensor, past: int) -> float:
    """Factor of the base noise with which samples move as much as held-out clips do.

    Fitted by likelihood, a small model on little data draws futures that are too calm; the
    temperature at which their mean displacement from frame to frame equals the truth's also
    scores better (energy score) than 1 does.

    Args:
        forecaster: Trained.
        watched: Standardised windows, (B, T, D).
        past: P.
    """
    windows = spread(watched)
    truth = windows[:, past - 1 :].diff(dim=1).abs().mean()
    low, high = TEMPERATURES
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        generator = torch.Generator().manual_seed(0)
        horizon = windows.shape[1] - past
        drawn = forecaster.sample(windows[:, :past], horizon, SAMPLES, generator, middle)
        calm = drawn.diff(dim=2).abs().mean() < truth
        low, high = (middle, high) if calm else (low, middle)
    return round((low + high) / 2, 3)


def fitted_reach(predict: Callable[[Tensor, int], Tensor], watched: Tensor, past: int) -> float:
    """Share of the predicted way from the last frame that has the least absolute error.

    A model that is sure of nothing is best followed part of the way.

    Args:
        predict: The single best future of a past, (B, P, D) -> (B, F, D).
        watched: Standardised windows, (B, T, D).
        past: P.
    """
    windows = spread(watched)
    seen, truth = windows[:, :past], windows[:, past:]
    way = predict(seen, truth.shape[1]) - seen[:, -1:]
    candidates = torch.linspace(*REACHES, 31)
    errors = [(seen[:, -1:] + reach * way - truth).abs().mean() for reach in candidates]
    return round(float(candidates[torch.stack(errors).argmin()]), 3)


def spread(windows: Tensor) -> Tensor:
    """At most 64 windows, evenly spread over all: (B, T, D)."""
    return windows[torch.linspace(0, len(windows) - 1, min(WINDOWS, len(windows))).long()]
