"""The figures of a report: counts, means, distributions, provenance and the clips left out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flawcast.configs.errors import StoreError
from flawcast.configs.spread import spread
from flawcast.flows.generate.summary import GroupMeans, groups_of
from flawcast.selection.metrics import StandardisedRatio, standardised_ratio
from flawcast.storage import SampleStore

Row = dict[str, Any]
NUMBER = re.compile(r"[0-9]+")
MANY = 6  # values of a column that are listed; more are counted


@dataclass(frozen=True)
class Reason:
    """Clips that could not be used for one reason."""

    reason: str
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """A store, or the requested part of it, in figures.

    Args:
        rows: The rows of the sets, smallest MAE first.
        kept: The number of kept videos in the sets.
        groups: Means by label and mode.
        ratio: APD to MAE of every row, in their order; these sets are the population.
        runs: The runs that made the sets, or all runs of the store, the last one first.
        reasons: Why those runs left clips out, most frequent first.
        provenance: Names and values of what the sets were made from.
    """

    rows: tuple[Row, ...]
    kept: int
    groups: tuple[GroupMeans, ...]
    ratio: StandardisedRatio
    runs: tuple[Row, ...]
    reasons: tuple[Reason, ...]
    provenance: tuple[tuple[str, str], ...]


def gather(store: SampleStore, where: str | None) -> Facts:
    """Read all figures of a report from a store.

    Args:
        store: The store, or a snapshot of it.
        where: SQL condition over the columns of sets; None for all.

    Raises:
        QueryError: If the condition is not valid.
        StoreError: If there is no such set.
    """
    rows = store.query(where, order_by="mae").to_pylist()
    if not rows:
        which = "set that meets the condition" if where else "set"
        raise StoreError(
            f"report: store {store.url} has no {which}; "
            + ("see `flawcast query`" if where else "add some with `flawcast generate`")
        )
    runs = store.query(rows="runs", order_by="started desc").to_pylist()
    rejects = store.query(rows="rejects").to_pylist()
    if where is not None or store.tagged is not None:
        names = {row["run_id"] for row in rows}
        runs = [run for run in runs if run["run_id"] in names]
        rejects = [reject for reject in rejects if reject["run_id"] in names]
    return Facts(
        rows=tuple(rows),
        kept=sum(row["keep"] for row in rows),
        groups=tuple(groups_of(rows)),
        ratio=standardised_ratio([row["apd"] for row in rows], [row["mae"] for row in rows]),
        runs=tuple(runs),
        reasons=tuple(_reasons(rejects)),
        provenance=tuple(_provenance(rows)),
    )


def to_show(facts: Facts, most: int) -> list[Row]:
    """Choose at most `most` sets to show with their videos; best, median and worst come first.

    Then those next to the best, the median and the worst of each label and mode, and the rest
    evenly spread over the errors.
    """
    rows = facts.rows
    order = [0, len(rows) // 2, len(rows) - 1]
    for group in facts.groups:
        places = [
            place
            for place, row in enumerate(rows)
            if (row["label"], row["mode"]) == (group.label, group.mode)
        ]
        order += [places[0], places[len(places) // 2], places[-1]]
    chosen = list(dict.fromkeys(order))[:most]
    others = [place for place in range(len(rows)) if place not in set(chosen)]
    room = min(most - len(chosen), len(others))
    chosen += spread(others, room)
    return [rows[place] for place in chosen]


def _reasons(rejects: Sequence[Row]) -> list[Reason]:
    """Rejected clips by reason; a clip that several runs rejected counts once.

    Reasons that differ in a number alone are one.
    """
    alike: dict[str, dict[str, str]] = {}  # reasons by clip
    for reject in rejects:
        kind = NUMBER.sub("", reject["reason"])
        alike.setdefault(kind, {})[reject["clip"]] = reject["reason"]
    reasons = [Reason(_in_one(list(said.values())), tuple(said)) for said in alike.values()]
    return sorted(reasons, key=lambda item: (-len(item.clips), item.reason))


def _in_one(reasons: Sequence[str]) -> str:
    """Reasons that differ in numbers alone, as one with their ranges.

    >>> _in_one(["too short: 12 frames, got 8", "too short: 12 frames, got 10"])
    'too short: 12 frames, got 8 to 10'
    """
    columns = zip(*(map(int, NUMBER.findall(reason)) for reason in reasons), strict=True)
    ranges = ((min(values), max(values)) for values in columns)
    shown = iter([str(low) if low == high else f"{low} to {high}" for low, high in ranges])
    return NUMBER.sub(lambda found: next(shown), reasons[0])


def _provenance(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The clips, models and settings that the sets were made from."""
    clips = len({row["clip_id"] for row in rows})
    sources = len({row["source_clip_id"] for row in rows})
    created = [row["created_at"] for row in rows]
    sizes = Counter(f"{row['width']}x{row['height']}" for row in rows)
    spans = Counter(f"{row['past']} seen, {row['future']} sampled" for row in rows)
    draws = Counter(f"{row['keep']} of {row['samples']}" for row in rows)
    return [
        ("driving clips", str(clips)),
        ("source clips", str(sources)),
        ("frame size", _listed(sizes)),
        ("frames", _listed(spans)),
        ("futures kept", _listed(draws)),
        ("masks", _column(rows, "masks", "none")),
        ("splits of the driving clips", _column(rows, "split", "not stated")),
        ("motion backbone", _column(rows, "backbone")),
        ("forecaster", _column(rows, "forecaster")),
        ("weights", _column(rows, "weights_id")),
        ("settings", _column(rows, "settings_id")),
        ("seed", _column(rows, "seed")),
        ("flawcast", _column(rows, "version")),
        ("made (UTC)", f"{min(created):%Y-%m-%d %H:%M} to {max(created):%Y-%m-%d %H:%M}"),
    ]


def _column(rows: Sequence[Row], name: str, absent: str = "-") -> str:
    """The values of a column."""
    return _listed(Counter(absent if row[name] in (None, "") else str(row[name]) for row in rows))


def _listed(values: Counter[str]) -> str:
    """Values with how many sets have each, if there are several."""
    if len(values) == 1:
        return next(iter(values))
    shown = [f"{value} ({count})" for value, count in values.most_common(MANY)]
    more = [f"{len(values) - MANY} more"] * (len(values) > MANY)
    return ", ".join(shown + more)
