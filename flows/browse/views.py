"""Values for the pages' templates, read from the store for one request."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flawcast.configs.errors import FlawcastError, QueryError
from flawcast.configs.keypoint_layouts import layout_of
from flawcast.flows.browse.filters import (
    CHOICES,
    DEFECT_RANGES,
    RANGES,
    SORTS,
    Filter,
    column_of,
)
from flawcast.flows.browse.pictures import grid_columns, sheet_size
from flawcast.flows.browse.places import Places, places_of
from flawcast.flows.browse.snippets import Line, lines_for_samples, lines_for_set
from flawcast.storage.sample_cache import CachedSamples

PAGE = 60  # samples per page
STEPS = 200  # steps of a slider
CARD = (
    "sample_id",
    "set_id",
    "label",
    "mode",
    "clip_name",
    "rank",
    "mae",
    "ssim",
    "diversity",
    "review",
    "defect_type",
    "defect_severity",
    "width",
    "height",
)
SCORES = ("mae", "best_mae", "hold_mae", "ssim", "apd", "coherence")
HIDDEN = ("settings", "checksums", "row_sha256", "arrays", "samples_file", *SCORES)


@dataclass(frozen=True)
class Cards:
    """One page of samples.

    Args:
        rows: The columns CARD of each sample.
        count: How many samples meet the filter.
        total: How many samples the store has.
        pages: How many pages the filtered samples fill, at least 1.
        lines: Snippets to copy.
        places: Where in the source frame the defects of all filtered samples are; None without.
        problem: Why nothing can be shown; None if all is well.
    """

    rows: list[dict[str, Any]]
    count: int
    total: int
    pages: int
    lines: list[Line]
    places: Places | None = None
    problem: str | None = None


@dataclass(frozen=True)
class FilterChoice:
    """A value that the filter can select.

    Args:
        value: The value.
        count: How many samples have it.
        chosen: Whether the filter selects it now.
    """

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Range:
    """A pair of sliders.

    Args:
        name: One of RANGES.
        title: Its name for people.
        low: The smallest value of both sliders.
        high: The largest value of both sliders.
        step: The step of both sliders.
        start: The position of the lower slider.
        end: The position of the upper slider.
    """

    name: str
    title: str
    low: float
    high: float
    step: float
    start: float
    end: float


def find_cards(held: CachedSamples, chosen: Filter) -> Cards:
    """The page of samples that a filter selects; a page number after the last gives the last page.

    Invalid SQL becomes a message on the page, because the user may still be typing.
    """
    total = held.rows().num_rows
    lines = lines_for_samples(held.store.url, chosen.sql, chosen.order_by, held.store.tagged)
    try:
        found = held.query(chosen.sql, chosen.order_by)
    except QueryError as error:
        return Cards([], 0, total, 1, lines, problem=str(error))
    pages = max(1, -(-found.num_rows // PAGE))
    start = (min(chosen.page, pages) - 1) * PAGE
    rows = found.slice(start, PAGE).select(CARD).to_pylist()
    return Cards(rows, found.num_rows, total, pages, lines, places_of(found))


def find_choices(held: CachedSamples, chosen: Filter) -> dict[str, list[FilterChoice]]:
    """The values of each field of the form: those of samples, and selected ones without samples."""
    rows = held.rows()
    counts = {name: _counted(rows, column) for name, column in CHOICES.items() if name != "review"}
    counts["defect"].pop("None", None)
    reviews = _counted(held.verdicts(), "verdict")
    left = rows.num_rows - sum(reviews.values())
    counts["review"] = {"none": left, "accepted": 0, "rejected": 0, **reviews}
    return {
        name: [
            FilterChoice(value, counts[name].get(value, 0), value in getattr(chosen, name))
            for value in [*counts[name], *(set(getattr(chosen, name)) - counts[name].keys())]
        ]
        for name in CHOICES
        if name != "defect" or counts[name] or chosen.defect
    }


def find_ranges(held: CachedSamples, chosen: Filter) -> list[Range]:
    """Sliders from the smallest to the largest value of all samples.

    What is about defects has none where no sample has one, or all have the same value.
    """
    ranges = []
    for name, (_, title) in RANGES.items():
        ends = pc.min_max(_values(held.rows(), name)).as_py()
        start, end = (getattr(chosen, f"{name}_{which}") for which in ("from", "to"))
        if name in DEFECT_RANGES and ends["min"] == ends["max"] and start is end is None:
            continue
        low, high = ends["min"] or 0.0, ends["max"] or 0.0
        step = max((high - low) / STEPS, 1e-9)
        here = (low if start is None else start), (high if end is None else end)
        ranges.append(Range(name, title, low, high, step, *here))
    return ranges


def _values(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """The values that a pair of sliders is about; of defects alone, not of placebos."""
    values = rows[column_of(name)]
    if name not in DEFECT_RANGES:
        return values
    return values.filter(pc.is_valid(rows["defect_type"]))


def grid_page(held: CachedSamples, chosen: Filter) -> dict[str, Any]:
    """Values for the page of the grid."""
    return {
        "filter": chosen,
        "choices": find_choices(held, chosen),
        "ranges": find_ranges(held, chosen),
        "sorts": {name: text for name, (text, _) in SORTS.items()},
        "cards": find_cards(held, chosen),
    }


def set_page(held: CachedSamples, set_id: str) -> dict[str, Any]:
    """Values for the page of one set.

    Raises:
        StoreError: If there is no such set or it is damaged.
    """
    row = held.store.row(set_id)
    samples = held.query(f"set_id = '{set_id}'", "rank").to_pylist()
    return {
        "row": row,
        "samples": samples,
        "scores": {name: row[name] for name in SCORES},
        "provenance": {name: value for name, value in row.items() if name not in HIDDEN},
        # The row's own text, which may have fields unknown to this version.
        "settings": json.dumps(json.loads(row["settings"]), indent=2, ensure_ascii=False),
        "lines": lines_for_set(held.store.url, set_id, held.store.tagged),
        "data": _for_script(row, samples),
    }


def _for_script(row: dict[str, Any], samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Values for the script of a set's page."""
    names: tuple[str, ...] = tuple(f"value {i + 1}" for i in range(row["keypoint_length"]))
    positions: tuple[tuple[int, int], ...] = ()
    try:
        layout = layout_of(row["backbone"], row["keypoint_length"])
        names, positions = layout.names, layout.positions
    except FlawcastError:  # a backbone unknown to this version: curves, no tracks
        pass
    sizes = {name: row[name] for name in ("past", "future", "width", "height", "samples")}
    return {
        **sizes,
        "shown": sheet_size(row["height"], row["width"]),
        "set": row["set_id"],
        "fps": row["fps"] or 12.5,
        "length": row["keypoint_length"],
        "names": names,
        "positions": positions,
        "kept": [sample["index"] for sample in samples],
        "columns": {name: grid_columns(row[name]) for name in ("past", "future")},
        "masks": samples[0]["masks"] if samples else None,
    }


def _counted(table: pa.Table, column: str) -> dict[str, int]:
    """How often each value of a column occurs, sorted by value."""
    pairs = pc.value_counts(table[column].combine_chunks()).to_pylist()
    return dict(sorted((str(pair["values"]), pair["counts"]) for pair in pairs))
