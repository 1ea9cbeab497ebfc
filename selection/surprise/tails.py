"""Scores of different kinds on one scale: how seldom good footage shows as much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError

Floats = NDArray[np.floating]

TAIL = 0.1  # share of the good values that the tail is fitted to
KNOTS = 33  # quantiles that stand for the rest
LEAST_SLOPE = 0.02  # of the range up to the tail: a few values may be all alike
FEWEST = 30  # values of a kind: of fewer, nothing is known of how seldom they are


@dataclass(frozen=True)
class Tail:
    """How seldom values are exceeded.

    Args:
        knots: Quantiles of the good values from the least to the beginning of the tail, evenly
            spread in their rank, (KNOTS,).
        slope: Mean excess over the beginning of the tail.
    """

    knots: tuple[float, ...]
    slope: float

    @staticmethod
    def fitted(values: Floats) -> "Tail | None":
        """The tail of good values, (n,); None if there are too few of them.

        Beyond its last knot the tail is exponential.
        """
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        if len(known) < FEWEST:
            return None
        knots = np.quantile(known, np.linspace(0, 1 - TAIL, KNOTS))
        beyond = known[known > knots[-1]] - knots[-1]
        least = LEAST_SLOPE * max(1e-6, float(knots[-1] - knots[0]))
        slope = max(float(beyond.mean()) if len(beyond) else 0.0, least)
        return Tail(tuple(float(knot) for knot in knots), slope)

    def nats(self, value: float) -> float:
        """Minus the logarithm of the share of good values that are larger.

        Example:
            >>> tail = Tail.fitted(np.arange(1000.0))
            >>> round(tail.nats(900.0), 1), tail.nats(-5.0)
            (2.3, 0.0)
        """
        last = self.knots[-1]
        if value > last:
            return float(-np.log(TAIL) + (value - last) / self.slope)
        ranks = np.linspace(0, 1 - TAIL, len(self.knots))
        return float(-np.log1p(-np.interp(value, self.knots, ranks)))


def fitted_tails(values: Mapping[str, Floats]) -> dict[str, Tail]:
    """The tail of each kind of score that good footage shows often enough.

    Args:
        values: Scores of good frames by kind, (n,); nan where there was none.

    Raises:
        ClipError: If there is no such kind.
    """
    tails = {name: Tail.fitted(one) for name, one in values.items()}
    known = {name: tail for name, tail in tails.items() if tail is not None}
    if not known:
        most = max((int(np.isfinite(one).sum()) for one in values.values()), default=0)
        raise ClipError(
            f"good clips: expected at least {FEWEST} frames in which a part has been followed for "
            f"as long as the forecaster's past, got {most}; add good clips, or longer ones"
        )
    return known


def rarest(values: Mapping[str, float], tails: Mapping[str, Tail]) -> tuple[float, str]:
    """The kind of score that good footage shows most seldom, and how seldom in nats.

    Returns:
        0 and no name where nothing is known.
    """
    known = {
        name: tails[name].nats(value)
        for name, value in values.items()
        if name in tails and np.isfinite(value)
    }
    if not known:
        return 0.0, ""
    name = max(known, key=lambda one: known[one])
    return known[name], name


def running_mean(scores: Sequence[float], frames: int) -> NDArray[np.float64]:
    """Mean of each score and those before it, of so many frames at most.

    Example:
        >>> running_mean([3, 0, 0, 6], 3).tolist()
        [3.0, 1.5, 1.0, 2.0]
    """
    total = np.concatenate([[0.0], np.cumsum(np.asarray(scores, np.float64))])
    ends = np.arange(1, len(total))
    starts = np.maximum(0, ends - frames)
    means: NDArray[np.float64] = (total[ends] - total[starts]) / (ends - starts)
    return means
