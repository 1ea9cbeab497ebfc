"""Curves as a picture: a few lines over one axis, for documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from flawcast.configs.errors import SettingsError

SIZE, DPI = (7.2, 4.0), 150  # inches, pixels per inch
Points = Sequence[tuple[float, float]]


def draw_curves(path: Path, curves: Mapping[str, Points], title: str, x: str, y: str) -> Path:
    """Draw curves with their points; both axes begin at 0 and are linear.

    Args:
        path: The file to write; its suffix says the format (svg, png or pdf).
        curves: Points (x, y) by name, at least one each, none negative.
        title: Above the picture.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.

    Returns:
        `path`.

    Raises:
        SettingsError: If there is nothing to draw, or the suffix is unknown.
    """
    if not curves or not all(curves.values()):
        raise SettingsError("curves: expected at least one point of each curve, got none")
    if path.suffix not in {".svg", ".png", ".pdf"}:
        raise SettingsError(f"plot: expected a name ending in .svg, .png or .pdf, got {path.name}")
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path
