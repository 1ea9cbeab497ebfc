"""Events of a watch: what was surprising, when, and which futures had been expected instead."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flawcast.configs.files import whole_file
from flawcast.flows.evaluation.watch.strips import draw_strip
from flawcast.flows.evaluation.watch.watcher import Forecast, Moment, Watcher
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.selection.surprise.alarms import Alarm, Alarms

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

LINES, TABLE = "events.jsonl", "events.parquet"
KEPT_SECONDS = 2.0  # of frames that a strip may show


@dataclass(frozen=True)
class Event:
    """Something that good footage would show less often than was asked for.

    Args:
        number: Counted from 1 in a folder.
        stream: Where it was seen.
        start: First frame above the threshold; peak and end likewise.
        peak: Frame of the highest score.
        end: Last frame above the threshold.
        start_seconds: Of the stream; peak and end likewise.
        peak_seconds: As above.
        end_seconds: As above.
        score: The highest score, in nats.
        threshold: What it exceeded.
        kind: What is surprising: density or energy (motion), picture, outline or pace.
        part: Which part; -1 for none.
        expected_from: The last frame that the futures beside it know; None without any.
        strip: File of its picture; None without one.
        keypoints: File with the futures' keypoints and those that happened; None without any.
    """

    number: int
    stream: str
    start: int
    peak: int
    end: int
    start_seconds: float
    peak_seconds: float
    end_seconds: float
    score: float
    threshold: float
    kind: str
    part: int
    expected_from: int | None
    strip: str | None
    keypoints: str | None


@dataclass
class _Pending:
    """An alarm that goes on, with what stands beside it."""

    moment: Moment
    forecast: Forecast | None
    frames: dict[int, Image] = field(default_factory=dict)
    happened: dict[int, Floats] = field(default_factory=dict)
    drawn: Image | None = None
    whole: bool = False


class EventFolder:
    """Writes events into a folder, each as soon as it has ended.

    Args:
        folder: Where; it is created. Events that are there are replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("event-[0-9]*"):
            path.unlink()
        (folder / LINES).write_text("")
        self.events: list[Event] = []

    def add(self, event: Event, strip: Image | None, arrays: dict[str, Any]) -> Event:
        """Write an event with its picture and its keypoints."""
        name = f"event-{event.number:04d}"
        if strip is not None:
            with whole_file(self.folder / f"{name}.png") as draft:
                cv2.imwrite(str(draft), strip[..., ::-1])
        if arrays:
            with whole_file(self.folder / f"{name}.npz") as draft:
                np.savez_compressed(draft, **arrays)
        with (self.folder / LINES).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(event)) + "\n")
        self.events.append(event)
        return event

    def finish(self) -> None:
        """Write all events as one table."""
        if self.events:
            table = pa.Table.from_pylist([asdict(event) for event in self.events])
            with whole_file(self.folder / TABLE) as draft:
                pq.write_table(table, draft)
        else:
            (self.folder / TABLE).unlink(missing_ok=True)


class StreamEvents:
    """Finds the events of one stream as its frames are scored.

    Args:
        name: Of the stream.
        fps: Frames per second.
        watcher: Watches it.
        threshold: Scores above it raise an alarm.
        folder: Where events are written.
        on_event: Called with each.
    """

    def __init__(
        self,
        name: str,
        fps: float,
        watcher: Watcher,
        threshold: float,
        folder: EventFolder,
        on_event: Callable[[Event], None],
    ) -> None:
        self.name, self.fps, self.watcher = name, fps, watcher
        quiet = max(1, round(watcher.settings.quiet_seconds * fps))
        self._alarms = Alarms(threshold, quiet)
        self._folder, self._on_event = folder, on_event
        kept = max(round(KEPT_SECONDS * fps), 4 * (watcher.settings.past + watcher.settings.future))
        self._frames: deque[tuple[int, Image]] = deque(maxlen=kept)
        self._pending: _Pending | None = None

    def add(self, number: int, frame: Image, moments: list[Moment]) -> None:
        """Take a frame and what is said since the last one."""
        self._frames.append((number, frame))
        for moment in moments:
            ended = self._alarms.add(moment.frame, moment.score)
            if ended is not None:
                self._write(ended)
            current = self._alarms.current
            if current is None:
                continue
            if self._pending is None:
                self._pending = _Pending(moment, self._forecast_before(moment))
            elif moment.score >= current.score:
                self._pending.moment = moment
        if self._pending is not None and not self._pending.whole:
            self._look(self._pending, number)

    def finish(self) -> None:
        """End an alarm that goes on."""
        ended = self._alarms.finish()
        if ended is not None:
            self._write(ended)

    def _forecast_before(self, moment: Moment) -> Forecast | None:
        """The futures that were expected when an alarm begins: of its part, else of any."""
        reach = self.watcher.settings.future
        smooth = self.watcher.settings.smooth
        known = [
            one
            for one in self.watcher.forecasts
            if one.frame < moment.frame <= one.frame + reach + smooth
        ]
        own = [one for one in known if one.part == moment.part]
        earlier = [one for one in own if one.frame <= moment.frame - smooth]
        for some in (earlier, own, known):
            if some:
                return some[-1]
        return None

    def _look(self, pending: _Pending, number: int) -> None:
        """Keep the frames and keypoints that a strip shows, and draw it once they are all there."""
        forecast = pending.forecast
        if forecast is None:
            pending.whole = True
            return
        last = forecast.frame + self.watcher.settings.future
        memory = self.watcher.memories.get(forecast.part)
        if memory is not None:
            both = zip(memory.frames, memory.vectors, strict=True)
            pending.happened |= {at: one for at, one in both if forecast.frame <= at <= last}
        if number >= last:
            self._draw(pending)

    def _draw(self, pending: _Pending) -> None:
        """Draw what is known by now."""
        pending.whole = True
        forecast = pending.forecast
        if forecast is not None:
            last = forecast.frame + self.watcher.settings.future
            frames = {at: one for at, one in self._frames if forecast.frame <= at <= last}
            sight = self.watcher.sight
            background = sight.background()
            pending.drawn = draw_strip(frames, pending.happened, forecast, sight, background)

    def _write(self, alarm: Alarm) -> None:
        """Write an alarm that has ended."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if not pending.whole:
            self._draw(pending)
        forecast, number = pending.forecast, len(self._folder.events) + 1
        arrays: dict[str, Any] = {}
        if forecast is not None:
            numbers = sorted(pending.happened)
            arrays = {"expected": forecast.futures, "expected_from": np.array(forecast.frame)}
            arrays["happened_frames"] = np.array(numbers, int)
            if numbers:
                arrays["happened"] = np.stack([pending.happened[at] for at in numbers])
        name = f"event-{number:04d}"
        event = Event(
            number=number,
            stream=self.name,
            start=alarm.start,
            peak=alarm.peak,
            end=alarm.end,
            start_seconds=round(alarm.start / self.fps, 3),
            peak_seconds=round(alarm.peak / self.fps, 3),
            end_seconds=round(alarm.end / self.fps, 3),
            score=round(alarm.score, 3),
            threshold=round(self._alarms.threshold, 3),
            kind=pending.moment.kind,
            part=pending.moment.part,
            expected_from=None if forecast is None else forecast.frame,
            strip=None if pending.drawn is None else f"{name}.png",
            keypoints=f"{name}.npz" if arrays else None,
        )
        self._on_event(self._folder.add(event, pending.drawn, arrays))
