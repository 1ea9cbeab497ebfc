"""Kernel density estimates of scores: smooth curves that show distributions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import gaussian_kde

POINTS = 200
MARGIN = 3.0  # bandwidths by which the curve extends beyond the outermost values
TAIL = 0.95  # share of the values that is drawn if they have a long tail


@dataclass(frozen=True)
class Density:
    """A density curve.

    Args:
        x: Values at which the density was evaluated, (M,).
        y: The density at `x`, (M,); the area under the whole curve is the share of values drawn.
        beyond: Number of values above the range, which the curve leaves out.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    beyond: int


def density(
    values: ArrayLike,
    highest: float = np.inf,
    within: tuple[float, float] = (-np.inf, np.inf),
    points: int = POINTS,
) -> Density | None:
    """Gaussian kernel density estimate with Scott's bandwidth.

    Args:
        values: Scores; None and nan do not count.
        highest: Leave out and count values above this: a few exploding ratios would make the
            bandwidth of all others meaningless.
        within: Range of possible values; the curve does not leave it.
        points: Number of points to evaluate.

    Returns:
        The curve; None if fewer than two different values are left, which have no density.

    Example:
        >>> curve = density([1, 2, 3, 90], highest=10)
        >>> curve.beyond, round(float(np.trapezoid(curve.y, curve.x)), 1)
        (1, 0.7)
        >>> density([2, 2]) is None
        True
    """
    every = np.asarray(values, np.float64)
    every = every[np.isfinite(every)]
    shown = every[every <= highest]
    if np.unique(shown).size < 2:
        return None
    try:
        kernel = gaussian_kde(shown)
    except np.linalg.LinAlgError:  # values that differ in their last bits only
        return None
    reach = MARGIN * float(np.sqrt(kernel.covariance[0, 0]))
    low, high = max(shown.min() - reach, within[0]), min(shown.max() + reach, within[1])
    x = np.linspace(low, high, points)
    y = kernel(x) * (shown.size / every.size)
    return Density(x, y, int(every.size - shown.size))


def long_tail(values: ArrayLike) -> float:
    """The value up to which a distribution with a long tail is worth drawing.

    This is the 95 percent quantile if the largest value is more than twice as large, and otherwise
    the largest value.

    Example:
        >>> long_tail([1, 2, 3]), round(long_tail([*range(100), 5000]))
        (3.0, 95)
    """
    every = np.asarray(values, np.float64)
    every = every[np.isfinite(every)]
    if not every.size:
        return 0.0
    bulk, largest = float(np.quantile(every, TAIL)), float(every.max())
    return bulk if largest > 2 * bulk else largest
