"""`flawcast report`: a store, or a part of it, as one page that a person can open and trust."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawcast.configs.errors import SettingsError, StoreError
from flawcast.configs.files import whole_file
from flawcast.flows.report.defects import view_defects
from flawcast.flows.report.facts import Facts, gather, to_show
from flawcast.flows.report.page import SetView, Shown, render_page, set_commands
from flawcast.flows.report.pictures import draw_loop, draw_strips, draw_whole
from flawcast.storage import SampleStore

MOST_SETS = 100  # with their videos; all sets count in tables and plots


@dataclass(frozen=True)
class Reported:
    """What was written.

    Args:
        out: The page.
        bytes: Its size.
        sets: Sets that the figures cover.
        shown: Sets whose videos are in the page.
        damaged: Sets that could not be shown, with the reason.
        groups: Means by label and mode.
        ratio_median: Median APD to MAE ratio of these sets; None if it is undefined.
        ratio_left_out: Sets without a ratio.
        rejects: Clips that the runs left out, by reason.
    """

    out: str
    bytes: int
    sets: int
    shown: int
    damaged: tuple[str, ...]
    groups: tuple[dict[str, Any], ...]
    ratio_median: float | None
    ratio_left_out: int
    rejects: dict[str, int]


def write_report(
    store: str,
    out: Path,
    where: str | None = None,
    most: int = MOST_SETS,
    on_set: Callable[[int, int], None] = lambda done, total: None,
    tag: str | None = None,
) -> Reported:
    """Write one self-contained HTML file about a store.

    A damaged set is named in the page and left out of it; everything else is shown.

    Args:
        store: The store.
        out: The file, which appears whole; one that is there is replaced.
        where: SQL condition over the columns of sets; None for all.
        most: At most so many sets are shown with their videos.
        on_set: Called with the number of sets drawn and of all to draw.
        tag: Only the sets and reviews of this tag; None for those that are there now.

    Raises:
        QueryError: If the condition is not valid.
        SettingsError: If the file cannot be written.
        StoreError: If there is no such set, or none that can be read.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise SettingsError(
            f"out: expected a file to write in an existing folder, got {out}; name one, "
            "for instance report.html"
        )
    opened = SampleStore.open(store, snapshot=True, tag=tag)
    facts = gather(opened, where)
    views, damaged = _views(opened, store, facts, most, on_set)
    if not views:
        raise StoreError(f"report: no set can be read; the first: {damaged[0]}")
    defects = view_defects(opened, facts.rows)
    page = render_page(facts, views, damaged, Shown(store, where, tag), defects).encode()
    try:
        with whole_file(out) as draft:
            draft.write_bytes(page)
    except OSError as error:
        raise SettingsError(f"out: cannot write {out}: {error.strerror}") from None
    return Reported(
        out=str(out),
        bytes=len(page),
        sets=len(facts.rows),
        shown=len(views),
        damaged=tuple(damaged),
        groups=tuple(vars(group) for group in facts.groups),
        ratio_median=facts.ratio.median,
        ratio_left_out=facts.ratio.left_out,
        rejects={item.reason: len(item.clips) for item in facts.reasons},
    )


def _views(
    opened: SampleStore,
    store: str,
    facts: Facts,
    most: int,
    on_set: Callable[[int, int], None],
) -> tuple[list[SetView], list[str]]:
    """Sets with their videos, and what is wrong with those that cannot be read."""
    rows, views, damaged = to_show(facts, most), [], []
    ratios = {
        row["set_id"]: ratio for row, ratio in zip(facts.rows, facts.ratio.ratios, strict=True)
    }
    places = _places(facts)
    for done, row in enumerate(rows, start=1):
        try:
            made = opened.load(row["set_id"])
        except StoreError as error:
            damaged.append(str(error))
            continue
        views.append(
            SetView(
                row=row,
                ratio=ratios[row["set_id"]],
                loop=draw_loop(made),
                strips=draw_strips(made),
                place=places.get(row["set_id"], ""),
                code=set_commands(Shown(store, None, opened.tagged), made),
                whole=draw_whole(made) if row["set_id"] in places else (),
            )
        )
        on_set(done, len(rows))
    others = sorted(
        (view for view in views if not view.place),
        key=lambda view: (view.row["label"], view.row["mode"], view.row["mae"]),
    )
    first = sorted((view for view in views if view.place), key=lambda view: view.row["mae"])
    return first + others, damaged


def _places(facts: Facts) -> dict[str, str]:
    """Which sets are the best, the median and the worst of all."""
    ids = [row["set_id"] for row in facts.rows]
    names = {len(ids) - 1: "worst", len(ids) // 2: "median", 0: "best"}
    if len(ids) == 2:
        names = {1: "worst", 0: "best"}
    return {ids[place]: name for place, name in names.items()}
