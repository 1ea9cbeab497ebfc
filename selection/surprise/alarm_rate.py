"""From a number of false alarms per hour to a threshold, and how far good footage tells it.

A rate that good footage shows often enough is counted. A smaller one is extrapolated: peaks above a
high level are taken to fall off exponentially.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from flawcast.configs.errors import SettingsError
from flawcast.selection.surprise.alarms import alarms_in

Floats = NDArray[np.floating]

LEVEL = 0.9  # quantile of good scores above which peaks are taken
FEWEST_COUNTED = 5  # alarms that the footage must show for a rate to be counted
RESAMPLES = 500
LIKELY = (0.025, 0.975)


@dataclass(frozen=True)
class Threshold:
    """At which score to raise an alarm, and how well that is known.

    Args:
        score: The threshold.
        low: Lower end of its 95 % interval; at it, false alarms may be more frequent.
        high: Upper end.
        per_hour: The rate that was asked for.
        hours: Good footage that it rests on.
        counted: Whether the footage shows the rate; otherwise it is extrapolated.
        alarms: Alarms that this footage has at the threshold.
    """

    score: float
    low: float
    high: float
    per_hour: float
    hours: float
    counted: bool
    alarms: int

    def words(self) -> str:
        """What a user must know of it, in one sentence."""
        minutes = self.hours * 60
        length = f"{minutes:.1f} minutes" if minutes >= 1 else f"{minutes * 60:.0f} seconds"
        lowest, highest = rate_interval(self.alarms, self.hours)
        seen = (
            f"threshold {self.score:.2f} ({self.low:.2f} to {self.high:.2f}) for "
            f"{self.per_hour:g} false alarms per hour, from {length} of good footage"
        )
        rate = f"{self.alarms} alarms in it: between {lowest:.2g} and {highest:.2g} per hour"
        if self.counted:
            return f"{seen}, counted; {rate}"
        enough = FEWEST_COUNTED / self.per_hour
        return (
            f"{seen}: too little to count such a rate, so it is extrapolated ({rate}); "
            f"counting takes {enough:.3g} hours of good footage"
        )


@dataclass(frozen=True)
class Peaks:
    """What good footage shows of high scores.

    Args:
        level: Peaks above it are kept.
        heights: Highest score of every stretch above it, by stream.
        hours: Length of the footage.
    """

    level: float
    heights: tuple[tuple[float, ...], ...]
    hours: float

    @staticmethod
    def of(streams: Sequence[Floats], fps: Sequence[float], quiet_seconds: float) -> "Peaks":
        """Peaks of good streams, each the scores of its frames.

        Args:
            streams: Scores, (T,) each.
            fps: Frames per second of each.
            quiet_seconds: As for alarms.
        """
        level = float(np.quantile(np.concatenate(list(streams)), LEVEL))
        heights = []
        for scores, rate in zip(streams, fps, strict=True):
            quiet = max(1, round(quiet_seconds * rate))
            heights.append(tuple(one.score for one in alarms_in(scores, level, quiet)))
        seconds = sum(len(one) / rate for one, rate in zip(streams, fps, strict=True))
        return Peaks(level, tuple(heights), seconds / 3600)

    def threshold(self, per_hour: float, seed: int = 0) -> Threshold:
        """The score that good footage exceeds so many times per hour.

        Its interval comes from resampling the streams, or the peaks where there is one stream.

        Raises:
            SettingsError: If the rate is not positive, or no peak is known.
        """
        if not per_hour > 0:
            raise SettingsError(
                f"false-alarms-per-hour: expected a rate above 0, got {per_hour}; take 1"
            )
        every = np.sort(np.concatenate([np.asarray(one, np.float64) for one in self.heights]))
        if not len(every) or not self.hours:
            raise SettingsError(
                "good footage: expected some scores that rise above others, found none; "
                "calibrate with longer clips in which parts move"
            )
        counted = per_hour * self.hours >= FEWEST_COUNTED
        score = _score_of(every, self.level, self.hours, per_hour, counted)
        rng = np.random.default_rng(seed)
        groups = [np.asarray(one, np.float64) for one in self.heights]
        if len(groups) < 8:
            groups = [every[index : index + 1] for index in range(len(every))]
        drawn = []
        for _ in range(RESAMPLES):
            some = np.sort(
                np.concatenate(
                    [groups[index] for index in rng.integers(0, len(groups), len(groups))]
                )
            )
            if len(some):
                drawn.append(_score_of(some, self.level, self.hours, per_hour, counted))
        low, high = np.quantile(drawn, LIKELY)
        alarms = int((every > score).sum())
        return Threshold(score, float(low), float(high), per_hour, self.hours, counted, alarms)


def rate_interval(alarms: int, hours: float) -> tuple[float, float]:
    """Alarms per hour that a count is compatible with, at 95 %.

    Reference:
        Garwood, 1936, "Fiducial limits for the Poisson distribution"

    Example:
        >>> low, high = rate_interval(0, 1.0)
        >>> low, round(high, 1)
        (0.0, 3.7)
    """
    low = chi2.ppf(LIKELY[0], 2 * alarms) / 2 if alarms else 0.0
    return float(low / hours), float(chi2.ppf(LIKELY[1], 2 * alarms + 2) / 2 / hours)


def _score_of(peaks: Floats, level: float, hours: float, per_hour: float, counted: bool) -> float:
    """The score that peaks, ascending, exceed so many times per hour."""
    allowed = per_hour * hours
    if counted:
        kept = min(len(peaks), int(allowed))
        return float(peaks[-kept - 1]) if kept < len(peaks) else level
    slope = max(float((peaks - level).mean()), 1e-6)
    return level + slope * max(0.0, float(np.log(len(peaks) / allowed)))
