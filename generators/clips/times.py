"""When the frames of a clip were taken: variable rates, and gaps of motion-triggered cameras."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.window_lengths import WindowLengths

LONG_GAP = 10.0  # times the usual interval between two frames
GAP_SECONDS = 1.0
ALIKE = 0.2  # share by which intervals of one rate differ
SAME_RATE = 0.02  # a header's rate that is this close to the frames' is kept
LEAST_OFF, MOST_OFF = 0.1, 0.35  # shares by which a window may be longer or shorter than asked for
DROPPED = 1.05  # intervals: a window that lacks one frame is still used


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


def pieces_in_time(
    clip_times: Sequence[float] | NDArray[np.float64] | None,
    length: int,
    gaps: Sequence[int],
    lengths: WindowLengths,
) -> list[tuple[int, int]]:
    """Those stretches of a clip whose windows last as long as was asked for.

    A camera that slows down in dim light takes as many frames in twice the time. Where windows are
    asked for in frames, all stretches between pauses count.

    Args:
        clip_times: When its frames were taken, in seconds; None where that is not known.
        length: The number of its frames.
        gaps: Frames before which the camera paused.
        lengths: Frames of a window, and the seconds that were asked for.

    Example:
        >>> lengths = WindowLengths(past_seconds=0.2, future=2).model_copy(update={"past": 2})
        >>> pieces_in_time([0, 0.1, 0.2, 0.3, 0.4, 0.9, 1.4, 1.9, 2.4], 9, [], lengths)
        [(0, 6)]
    """
    pieces = pieces_of(length, gaps)
    parts = [
        (0, lengths.past, lengths.past_seconds),
        (lengths.past - 1, lengths.future, lengths.future_seconds),
    ]
    asked = [(first, count, seconds) for first, count, seconds in parts if seconds is not None]
    if not asked or clip_times is None:
        return pieces
    times, whole = np.asarray(clip_times, np.float64), lengths.past + lengths.future
    found: list[tuple[int, int]] = []
    for first, end in pieces:
        fits = np.ones(max(0, end - first - whole + 1), bool)
        for offset, count, seconds in asked:
            starts = first + offset + np.arange(len(fits))
            off = np.abs((times[starts + count] - times[starts]) / seconds - 1)
            fits &= off <= min(MOST_OFF, max(LEAST_OFF, DROPPED / count))
        runs = np.flatnonzero(np.diff(np.concatenate([[False], fits, [False]]).astype(int)))
        for begin, stop in runs.reshape(-1, 2).tolist():
            start = max(first + begin, found[-1][1] if found else 0)  # no frame is in two of them
            if first + stop - 1 + whole - start >= whole:
                found.append((start, first + stop - 1 + whole))
    return found
