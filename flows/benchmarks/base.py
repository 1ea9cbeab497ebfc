"""What every benchmark is asked and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flawcast.configs.errors import SettingsError
from flawcast.configs.registry import Registry
from flawcast.flows.markdown import markdown_table
from flawcast.flows.pictures.curves import Points, draw_curves

OnDone = Callable[[int, int], None]
Row = Mapping[str, str | float | int]


@dataclass(frozen=True)
class BenchmarkRequest:
    """What a benchmark is asked.

    Args:
        model: Model folder, or name of a shipped model.
        clips_per_state: Clips of the built-in line, of each state.
        seed: Decides the clips; none of them is one that the shipped models have seen.
        samples: Futures drawn per clip, where a benchmark draws any; a fifth of them is kept.
        repeats: How often each way of doing a thing is timed.
        clips: Real clips for what depends on content (store, loader); None for the built-in line.
    """

    model: str = "line-128"
    clips_per_state: int = 4
    seed: int = 77
    samples: int = 100
    repeats: int = 5
    clips: Path | None = None


@dataclass(frozen=True)
class Report:
    """A table of figures.

    Args:
        title: What was measured, on what.
        rows: Figures by column; the first column says what a row is of.
        note: How to read them.
        curves: Points (x, y) by name, for a plot; empty where there is nothing to plot.
        axes: What x and y are.
    """

    title: str
    rows: tuple[Row, ...]
    note: str = ""
    curves: Mapping[str, Points] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")

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
        return {"title": self.title, "rows": [dict(row) for row in self.rows], "note": self.note}

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title=self.title, caption=self.note or None)
        for index, column in enumerate(self.rows[0]):
            table.add_column(column, justify="left" if index == 0 else "right")
        for row in self.rows:
            table.add_row(*map(_shown, row.values()))
        console.print(table)


def _shown(value: str | float | int) -> str:
    """A figure with three places at most, fewer where they say nothing."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3f}"


BENCHMARKS: Registry[Callable[[BenchmarkRequest, OnDone], Report]] = Registry(
    "benchmark", "flawcast.flows.benchmarks"
)
