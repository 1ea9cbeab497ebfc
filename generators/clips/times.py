"""When the frames of a clip were taken: variable rates, and gaps of motion-triggered cameras."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LONG_GAP = 10.0  # times the usual interval between two frames
GAP_SECONDS = 1.0
ALIKE = 0.2  # share by which intervals of one rate differ
SAME_RATE = 0.02  # a header's rate that is this close to the frames' is kept


def rate_of(times: Sequence[float], declared: float) -> float:
    """Frames per second: the declared rate, unless the frames themselves say another.

    Args:
        times: When each frame is shown, in seconds.
        declared: The rate of the header, or the usual one.

    Example:
        >>> rate_of([0, 0.5, 1.0, 61.0, 61.5], 25), rate_of([0.0], 25)
        (2.0, 25)
    """
    intervals = np.diff(np.asarray(times, np.float64))
    intervals = intervals[intervals > 0]
    if not len(intervals):
        return declared
    if declared and len(intervals) == len(times) - 1:
        mean = float(times[-1] - times[0]) / len(intervals)
        # A rate that jitters, as in a Matroska file, is the declared one.
        if abs(1 / mean / declared - 1) < SAME_RATE and not len(gaps_of(times)):
            return declared
    usual = float(np.median(intervals))
    alike = intervals[np.abs(intervals / usual - 1) < ALIKE]  # containers round to milliseconds
    rate = 1 / float(alike.mean())
    return round(rate, 3) if rate > 1 else round(rate, 6)


def gaps_of(times: Sequence[float]) -> NDArray[np.int64]:
    """Numbers of the frames before which a camera paused.

    Example:
        >>> gaps_of([0, 0.1, 0.2, 60.0, 60.1]).tolist()
        [3]
    """
    intervals = np.diff(np.asarray(times, np.float64))
    if not len(intervals):
        return np.zeros(0, np.int64)
    usual = float(np.median(intervals))
    found: NDArray[np.int64] = np.flatnonzero(
        (intervals > LONG_GAP * usual) & (intervals > GAP_SECONDS)
    )
    return found + 1


def pieces_of(length: int, gaps: Sequence[int]) -> list[tuple[int, int]]:
    """Start and end of the stretches of a clip that no gap divides.

    Example:
        >>> pieces_of(10, [4])
        [(0, 4), (4, 10)]
    """
    bounds = [0, *sorted(gap for gap in gaps if 0 < gap < length), length]
    return list(pairwise(bounds))
