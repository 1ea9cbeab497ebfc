"""The report's picture: what each arm with samples changes, and how sure that is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flawcast.flows.uplift.arms import ARMS

WIDTH, ROW, MARGIN, DPI = 8.0, 0.22, 1.4, 150  # inches: a row for each arm and K; pixels per inch


def draw_differences(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw differences in AUROC with intervals: a panel for each detector, a colour for each K.

    Args:
        rows: Rows of the report; only those with a difference are plotted.
        path: SVG file to write.
    """
    compared = [row for row in rows if "verdict" in row]
    numbers = sorted({row["k"] for row in compared})
    detectors: dict[str, list[str]] = {  # with the arms that each can tell apart
        detector: [name for name in ARMS if any(_is(row, detector, name) for row in compared)]
        for detector in sorted({row["detector"] for row in compared})
    }
    lines = [len(arms) for arms in detectors.values()] or [1]
    height = MARGIN * len(lines) + ROW * sum(lines) * max(1, len(numbers))
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False, height_ratios=lines)[:, 0]
    for panel, (detector, arms) in zip(panels, detectors.items(), strict=False):
        for number, k in enumerate(numbers):
            shift = (number - (len(numbers) - 1) / 2) * 0.7 / len(numbers)
            mine = [row for row in compared if (row["detector"], row["k"]) == (detector, k)]
            _draw_points(panel, mine, arms, shift, f"C{number}")
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_title(detector)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_yticks(range(len(arms)), arms)
        panel.invert_yaxis()
    panels[-1].set_xlabel("difference in AUROC")
    if detectors:
        panels[0].legend(frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    return path


def _is(row: dict[str, Any], detector: str, arm: str) -> bool:
    """Whether a row is of a detector and an arm."""
    return bool(row["detector"] == detector and row["arm"] == arm)


def _draw_points(
    panel: Axes, rows: Sequence[dict[str, Any]], arms: Sequence[str], shift: float, colour: str
) -> None:
    """Draw the differences of one detector at one K, each on its arm's line."""
    if not rows:
        return
    middles = [row["difference"] for row in rows]
    ends = [
        [row["difference"] - row["interval"][0] for row in rows],
        [row["interval"][1] - row["difference"] for row in rows],
    ]
    places = [arms.index(row["arm"]) + shift for row in rows]
    label = f"K = {rows[0]['k']}"
    panel.errorbar(middles, places, xerr=ends, fmt="o", capsize=3, color=colour, label=label)
