"""How early alarms come: detected defects, delay after their onset, lead before their worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from flawcast.selection.surprise.alarm_rate import rate_interval
from flawcast.selection.surprise.alarms import alarms_in

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Watched:
    """A stream that was scored, and what is true of it.

    Args:
        name: Its clip.
        label: What it shows.
        scores: Of every frame, (T,).
        wrong: Whether a frame shows something wrong, (T,).
        worst: Frame at which it is worst; None for good streams.
        fps: Frames per second.
        begun: First frame that can have a score; those before it count nowhere.
    """

    name: str
    label: str
    scores: Floats
    wrong: NDArray[np.bool_]
    worst: int | None
    fps: float
    begun: int = 0

    @property
    def onset(self) -> int | None:
        """First frame that shows something wrong."""
        return int(np.argmax(self.wrong)) if self.wrong.any() else None


@dataclass(frozen=True)
class Early:
    """Figures of a detector on labelled streams.

    Args:
        frames: AUROC over frames; nan without both kinds.
        clips: AUROC over clips, by their highest score, a defective one's from its onset on.
        events: Streams that show something wrong.
        detected: Those with an alarm at or after the onset.
        delays: Seconds from the onset to the first alarm after it, of those.
        leads: Seconds from that alarm to the frame at which it is worst; below 0 for later ones.
        before: Events whose first alarm began before the onset, up to a second: a lead or a chance.
        alarms: Alarms in good streams, and in others more than a second before the onset.
        hours: Length of that footage.
    """

    frames: float
    clips: float
    events: int
    detected: int
    delays: tuple[float, ...]
    leads: tuple[float, ...]
    before: int
    alarms: int
    hours: float

    @property
    def per_hour(self) -> float:
        """False alarms per hour."""
        return self.alarms / self.hours if self.hours else float("nan")

    @property
    def rate(self) -> tuple[float, float]:
        """The 95 % interval of the rate."""
        return rate_interval(self.alarms, self.hours) if self.hours else (0.0, float("inf"))


def early(streams: Sequence[Watched], threshold: float, quiet_seconds: float) -> Early:
    """Score a detector on labelled streams at a threshold.

    Args:
        streams: What was scored.
        threshold: Scores above it raise an alarm.
        quiet_seconds: So much time below it ends an alarm.
    """
    scored = [one.scores[one.begun :] for one in streams]
    truth = [one.wrong[one.begun :] for one in streams]
    delays, leads, before, alarms, seconds, events = [], [], 0, 0, 0.0, 0
    for one in streams:
        quiet = max(1, round(quiet_seconds * one.fps))
        found = alarms_in(one.scores[one.begun :], threshold, quiet)
        starts = np.array([alarm.start + one.begun for alarm in found], int)
        ends = np.array([alarm.end + one.begun for alarm in found], int)
        if one.onset is None:
            alarms += len(found)
            seconds += (len(one.scores) - one.begun) / one.fps
            continue
        events += 1
        seconds += max(0, one.onset - one.begun) / one.fps
        early_by = (one.onset - starts) / one.fps
        alarms += int((early_by > 1).sum())
        before += int(((early_by > 0) & (early_by <= 1)).any())
        after = np.maximum(starts[ends >= one.onset], one.onset)
        if len(after):
            delays.append(float(after[0] - one.onset) / one.fps)
            if one.worst is not None:
                leads.append(float(one.worst - after[0]) / one.fps)
    highest = np.array(
        [one.scores[max(one.begun, one.onset or 0) :].max(initial=0.0) for one in streams]
    )
    bad = np.array([one.onset is not None for one in streams])
    return Early(
        _auroc(np.concatenate(scored), np.concatenate(truth)),
        _auroc(highest, bad),
        events,
        len(delays),
        tuple(delays),
        tuple(leads),
        before,
        alarms,
        seconds / 3600,
    )


def _auroc(scores: Floats, wrong: NDArray[np.bool_]) -> float:
    """Area under the curve by ranks, for many frames; nan where only one kind is there."""
    if wrong.all() or not wrong.any():
        return float("nan")
    ranks = rankdata(scores)
    hits = int(wrong.sum())
    misses = len(scores) - hits
    return float((ranks[wrong].sum() - hits * (hits + 1) / 2) / (hits * misses))
