"""Scores of sampled keypoint futures against the real future, in keypoint units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.configs.keep import expect_keep
from flawcast.configs.shapes import expect_shape

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ForecastScores:
    """Scores of one window, or means over windows, in keypoint units.

    Args:
        one: Mean absolute error of the single best future.
        sample: Mean absolute error of a random sample: the mean over all samples.
        best: Mean absolute error of the sample with the least error.
        kept: Mean absolute error of the `keep` samples with the least errors.
        apd: Mean absolute difference between every two kept samples; 0 if fewer than two.
        apd_all: The same for all samples, which no knowledge of the truth has selected.
        moved: Mean absolute difference of neighbouring frames of the samples.
        truly_moved: Mean absolute difference of neighbouring frames of the truth.
        energy: Energy score of the samples.
        coverage: Share of the truth's values between the samples' 5 % and 95 % quantiles; 0.9 is
            right.
    """

    one: float
    sample: float
    best: float
    kept: float
    apd: float
    apd_all: float
    moved: float
    truly_moved: float
    energy: float
    coverage: float

    @property
    def coherence(self) -> float:
        """Movement of the samples divided by that of the truth: 1 is right."""
        return self.moved / self.truly_moved if self.truly_moved else float("nan")


def forecast_scores(samples: Floats, truth: Floats, single: Floats, keep: int) -> ForecastScores:
    """Score the futures of one window.

    Args:
        samples: Sampled futures, (N, F, D), or the single future of a forecaster without samples.
        truth: The real future, (F, D).
        single: The single best future, (F, D).
        keep: Number of closest samples to keep, at most N.

    Raises:
        ShapeError: If the axes differ, or there are fewer than two frames.
        SettingsError: If `keep` is not in 1..N.
    """
    errors = sample_errors(samples, truth)
    expect_keep(keep, len(samples))
    if len(truth) < 2:
        raise ShapeError("truth: movement compares neighbours and needs F >= 2, got F = 1")
    kept = np.argsort(errors, kind="stable")[:keep]
    return ForecastScores(
        one=float(np.abs(single - truth).mean()),
        sample=float(errors.mean()),
        best=best_of_n(samples, truth),
        kept=float(errors[kept].mean()),
        apd=keypoint_apd(samples[kept]) if keep > 1 else 0.0,
        apd_all=keypoint_apd(samples) if len(samples) > 1 else 0.0,
        moved=float(np.abs(np.diff(samples, axis=1)).mean()),
        truly_moved=float(np.abs(np.diff(truth, axis=0)).mean()),
        energy=energy_score(samples, truth),
        coverage=coverage(samples, truth),
    )


def sample_errors(samples: Floats, truth: Floats) -> NDArray[np.float64]:
    """Mean absolute error of each sample: (N, F, D), (F, D) -> (N,).

    Raises:
        ShapeError: If the axes differ.
    """
    sizes = expect_shape("samples", samples, "N F D")
    expect_shape("truth", truth, f"{sizes['F']} {sizes['D']}")
    wide = np.asarray(samples, np.float64)
    errors: NDArray[np.float64] = np.abs(wide - truth).mean(axis=(1, 2))
    return errors


def best_of_n(samples: Floats, truth: Floats) -> float:
    """Least mean absolute error of any sample: (N, F, D), (F, D).

    It falls as N grows: compare forecasters only at equal N, and together with other scores.

    Raises:
        ShapeError: If the axes differ.

    Example:
        >>> best_of_n(np.array([[[0.0]], [[3.0]]]), np.array([[2.0]]))
        1.0
    """
    return float(sample_errors(samples, truth).min())


def keypoint_apd(samples: Floats) -> float:
    """Mean absolute difference between every two samples: (N, F, D), at least two.

    Raises:
        ShapeError: If there are other axes or fewer than two samples.

    Example:
        >>> keypoint_apd(np.array([[[0.0]], [[1.0]], [[3.0]]]))
        2.0
    """
    count = expect_shape("samples", samples, "N F D")["N"]
    if count < 2:
        raise ShapeError(f"samples: APD compares pairs and needs N >= 2, got N = {count}")
    # Sorted, the k-th smallest of n values is subtracted n-1-k times and added k times.
    ordered = np.sort(np.asarray(samples, np.float64), axis=0)
    weights = 2 * np.arange(count) - count + 1
    total = np.tensordot(weights, ordered, axes=1).mean()
    return float(total / (count * (count - 1) / 2))


def energy_score(samples: Floats, truth: Floats) -> float:
    """Mean distance to the truth, minus half the mean distance between two samples.

    The distance is Euclidean over whole futures. Samples from the true distribution have the least
    expected score, so neither jitter nor calm pays. The score of a single future is its distance.

    Args:
        samples: (N, F, D).
        truth: (F, D).

    Returns:
        The score, smaller is better, with the unbiased mean over the N(N-1)/2 pairs.

    Raises:
        ShapeError: If the axes differ.

    Reference:
        Gneiting and Raftery, 2007, "Strictly proper scoring rules, prediction, and estimation",
        section 4.3

    Example:
        >>> energy_score(np.array([[[0.0]], [[4.0]]]), np.array([[1.0]]))
        0.0
    """
    sizes = expect_shape("samples", samples, "N F D")
    expect_shape("truth", truth, f"{sizes['F']} {sizes['D']}")
    flat = np.asarray(samples, np.float64).reshape(sizes["N"], -1)
    near = float(np.linalg.norm(flat - np.asarray(truth, np.float64).reshape(-1), axis=1).mean())
    if sizes["N"] < 2:
        return near
    between = sum(float(np.linalg.norm(flat - row, axis=1).sum()) for row in flat)
    return near - between / (2 * sizes["N"] * (sizes["N"] - 1))


def coverage(samples: Floats, truth: Floats, share: float = 0.9) -> float:
    """Share of the truth's values that lie within the samples' central interval.

    The right result is `share`. A smaller one means that the samples are too similar or off, a
    larger one that they spread too widely.

    Args:
        samples: (N, F, D).
        truth: (F, D).
        share: Share of the samples that the interval holds, in (0, 1).

    Raises:
        ShapeError: If the axes differ.
        SettingsError: If the share is not between 0 and 1.

    Example:
        >>> coverage(np.linspace(0, 1, 11).reshape(11, 1, 1), np.array([[0.5]]))
        1.0
    """
    if not 0 < share < 1:
        raise SettingsError(f"share: expected a value between 0 and 1, got {share}; take 0.9")
    sizes = expect_shape("samples", samples, "N F D")
    expect_shape("truth", truth, f"{sizes['F']} {sizes['D']}")
    low, high = np.quantile(samples, [(1 - share) / 2, (1 + share) / 2], axis=0)
    return float(((truth >= low) & (truth <= high)).mean())
