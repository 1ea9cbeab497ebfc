"""What happened beside the futures that were sampled for it: energy, log-density, coverage."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.configs.shapes import expect_shape

Floats = NDArray[np.floating]

SHRINKAGE = 0.3  # share of the diagonal in the samples' covariance
TIMES_TOO_MANY = 4  # values: of fewer samples than so many times these, only the diagonal is used


@dataclass(frozen=True)
class Surprise:
    """How far what happened is from what was expected.

    Args:
        energy: Energy score over the one that a sample has on average; 1 is as expected.
        density: Mahalanobis distance from the samples, squared, per value, at the last frame; 1 is
            as expected. The log-density falls by half of it for each value.
        coverage: Share of the values that lie between the 5 % and 95 % quantiles of the samples.
    """

    energy: float
    density: float
    coverage: float


def surprise(samples: Floats, truth: Floats, noise: float) -> Surprise:
    """Compare what happened with sampled futures.

    Every value is scaled by the samples' own spread, so that what is certain counts more.

    Args:
        samples: Sampled futures, (N, F, D), at least two.
        truth: What happened, (F, D).
        noise: Standard deviation of the measurement, in the units of the values. Smaller
            differences are none.

    Raises:
        ShapeError: If the axes differ or there is one sample alone.

    Example:
        >>> near = np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1)
        >>> far = surprise(near, np.array([[9.0]]), 0.01).density
        >>> surprise(near, np.array([[0.0]]), 0.01).density < 1 < far
        True
    """
    sizes = expect_shape("samples", samples, "N F D")
    expect_shape("truth", truth, f"{sizes['F']} {sizes['D']}")
    if sizes["N"] < 2:
        raise ShapeError("samples: their spread needs N >= 2, got N = 1; draw more")
    wide = np.asarray(samples, np.float64)
    middle = wide.mean(axis=0)
    scale = np.sqrt(wide.var(axis=0) + noise**2)
    apart, actual = (wide - middle) / scale, (np.asarray(truth, np.float64) - middle) / scale
    low, high = np.quantile(wide, [0.05, 0.95], axis=0)
    inside = (truth >= low - noise) & (truth <= high + noise)
    return Surprise(_energy(apart, actual), _distance(apart[:, -1], actual[-1]), inside.mean())


def _energy(samples: Floats, truth: Floats) -> float:
    """Energy score of scaled values, over the mean one of the samples themselves."""
    count = len(samples)
    flat, one = samples.reshape(count, -1), truth.reshape(-1)
    squares = (flat**2).sum(1)
    pairs = squares[:, None] + squares[None] - 2 * flat @ flat.T
    between = float(np.sqrt(np.maximum(pairs, 0)).sum() / (count * (count - 1)))
    near = float(np.linalg.norm(flat - one, axis=1).mean())
    usual = max(between, np.sqrt(flat.shape[1])) / 2  # samples that are all alike expect noise
    return max(0.0, near - between / 2) / usual


def _distance(samples: Floats, truth: Floats) -> float:
    """Squared Mahalanobis distance per value, with a covariance drawn to its diagonal."""
    count, values = samples.shape
    spread = np.eye(values)
    if count >= TIMES_TOO_MANY * values:
        own = samples.T @ samples / count
        spread = (1 - SHRINKAGE) * own + SHRINKAGE * np.eye(values)
        spread += np.diag(np.maximum(0, 1 - np.diag(spread)))  # alike samples: noise is left
    return float(truth @ np.linalg.solve(spread, truth)) / values
