"""Distributions of the diversity-to-error ratio as density curves, a panel for each setting."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flawcast.selection.density import density, long_tail

COLUMNS, PANEL, DPI = 2, (4.6, 2.9), 120  # inches, pixels per inch

Ratios = Mapping[str, Sequence[float | None]]


def draw_ratio_densities(path: Path, panels: Mapping[str, Ratios]) -> Path:
    """Draw a density curve per forecaster in every panel, with a tick for each video.

    Args:
        path: The PNG to write.
        panels: By title, the ratios of each forecaster's videos; None where undefined.

    Returns:
        `path`.
    """
    columns = min(COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, ratios) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, title, ratios)
    figure.savefig(path, metadata={"Software": None})
    return path


def _draw_panel(axes: Axes, title: str, ratios: Ratios) -> None:
    """One setting: curves where there are enough values, ticks always."""
    shown = {
        name: [value for value in values if value is not None] for name, values in ratios.items()
    }
    highest = long_tail([value for values in shown.values() for value in values])
    for number, (name, values) in enumerate(shown.items()):
        colour = f"C{number}"
        curve = density(values, highest)
        beyond = sum(value > highest for value in values)
        label = f"{name} (n = {len(values)}" + (f", {beyond} beyond)" if beyond else ")")
        if curve is not None:
            axes.plot(curve.x, curve.y, color=colour, label=label)
        else:
            axes.plot([], [], color=colour, label=label)
        inside = [value for value in values if value <= highest]
        axes.plot(inside, [-0.03 * (number + 1)] * len(inside), "|", color=colour, markersize=7)
    axes.set(title=title, xlabel="standardised APD / standardised MAE", ylabel="density")
    axes.set_xlim(left=0)  # a kernel reaches below zero, a ratio does not
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
