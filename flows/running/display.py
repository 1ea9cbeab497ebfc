"""The display of a running job: bars with rates and time left, one line per set."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flawcast.flows.running.logs import log

if TYPE_CHECKING:  # bars work without Ray and torch, too
    from flawcast.generators.clips import Reject


LOGGED_STEPS = 20  # lines that something long leaves in a log for programs, at most


class ShardLike(Protocol):
    """What the display needs to know of a shard."""

    @property
    def number(self) -> int:
        """Counted from 1."""

    @property
    def plans(self) -> Sequence[object]:
        """Its sets."""


class Rate(ProgressColumn):
    """Rate per second, or per minute if that is less than one.

    Args:
        what: The unit, with a space before it; empty if the bar names it.
    """

    def __init__(self, what: str = "") -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        """The rate of a bar; empty until it is known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        amount, unit = (speed, "s") if speed >= 1 else (speed * 60, "min")
        return Text(f"{amount:.1f}{self._what}/{unit}", "progress.data.speed")


class Display:
    """Progress on a console; on a pipe only the lines remain.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @staticmethod
    def silent() -> "Display":
        """A display that shows nothing."""
        return Display(Console(quiet=True))

    def say(self, line: str) -> None:
        """Show a line."""
        log(line)
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def reading(self) -> Iterator[Callable[[str], None]]:
        """Show the clip being read; yields a function that takes its name."""
        with self._bars(SpinnerColumn(), TextColumn("{task.description}", markup=False)) as bars:
            task = bars.add_task("reading clips", total=None)
            count = 0

            def on_clip(name: str) -> None:
                nonlocal count
                count += 1
                bars.update(task, description=f"reading clips: {count}, {name}")

            yield on_clip

    @contextmanager
    def making(
        self, shards: Sequence[ShardLike], samples: int
    ) -> Iterator[Callable[[object], None]]:
        """Show all sets and each shard, counted in rendered futures; yields the event receiver."""
        from flawcast.flows.running.progress import FuturesDone, SetDone, SetLeftOut

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[sets]}"),
            TextColumn("{task.percentage:>3.0f} %"),
            Rate(" futures"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with self._bars(*columns) as bars:
            wanted = {shard.number: len(shard.plans) for shard in shards}
            # Sets by id: a shard that is tried again reports sets that it made before.
            done: dict[int, set[str]] = {number: set() for number in wanted}
            ahead = dict.fromkeys(wanted, ("", 0))  # each shard's current set, and its futures
            total = sum(wanted.values())
            overall = bars.add_task(
                "starting workers", total=total * samples, sets=f"0/{total} sets"
            )
            tasks = {
                number: bars.add_task(
                    f"  shard {number}",
                    total=count * samples,
                    sets=f"0/{count} sets",
                    visible=False,
                )
                for number, count in wanted.items()
            }

            def on_event(event: object) -> None:
                if isinstance(event, FuturesDone):
                    ahead[event.shard] = event.set_id, event.futures
                elif isinstance(event, SetDone):
                    done[event.shard].add(event.set_id)
                    bars.console.print(event.line, highlight=False, markup=False, soft_wrap=True)
                elif isinstance(event, SetLeftOut):
                    done[event.shard].add(event.set_id)
                    line = f"left out: {event.name}: {event.reason}"
                    bars.console.print(line, highlight=False, markup=False, soft_wrap=True)
                behind = {
                    number: len(done[number]) * samples + (0 if at in done[number] else futures)
                    for number, (at, futures) in ahead.items()
                }
                for number, task in tasks.items():
                    bars.update(
                        task,
                        completed=behind[number],
                        sets=f"{len(done[number])}/{wanted[number]} sets",
                        visible=len(done[number]) < wanted[number] and behind[number] > 0,
                    )
                bars.update(
                    overall,
                    description="all sets",
                    completed=sum(behind.values()),
                    sets=f"{sum(map(len, done.values()))}/{total} sets",
                )

            yield on_event

    @contextmanager
    def training(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Show steps of a training with its losses; yields a function of (step, losses)."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        with self._bars(*columns) as bars:
            task = bars.add_task(what, total=total, losses="")

            def on_step(step: int, losses: str) -> None:
                part, before = (count * LOGGED_STEPS // total for count in (step, step - 1))
                if part > before:
                    log(f"{what}: {step} of {total}; {losses}", stage=what, done=step, total=total)
                bars.update(task, completed=step, losses=losses)

            yield on_step

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show how much of one long thing is done; yields a function of (done, total)."""
        with self.stages() as on_done:
            yield lambda done, total: on_done(what, done, total)

    @contextmanager
    def stages(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show a bar for each stage of a job; yields a function of (stage, done, total)."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with self._bars(*columns) as bars:
            tasks: dict[str, TaskID] = {}
            logged: dict[str, int] = {}

            def on_done(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(stage, total=total)
                part = done * LOGGED_STEPS // max(1, total)
                if logged.get(stage, -1) < part:
                    log(f"{stage}: {done} of {total}", stage=stage, done=done, total=total)
                logged[stage] = part
                bars.update(tasks[stage], completed=done, total=total)

            yield on_done

    def left_out(self, reject: "Reject") -> None:
        """Show a clip that is left out, and the reason."""
        line = f"left out: {reject.name}: {reject.reason}"
        log(line, logging.WARNING)
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def note(self, note: "Reject") -> None:
        """Show what people should know of how a clip was read."""
        line = f"note: {note.name}: {note.reason}"
        log(line)
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _bars(self, *columns: object) -> Progress:
        """Bars that vanish when done and leave the lines; a pipe gets the lines alone."""
        return Progress(
            *columns,  # type: ignore[arg-type]
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
