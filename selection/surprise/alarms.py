"""Alarms: stretches of a stream whose score is above a threshold, as frames come."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """A stretch of frames that is surprising.

    Args:
        start: First frame above the threshold.
        peak: Frame of the highest score.
        end: Last frame above the threshold.
        score: The highest score.
    """

    start: int
    peak: int
    end: int
    score: float


class Alarms:
    """Joins frames above a threshold to alarms.

    Args:
        threshold: Scores above it raise an alarm.
        quiet: So many frames below it end the alarm.
    """

    def __init__(self, threshold: float, quiet: int) -> None:
        self.threshold, self.quiet = threshold, quiet
        self.current: Alarm | None = None

    def add(self, frame: int, score: float) -> Alarm | None:
        """Take the score of a frame; returns an alarm that has ended by it."""
        now = self.current
        if score > self.threshold:
            ended = None
            if now is not None and frame - now.end > self.quiet:  # frames were dropped
                ended, now = now, None
            if now is None:
                self.current = Alarm(frame, frame, frame, score)
            elif score > now.score:
                self.current = Alarm(now.start, frame, frame, score)
            else:
                self.current = Alarm(now.start, now.peak, frame, now.score)
            return ended
        if now is not None and frame - now.end >= self.quiet:
            return self.finish()
        return None

    def finish(self) -> Alarm | None:
        """End the alarm that goes on, if there is one."""
        ended, self.current = self.current, None
        return ended


def alarms_in(scores: Iterable[float], threshold: float, quiet: int) -> list[Alarm]:
    """The alarms of a whole stream.

    Example:
        >>> [alarm.start for alarm in alarms_in([0, 2, 0, 3, 0, 0, 0, 5], 1.0, 3)]
        [1, 7]
    """
    state, found = Alarms(threshold, quiet), []
    for frame, score in enumerate(scores):
        ended = state.add(frame, score)
        if ended is not None:
            found.append(ended)
    last = state.finish()
    return found if last is None else [*found, last]
