"""What every benchmark is asked and answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from flawcast.configs.errors import SettingsError
from flawcast.configs.registry import Registry
from flawcast.flows.markdown import markdown_table
from flawcast.flows.pictures.curves import Points, draw_curves

OnDone = Callable[[int, int], None]
Row = Mapping[str, str | float | int]
WIDEST = 40  # characters of a column before its text is wrapped
FRAME = 3  # characters around the text of a column


@dataclass(frozen=True)
class BenchmarkRequest:
    """What a benchmark is asked.

    Args:
        model: Model folder, or name of a shipped model.
        clips_per_state: Clips of the built-in line, of each state.
        seed: Decides the clips; none of them is one that the shipped models have seen.
        samples: Futures drawn per clip, where a benchmark draws any; a fifth of them is kept.
        repeats: How often each way of doing a thing is timed.
        clips: Real clips for what depends on content (store, loader, detail); None for the
            built-in line.
        pictures: Folder for pictures, where a benchmark draws any (detail); None for no pictures.
        device: Where render, sample, pipeline and realtime compute: "cpu", or a GPU.
    """

    model: str = "line-128"
    clips_per_state: int = 4
    seed: int = 77
    samples: int = 100
    repeats: int = 5
    clips: Path | None = None
    pictures: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Report:
    """A table of figures.

    Args:
        title: What was measured, on what.
        rows: Figures by column; the first column says what a row is of.
        note: How to read them.
        curves: Points (x, y) by name, for a plot; empty where there is nothing to plot.
        axes: What x and y are.
        headlines: Figures for the table of all machines, by name; empty for how many times as fast
            the ways are whose names begin with "ours".
    """

    title: str
    rows: tuple[Row, ...]
    note: str = ""
    curves: Mapping[str, Points] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")
    headlines: Mapping[str, float] = field(default_factory=dict)

    def plot(self, path: Path) -> Path:
        """Draw the curves as SVG.

        Raises:
            SettingsError: If the benchmark has none.
        """
        if not self.curves:
            raise SettingsError(
                "plot: expected a benchmark with curves, such as budget, this one has a table "
                "alone; leave --plot out"
            )
        return draw_curves(path, self.curves, self.title, *self.axes)

    def markdown(self) -> str:
        """The table for a document."""
        cells = [list(map(_shown, row.values())) for row in self.rows]
        table = markdown_table(list(self.rows[0]), cells)
        lines = [f"### {self.title}", "", *table, "", self.note]
        return "\n".join(lines).rstrip() + "\n"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        values = {"title": self.title, "rows": [dict(row) for row in self.rows], "note": self.note}
        return {**values, "headlines": dict(self.headlines)} if self.headlines else values

    def show(self, console: Console) -> None:
        """Print the table, in several pieces where it is wider than the console."""
        pieces = list(self._pieces(console.width))
        for piece in pieces:
            table = Table(
                title=self.title if piece is pieces[0] else None,
                caption=self.note or None if piece is pieces[-1] else None,
            )
            for index, column in enumerate(piece):
                justify: Literal["left", "right"] = "left" if index == 0 else "right"
                width = None if len(pieces) == 1 else self._width(column) - FRAME
                table.add_column(column, justify=justify, width=width)
            for row in self.rows:
                table.add_row(*(_shown(row[column]) for column in piece))
            console.print(table)

    def _pieces(self, room: int) -> Iterator[list[str]]:
        """Columns that stand side by side in so many characters, the first one in each piece."""
        first, *others = self.rows[0]
        piece, used = [first], 1 + self._width(first)
        for column in others:
            if len(piece) > 1 and used + self._width(column) > room:
                yield piece
                piece, used = [first], 1 + self._width(first)
            piece.append(column)
            used += self._width(column)
        yield piece

    def _width(self, column: str) -> int:
        """Characters that a column needs; sentences are wrapped."""
        words = [*column.split(), *(_shown(row[column]) for row in self.rows)]
        return min(WIDEST, max(map(len, words))) + FRAME


def _shown(value: str | float | int) -> str:
    """A figure with three places at most, fewer where they say nothing."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3f}"


Measure = Callable[[BenchmarkRequest, OnDone], Report]
BENCHMARKS: Registry[Measure] = Registry("benchmark", "flawcast.flows.benchmarks")


def alone(reason: str) -> Callable[[Measure], Measure]:
    """Leave a benchmark out of `--all`, which measures what a machine is quick at.

    Args:
        reason: Why, for people who read the code.
    """

    def mark(measure: Measure) -> Measure:
        measure.alone = reason  # type: ignore[attr-defined]
        return measure

    return mark


def subjects_of_all() -> list[str]:
    """Subjects of `--all`: all that are registered, unless they are marked with `alone`."""
    return [name for name in BENCHMARKS.names() if not hasattr(BENCHMARKS[name], "alone")]
