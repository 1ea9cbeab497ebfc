"""`flawcast watch`: score streams as their frames come, and write what is surprising."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.configs.errors import ClipError, SettingsError
from flawcast.flows.evaluation.watch.calibration import Calibration
from flawcast.flows.evaluation.watch.events import Event, EventFolder, StreamEvents
from flawcast.flows.evaluation.watch.fitting import load_watch
from flawcast.flows.evaluation.watch.page import write_page
from flawcast.flows.evaluation.watch.sights import sight_of
from flawcast.flows.evaluation.watch.watcher import Watcher
from flawcast.generators.clips.streams import Stream, streams_of
from flawcast.generators.model import Model
from flawcast.selection.surprise.alarm_rate import Threshold

Say = Callable[[str], None]
OnEvent = Callable[[Event], None]


@dataclass
class Summary:
    """What a watch has seen.

    Args:
        threshold: At which score it raised an alarm.
        streams: How many streams were scored.
        frames: How many frames were scored.
        dropped: Frames of cameras that came faster than they could be scored.
        followed: Frames in which a part was followed.
        seconds: How long the footage lasts.
        milliseconds: Time for each frame, of this process alone.
        refused: Streams that could not be watched, with the reason.
        events: How many events there were.
        page: The page about them; None before it is written.
    """

    threshold: Threshold
    streams: int = 0
    frames: int = 0
    dropped: int = 0
    followed: int = 0
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    events: int = 0
    page: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        threshold = vars(self.threshold) | {"words": self.threshold.words()}
        values = {**vars(self), "threshold": threshold}
        del values["milliseconds"]
        return values | {"milliseconds_per_frame": self.cost()}

    def cost(self) -> dict[str, float] | None:
        """Median and 95 % quantile of the time for a frame, and its longest, in milliseconds."""
        if not self.milliseconds:
            return None
        middle, upper = np.quantile(self.milliseconds, [0.5, 0.95])
        longest = max(self.milliseconds)
        return {"p50": round(middle, 1), "p95": round(upper, 1), "longest": round(longest, 1)}

    def lines(self) -> list[str]:
        """What a user reads at the end."""
        cost = self.cost()
        speed = (
            f"; {cost['p50']} ms a frame (95 %: {cost['p95']}, longest: {cost['longest']})"
            if cost
            else ""
        )
        said = [
            f"{self.events} events in {self.seconds:.1f} s of {self.streams} streams, "
            f"{self.frames} frames, {self.followed} with a part that is followed, "
            f"{self.dropped} dropped{speed}"
        ]
        if self.frames and not self.followed:
            said.append("no part could be followed: nothing of this footage was really watched")
        if self.page is not None:
            said.append(f"page: {self.page}")
        return said


def watch(
    source: str,
    folder: Path,
    out: Path,
    per_hour: float,
    seed: int = 0,
    say: Say = lambda line: None,
    on_event: OnEvent = lambda event: None,
) -> Summary:
    """Watch a source until it ends, or until this process is interrupted.

    Events are written as they end. The page is written at the end, however it comes.

    Args:
        source: Camera, address, `-`, file or folder; see `streams_of`.
        folder: A model that was calibrated on good clips.
        out: Folder for events and their page.
        per_hour: False alarms per hour.
        seed: Decides the futures.
        say: Takes lines for people.
        on_event: Called with each event.

    Raises:
        ClipError: If the source cannot be opened, no stream of it can be watched, or a camera is
            lost.
        ModelError: If the model is not calibrated.
    """
    model, calibration = load_watch(folder)
    threshold = calibration.of_good().threshold(per_hour)
    _expect_reachable(threshold)
    say(threshold.words())
    streams = streams_of(source, lambda reject: say(f"left out: {reject.name}: {reject.reason}"))
    first = next(streams)  # a source that is not there is refused before a folder is written
    events, summary = EventFolder(out), Summary(threshold)
    stream: Stream | None = first
    try:
        while stream is not None:
            try:
                _watch_stream(stream, model, calibration, summary, events, seed, on_event)
            except ClipError as error:
                if stream.live:
                    raise
                summary.refused.append(_named(stream.name, error))
                say(f"not watched to its end: {_named(stream.name, error)}")
            stream = _next(streams, summary, say)
        if summary.refused and not summary.frames:
            raise ClipError(
                f"{source}: expected a stream that can be watched, found none: {summary.refused[0]}"
            )
    finally:
        summary.events = len(events.events)
        events.finish()
        summary.page = str(write_page(out, events.events, _facts(source, folder, summary)))
    return summary


def _next(streams: Any, summary: Summary, say: Say) -> Stream | None:
    """The next stream that can be opened; None after the last."""
    while True:
        try:
            stream: Stream | None = next(streams, None)
        except ClipError as error:
            summary.refused.append(str(error))
            say(f"not watched: {error}")
            return None
        return stream


def _watch_stream(
    stream: Stream,
    model: Model,
    calibration: Calibration,
    summary: Summary,
    events: EventFolder,
    seed: int,
    on_event: OnEvent,
) -> None:
    """Watch one stream to its end."""
    sight = sight_of(model, calibration.settings)
    predictor = model.predictor
    watcher = Watcher(sight, predictor, calibration.settings, calibration, seed=seed)
    found = StreamEvents(
        stream.name, stream.fps, watcher, summary.threshold.score, events, on_event
    )
    counted = False
    try:
        for number, frame in stream.frames():
            began = time.process_time()
            small = sight.shape(frame)
            moments = watcher.see(number, small)
            found.add(number, small, moments)
            if len(moments) == 1:
                summary.milliseconds.append(1000 * (time.process_time() - began))
            summary.streams += not counted
            counted = True
            summary.frames += len(moments)
            summary.followed += sum(one.followed > 0 for one in moments)
            summary.seconds += 1 / stream.fps
            summary.dropped = stream.dropped
    finally:
        found.finish()


def _expect_reachable(threshold: Threshold) -> None:
    """Refuse a threshold that no score exceeds.

    Raises:
        SettingsError: If it is not finite.
    """
    if not np.isfinite(threshold.score):
        raise SettingsError(
            f"false-alarms-per-hour: expected a rate that the good footage tells, got "
            f"{threshold.per_hour:g}; raise it, or calibrate with more footage"
        )


def _named(name: str, error: ClipError) -> str:
    """An error with the stream's name in it."""
    return str(error) if name in str(error) else f"{name}: {error}"


def _facts(source: str, folder: Path, summary: Summary) -> dict[str, Any]:
    """What stands above the events."""
    cost = summary.cost()
    return {
        "source": source,
        "model": folder,
        "threshold": summary.threshold.words(),
        "footage": f"{summary.seconds:.1f} s, {summary.frames} frames scored, "
        f"{summary.followed} with a part that is followed, {summary.dropped} dropped",
        "time for a frame": "" if cost is None else f"{cost['p50']} ms, 95 %: {cost['p95']} ms",
        "not watched": "; ".join(summary.refused) or "none",
    }
