"""Warnings about a nightly run that is late, empty, or unlike the runs before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from pydantic import Field

from flawcast.configs.settings import Settings

EARLIER = 3  # smallest number of earlier runs to compare a run with


class AlarmSettings(Settings):
    """When a run is worth a warning.

    Args:
        late_minutes: Minutes after its time from which a run that starts is late.
        empty: Whether a run that wrote nothing is worth a warning; every run that finds no new
            clips is such a run.
        drift: Relative difference from the last runs' median from which error or diversity has
            drifted.
        last_runs: How many earlier runs to compare with.
    """

    late_minutes: float = Field(30, gt=0)
    empty: bool = False
    drift: float = Field(0.5, gt=0)
    last_runs: int = Field(7, ge=EARLIER)


@dataclass(frozen=True)
class RunFigures:
    """Mean scores of the sets that one run wrote, on the [0, 1] pixel scale.

    Args:
        run_id: The run.
        sets: How many sets.
        mae: Mean error of the kept videos.
        apd: Mean diversity of the kept videos.
    """

    run_id: str
    sets: int
    mae: float
    apd: float


@dataclass(frozen=True)
class Alarm:
    """A warning.

    Args:
        kind: "late", "empty", "error-drift" or "diversity-drift".
        message: The warning in one line.
    """

    kind: str
    message: str


def lateness(scheduled: datetime | None, started: datetime, settings: AlarmSettings) -> list[Alarm]:
    """Warn if a run started long after its time."""
    if scheduled is None or started - scheduled <= timedelta(minutes=settings.late_minutes):
        return []
    minutes = (started - scheduled).total_seconds() / 60
    return [
        Alarm(
            "late",
            f"started {minutes:.0f} minutes after its time; see whether the machine was off or an "
            "earlier run was still at work",
        )
    ]


def unlike_the_last(
    run: RunFigures | None, earlier: Sequence[RunFigures], settings: AlarmSettings
) -> list[Alarm]:
    """Warn if a run wrote nothing, or its error or diversity is far from the last runs' median.

    Args:
        run: What the run wrote; None for nothing.
        earlier: Runs before it, the last first.
        settings: The limits.
    """
    if run is None:
        if not settings.empty:
            return []
        return [Alarm("empty", "no set was written; see whether new clips have come in")]
    last = list(earlier[: settings.last_runs])
    if len(last) < EARLIER:
        return []
    figures = (
        ("error-drift", "MAE", run.mae, median(other.mae for other in last)),
        ("diversity-drift", "APD", run.apd, median(other.apd for other in last)),
    )
    return [
        Alarm(
            kind,
            f"{name} {now:.4f} where the last {len(last)} runs had {usual:.4f} (median); "
            "look at the contact sheet and at what the clips show",
        )
        for kind, name, now, usual in figures
        if abs(now - usual) > settings.drift * usual
    ]
