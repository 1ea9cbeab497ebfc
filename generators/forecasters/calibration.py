"""Calibration after training: how much samples move, and how far the single future goes."""

from collections.abc import Callable

import torch
from torch import Tensor

from flawcast.generators.forecasters.base import Forecaster

TEMPERATURES = (0.5, 1.5)  # least and largest factor of the base noise
REACHES = (0.7, 1.0)  # least and largest factor of the single future's displacement
WINDOWS, SAMPLES, BISECTIONS = 64, 32, 8


@torch.no_grad()
def fitted_temperature(forecaster: Forecaster, watched: Tensor, past: int) -> float:
    """Factor of the base noise with which samples move as much as held-out clips do.

    A small model that is fitted by likelihood to little data samples futures that move too little.
    The temperature at which their mean displacement from frame to frame equals that of the true
    futures also has a better energy score than temperature 1.

    Args:
        forecaster: A trained forecaster.
        watched: Standardised windows, (B, T, D).
        past: Observed frames of a window, P.
    """
    windows = spread(watched)
    truth = windows[:, past - 1 :].diff(dim=1).abs().mean()
    low, high = TEMPERATURES
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        generator = torch.Generator().manual_seed(0)
        horizon = windows.shape[1] - past
        futures = forecaster.sample(windows[:, :past], horizon, SAMPLES, generator, middle)
        calm = futures.diff(dim=2).abs().mean() < truth
        low, high = (middle, high) if calm else (low, middle)
    return round((low + high) / 2, 3)


def fitted_reach(predict: Callable[[Tensor, int], Tensor], watched: Tensor, past: int) -> float:
    """Factor of the predicted displacement from the last frame with the least absolute error.

    If a model is uncertain, a shorter displacement has a smaller error.

    Args:
        predict: Predicts the single best future of a past, (B, P, D) -> (B, F, D).
        watched: Standardised windows, (B, T, D).
        past: Observed frames of a window, P.
    """
    windows = spread(watched)
    observed, truth = windows[:, :past], windows[:, past:]
    way = predict(observed, truth.shape[1]) - observed[:, -1:]
    candidates = torch.linspace(*REACHES, 31)
    errors = [(observed[:, -1:] + reach * way - truth).abs().mean() for reach in candidates]
    return round(float(candidates[torch.stack(errors).argmin()]), 3)


def spread(windows: Tensor) -> Tensor:
    """At most 64 evenly spread windows of these: (B, T, D)."""
    return windows[torch.linspace(0, len(windows) - 1, min(WINDOWS, len(windows))).long()]
