"""The diversity-to-error ratio, standardised over a stated population of videos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flawcast.configs.errors import SettingsError, ShapeError


@dataclass(frozen=True)
class RatioBounds:
    """Smallest and largest APD and MAE of the population that ratios are standardised over."""

    apd_low: float
    apd_high: float
    mae_low: float
    mae_high: float


@dataclass(frozen=True)
class StandardisedRatio:
    """APD-to-MAE ratios of videos, with the bounds that they were computed with.

    Args:
        ratios: One per video, in the order given; None where it is undefined.
        bounds: The population's bounds that were used.
        left_out: How many videos have no ratio.
        mean: Mean of the defined ratios; None if there are none.
        median: Median of the defined ratios. Quote this one: ratios of videos whose MAE is close
            to the smallest explode.
    """

    ratios: tuple[float | None, ...]
    bounds: RatioBounds
    left_out: int
    mean: float | None
    median: float | None


def standardised_ratio(
    apd: ArrayLike, mae: ArrayLike, bounds: RatioBounds | None = None
) -> StandardisedRatio:
    """Ratio of min-max standardised APD to min-max standardised MAE of each video.

    Large for diverse futures that stay close to the truth. The video with the smallest MAE of
    the population standardises to 0, so it has no ratio: it is left out and counted. A
    video whose APD or MAE is missing has no ratio either. No video has one if the population does
    not vary.

    Args:
        apd: APD of each video's sample set, (V,); None or nan where it is not defined.
        mae: Mean MAE of each video's sample set, (V,).
        bounds: Bounds of the whole population: all videos of all compared models. By default,
            these videos are the population.

    Returns:
        The ratios, the bounds, the count left out, mean and median.

    Raises:
        ShapeError: If `apd` and `mae` do not both have one value per video.
        SettingsError: If a video lies outside the bounds, so it is not part of that population.

    Example:
        >>> result = standardised_ratio(apd=[0, 0.25, 0.5], mae=[0.125, 0.375, 0.25])
        >>> result.ratios, result.left_out
        ((None, 0.5, 2.0), 1)
    """
    diversity, error = _aligned(apd, mae)
    bounds = bounds or ratio_bounds([(diversity, error)])
    above = _standardised("APD", diversity, bounds.apd_low, bounds.apd_high)
    below = _standardised("MAE", error, bounds.mae_low, bounds.mae_high)
    ratios = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    defined = ratios[np.isfinite(ratios)]
    return StandardisedRatio(
        ratios=tuple(float(ratio) if np.isfinite(ratio) else None for ratio in ratios),
        bounds=bounds,
        left_out=ratios.size - defined.size,
        mean=float(defined.mean()) if defined.size else None,
        median=float(np.median(defined)) if defined.size else None,
    )


def ratio_bounds(models: Sequence[tuple[ArrayLike, ArrayLike]]) -> RatioBounds:
    """Bounds over all videos of all compared models.

    Args:
        models: APD and MAE of the videos of each model, (V,) each.

    Returns:
        The smallest and largest APD and MAE; videos with a missing value do not count.

    Raises:
        ShapeError: If APD and MAE of a model differ in length, or no video has both values.
    """
    pairs = np.concatenate([np.stack(_aligned(apd, mae)) for apd, mae in models], axis=1)  # (2, V)
    whole = pairs[:, np.isfinite(pairs).all(axis=0)]
    if whole.size == 0:
        raise ShapeError("apd, mae: expected at least one video with both values, got none")
    (apd_low, mae_low), (apd_high, mae_high) = whole.min(axis=1), whole.max(axis=1)
    return RatioBounds(float(apd_low), float(apd_high), float(mae_low), float(mae_high))


def _aligned(apd: ArrayLike, mae: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float arrays with one value for each video, nan in both where one is missing."""
    diversity, error = np.asarray(apd, np.float64), np.asarray(mae, np.float64)
    if diversity.ndim != 1 or diversity.shape != error.shape:
        raise ShapeError(
            f"apd, mae: expected one value for each video, got shapes {diversity.shape} "
            f"and {error.shape}"
        )
    missing = ~(np.isfinite(diversity) & np.isfinite(error))
    return np.where(missing, np.nan, diversity), np.where(missing, np.nan, error)


def _standardised(
    name: str, values: NDArray[np.float64], low: float, high: float
) -> NDArray[np.float64]:
    """Map [low, high] to [0, 1]; nan for all where the population does not vary."""
    outside = values[(values < low) | (values > high)]
    if outside.size:
        raise SettingsError(
            f"bounds: expected every {name} in [{low:.6g}, {high:.6g}], got {outside[0]:.6g}; "
            "take the bounds over all compared videos"
        )
    return (values - low) / (high - low) if high > low else np.full_like(values, np.nan)
