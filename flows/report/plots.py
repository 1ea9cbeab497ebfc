"""Plots as SVG inside a page: they follow its colours, scale with it, and points are links.

Matplotlib draws them once; the page needs no plotting script (plotly's alone is 4 MB, a third of
what a whole report may weigh). What the browser adds by itself is enough: a link can be clicked and
reached with the keyboard, and its title shows when it is pointed at.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flawcast.selection.density import density, long_tail

COLOURS = ("#3f7fd0", "#e08a2c", "#2f9f6c", "#b55fb0", "#d05454", "#8277e6", "#4aa3b5", "#a08a3c")
MANY = 500  # ticks of a plot that are drawn one by one; more become one picture
OTHER = "#8d949c"  # of what has no colour of its own
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "^", "s", "D")
INK, LINE = "#b00b00", "#b00b01"  # stand for the page's own colours
THEMED = {INK: "var(--ink)", LINE: "var(--line)"}
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
SMALL, LARGE = (3.9, 2.5), (4.8, 3.7)  # inches; fonts stay legible on a phone's width
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), LINE),
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}

ElementTree.register_namespace("", SVG)


@dataclass(frozen=True)
class Series:
    """Values of one kind of sets.

    Args:
        name: For the page's legend; no text of a user's gets into a plot.
        values: One for each set.
    """

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """A set in the scatter plot.

    Args:
        x: Its MAE.
        y: Its APD.
        colour: Number of its colour; beyond the last one it is grey.
        marker: Number of its marker.
        target: Where it leads in the page; None if it is not shown there.
        title: What it says when it is pointed at.
    """

    x: float
    y: float
    colour: int
    marker: int
    target: str | None
    title: str


@dataclass(frozen=True)
class Plot:
    """A plot, and what has to be said about it.

    Args:
        svg: The picture.
        beyond: Values beyond its right edge.
    """

    svg: Markup
    beyond: int = 0


def draw_density(
    name: str, series: Sequence[Series], within: tuple[float, float], tail: bool = False
) -> Plot:
    """Density of a score for each kind of sets, with every value as a tick below.

    Args:
        name: The name of the score.
        series: Values; a kind with fewer than two different ones gets ticks alone.
        within: The range of possible scores; curves end there.
        tail: Whether the score may have a long tail, which is cut and counted.
    """
    every = [value for item in series for value in item.values]
    highest = long_tail(every) if tail else np.inf
    beyond = sum(value > highest for value in every)
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure, axes = _axes(SMALL, f"{name}", "density")
        for number, item in enumerate(series):
            colour = _colour(number)
            curve = density(item.values, highest, within)
            if curve is not None:
                axes.plot(curve.x, curve.y, DASHES[number % len(DASHES)], color=colour, lw=1.8)
                axes.fill_between(curve.x, curve.y, color=colour, alpha=0.12, lw=0)
            ticks = [value for value in item.values if value <= highest]
            place = np.full(len(ticks), 0.025 + 0.05 * number)
            transform = axes.get_xaxis_transform()
            many = len(ticks) > MANY
            axes.plot(ticks, place, "|", color=colour, ms=6, transform=transform, rasterized=many)
        axes.set_ylim(bottom=0)
        axes.set_yticks([])
        return Plot(_svg(figure, f"Density of {name}", {}), beyond)


def draw_scatter(points: Sequence[Point], x: str, y: str) -> Plot:
    """Diversity against error, a point for each set; those that lead somewhere are links."""
    linked = [point for point in points if point.target is not None]
    with mpl.rc_context({**STYLE, "svg.hashsalt": "scatter"}):
        figure, axes = _axes(LARGE, x, y)
        for chosen, options in (
            ([point for point in points if point.target is None], {"rasterized": True, "s": 14}),
            (linked, {"s": 46, "edgecolors": "white", "linewidths": 0.5}),
        ):
            for colour, marker in sorted({(p.colour, p.marker) for p in chosen}):
                some = [p for p in chosen if (p.colour, p.marker) == (colour, marker)]
                marks = axes.scatter(
                    [p.x for p in some],
                    [p.y for p in some],
                    color=_colour(colour),
                    marker=MARKERS[marker % len(MARKERS)],
                    alpha=0.85,
                    **options,
                )
                marks.set_urls([p.target for p in some])
        titles = {str(point.target): point.title for point in linked}
        return Plot(_svg(figure, f"{y} against {x}", titles))


def _colour(number: int) -> str:
    """A colour by number, grey once they are used up."""
    return COLOURS[number] if number < len(COLOURS) else OTHER


def _axes(size: tuple[float, float], x: str, y: str) -> tuple[Figure, Axes]:
    """An empty plot on the page's own ground."""
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.patch.set_visible(False)
    axes.locator_params(nbins=6)
    return figure, axes


def _svg(figure: Figure, label: str, titles: dict[str, str]) -> Markup:
    """A figure as an element of a page; links get titles, colours become the page's."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())  # noqa: S314 - drawn a line above
    for element in list(root):
        if element.tag == f"{{{SVG}}}metadata":
            root.remove(element)
    for parent in root.iter(f"{{{SVG}}}defs"):
        for style in parent.findall(f"{{{SVG}}}style"):
            parent.remove(style)  # it would hold for the whole page
    root.attrib.pop("width"), root.attrib.pop("height")
    root.attrib |= {"role": "group" if titles else "img", "aria-label": label}
    for element in root.iter():
        target: Any = element.attrib.pop(f"{{{XLINK}}}href", None)
        if target is None:
            continue
        element.set("href", target)
        element.attrib.pop("target", None)  # it would open a window
        if target in titles:
            element.set("aria-label", titles[target])
            ElementTree.SubElement(element, f"{{{SVG}}}title").text = titles[target]
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(  # noqa: S704 - ElementTree has escaped the titles, all else is matplotlib's
        re.sub("|".join(THEMED), lambda match: THEMED[match[0]], text)
    )
