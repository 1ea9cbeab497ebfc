"""Combines a report's parts into one HTML file that needs no other file."""

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flawcast.flows.report.defects import DefectView
from flawcast.flows.report.facts import Facts, Row
from flawcast.flows.report.pictures import Loop, Strip, Whole
from flawcast.flows.report.plots import (
    COLOURS,
    OTHER,
    Plot,
    Point,
    Series,
    draw_density,
    draw_scatter,
)
from flawcast.storage import SampleSet

LEADERS, MOST_RUNS = 5, 20
TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class SetView:
    """A set as the page shows it.

    Args:
        row: The set's row in the store.
        ratio: Its APD to MAE ratio; None if it is undefined.
        loop: Its looping clip.
        strips: Its contact sheet.
        place: "best", "median" or "worst" of all; empty for the others.
        code: Commands for it.
        whole: Its videos at their own size.
    """

    row: Row
    ratio: float | None
    loop: Loop
    strips: Sequence[Strip]
    place: str
    code: str
    whole: Sequence[Whole] = ()


@dataclass(frozen=True)
class Shown:
    """What a page is about, as the user named it.

    Args:
        store: The store.
        where: The condition that its sets meet; None for all.
        tag: The tag that they are of; None for the store as it was.
    """

    store: str
    where: str | None = None
    tag: str | None = None

    @property
    def options(self) -> str:
        """The options of a command about the same."""
        tag = f" --tag {shlex.quote(self.tag)}" if self.tag else ""
        return tag + (f" --where {shlex.quote(self.where)}" if self.where else "")

    @property
    def opened(self) -> str:
        """The same store in Python."""
        return f"SampleStore.open({self.store!r}" + (f", tag={self.tag!r})" if self.tag else ")")


def render_page(
    facts: Facts,
    views: Sequence[SetView],
    damaged: Sequence[str],
    about: Shown,
    defects: DefectView | None = None,
) -> str:
    """The whole page.

    Text of the store (labels, names, reasons) is escaped by the template; the page's policy forbids
    every script but its own and every connection.

    Args:
        facts: The figures.
        views: Sets that are shown with their videos.
        damaged: One line for each set that cannot be shown, with the reason.
        about: What the user asked for.
        defects: What is shown of defects of looks; None without any.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    style, script = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - our own files
        for name in ("style.css", "script.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    kinds, densities = _distributions(facts)
    shown = {view.row["set_id"] for view in views}
    counts = Counter(row["label"] for row in facts.rows)
    coloured = {label for label, _ in counts.most_common(len(COLOURS))}
    labels = sorted(counts, key=lambda label: (label not in coloured, label))  # these get colours
    modes = sorted({row["mode"] for row in facts.rows})
    return templates.get_template("report.html.j2").render(
        title=f"flawcast report: {about.store}" + (f", {about.tag}" if about.tag else ""),
        facts=facts,
        views=views,
        damaged=damaged,
        defects=defects,
        store=about.store,
        where=about.where,
        tag=about.tag,
        version=version("flawcast"),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        style=style,
        script=script,
        script_hash=f"sha256-{digest}",
        most_runs=MOST_RUNS,
        most_sets=max(group.sets for group in facts.groups),
        kinds=kinds,
        densities=densities,
        labels=labels[: len(COLOURS)],
        other_labels=len(labels[len(COLOURS) :]),
        modes=modes,
        scatter=_scatter(facts, shown, labels, modes),
        shown=shown,
        leaders=_leaders(facts),
        colour=lambda number: COLOURS[number] if number < len(COLOURS) else OTHER,
        commands=_commands(about),
        python=_python(about),
    )


def set_commands(about: Shown, made: SampleSet) -> str:
    """What can be done with one set: its samples, the best one made again, its arrays in Python."""
    place, best = shlex.quote(about.store), made.sample_id(made.indices[0])
    condition = f"--where \"set_id = '{made.id}'\""
    return "\n".join(
        (
            f"flawcast query {place}{about.options} --rows samples {condition}",
            f"flawcast regenerate {place} {best} --out best.mp4",
            f"# in Python: {about.opened}.load('{made.id}').videos",
        )
    )


def _commands(about: Shown) -> str:
    """Query and export of what the page shows."""
    place, tag = shlex.quote(about.store), Shown(about.store, None, about.tag).options
    return "\n".join(
        (
            f'flawcast query {place}{about.options} --order-by "apd desc" --limit 20',
            f"flawcast browse {place}{tag}",
            f"flawcast export {place}{about.options} --format mp4 --out samples",
        )
    )


def _python(about: Shown) -> str:
    """Loading of what the page shows."""
    condition = f", where={about.where!r}" if about.where else ""
    opened = about.opened if about.tag else f"SampleStore.open({about.store!r}, snapshot=True)"
    return "\n".join(
        (
            "from flawcast.storage import SampleLoader, SampleSetDataset, SampleStore",
            "",
            f"store = {opened}",
            f"sets = store.query(order_by='apd desc'{condition})  # a pyarrow table",
            "most_diverse = store.load(sets['set_id'][0].as_py())  # .videos: (K, F, H, W, 3)",
            f"dataset = SampleSetDataset(store{condition}, on_test='leave_out')",
            "loader = SampleLoader(dataset, 8, weights='class', seed=0)",
        )
    )


def _leaders(facts: Facts) -> list[tuple[str, list[Row]]]:
    """The first few sets by diversity, and by diversity for their error."""
    ratios = zip(facts.rows, facts.ratio.ratios, strict=True)
    ranked = sorted(
        ((ratio, row) for row, ratio in ratios if ratio is not None), key=lambda pair: -pair[0]
    )
    return [
        ("Most diverse", sorted(facts.rows, key=lambda row: -row["apd"])[:LEADERS]),
        ("Most diverse for their error (ratio)", [row for _, row in ranked[:LEADERS]]),
    ]


def _distributions(facts: Facts) -> tuple[list[str], list[tuple[str, Plot]]]:
    """Densities of four scores for each kind of sets: forecaster and mode."""
    several = len({row["forecaster"] for row in facts.rows}) > 1
    kind_of = [
        f"{row['forecaster']}, {row['mode']}" if several else row["mode"] for row in facts.rows
    ]
    kinds = sorted(set(kind_of))
    scores = {
        "MAE": ([row["mae"] for row in facts.rows], (0, 1)),
        "SSIM": ([row["ssim"] for row in facts.rows], (-1, 1)),
        "APD": ([row["apd"] for row in facts.rows], (0, 1)),
        "APD / MAE ratio": (facts.ratio.ratios, (0, np.inf)),
    }
    plots = []
    for name, (values, within) in scores.items():
        series = [
            Series(
                kind,
                tuple(
                    value
                    for value, own in zip(values, kind_of, strict=True)
                    if own == kind and value is not None
                ),
            )
            for kind in kinds
        ]
        plots.append((name, draw_density(name, series, within, tail="ratio" in name)))
    return kinds, plots


def _scatter(facts: Facts, shown: set[str], labels: list[str], modes: list[str]) -> Plot:
    """A point for each set."""
    points = [
        Point(
            x=row["mae"],
            y=row["apd"],
            colour=labels.index(row["label"]),
            marker=modes.index(row["mode"]),
            target=f"#{row['set_id']}" if row["set_id"] in shown else None,
            title=f"{row['label']}, {row['mode']}: MAE {row['mae']:.4f}, APD {row['apd']:.4f}",
        )
        for row in facts.rows
    ]
    return draw_scatter(points, "MAE, lower is closer", "APD, higher is more diverse")
