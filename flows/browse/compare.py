"""Two versions or runs side by side: the sets that differ, and means by label."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from flawcast.flows.browse.filters import LARGEST_PAGE
from flawcast.flows.browse.versions import TaggedSamples
from flawcast.storage.sample_cache import CachedSamples
from flawcast.storage.tags import NOW

PAGE = 24  # pairs on a page
PLACE = ("clip_name", "clip_id", "window_start", "mode", "source_clip_id", "source_frame")
SHOWN = (
    *("sample_id", "set_id", "label", "forecaster", "run_id", "rank", "mae", "apd", "review"),
    *("width", "height", "created_at", *PLACE),
)
SIDE = r"^(now|tag:[A-Za-z0-9._-]{1,100}|run:[A-Za-z0-9_-]{1,100})$"
Row = dict[str, Any]
SideText = Annotated[str, Field(pattern=SIDE)]


class Compared(BaseModel):
    """What is compared; every field is a parameter of the address.

    Args:
        left: "now", "tag:NAME" or "run:ID".
        right: The same.
        page: Counted from 1.
    """

    left: SideText = NOW
    right: SideText = NOW
    page: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = 1

    def address(self, page: int) -> str:
        """Query string of the same comparison on another page."""
        return "?" + urlencode({"left": self.left, "right": self.right, "page": page})


@dataclass(frozen=True)
class SetCard:
    """A set as one side shows it.

    Args:
        row: Its best sample, columns SHOWN.
        base: Beginning of the addresses of its pages.
        reviews: Its reviews in words; empty without any.
    """

    row: Row
    base: str
    reviews: str


@dataclass(frozen=True)
class Pair:
    """What the two sides have for one window, source and mode.

    Args:
        left: Its set on the left, if there is one.
        right: Its set on the right, if there is one.
        how: How they differ, in words; empty if they do not.
    """

    left: SetCard | None
    right: SetCard | None
    how: str


@dataclass(frozen=True)
class LabelRow:
    """Sets of one label on both sides, and their means; None without sets."""

    label: str
    sets: tuple[int, int]
    mae: tuple[float | None, float | None]
    apd: tuple[float | None, float | None]


def compare_page(tags: TaggedSamples, chosen: Compared) -> dict[str, Any]:
    """Values for the page that compares.

    Raises:
        StoreError: If there is no such tag, or a file is damaged.
    """
    sides = [_cards(tags, text) for text in (chosen.left, chosen.right)]
    pairs = list(_pairs(*sides))
    different = [pair for pair in pairs if pair.how]
    pages = max(1, -(-len(different) // PAGE))
    start = (min(chosen.page, pages) - 1) * PAGE
    return {
        "chosen": chosen,
        "choices": _choices(tags, chosen),
        "labels": _by_label(*sides),
        "pairs": different[start : start + PAGE],
        "kinds": sorted(Counter(pair.how for pair in different).items()),
        "equal": len(pairs) - len(different),
        "pages": pages,
        "page": min(chosen.page, pages),
    }


def _choices(tags: TaggedSamples, chosen: Compared) -> list[tuple[str, str]]:
    """What can be compared, with its name for people."""
    runs = sorted(set(tags.now.rows()["run_id"].to_pylist()), reverse=True)
    found = [(NOW, "now"), *((f"tag:{name}", f"tag {name}") for name in tags.names())]
    found += [(f"run:{name}", name) for name in runs]
    known = dict(found)
    others = ((text, text) for text in (chosen.left, chosen.right) if text not in known)
    return [*found, *dict(others).items()]


def _cards(tags: TaggedSamples, text: str) -> list[SetCard]:
    """The sets of a side, each with its best sample."""
    kind, _, name = text.partition(":")
    held: CachedSamples = tags.held(name) if kind == "tag" else tags.now
    where = f"run_id = '{name}'" if kind == "run" else None
    base = f"/tag/{name}" if kind == "tag" else ""
    rows: list[Row] = held.query(where, "set_id, rank").select(SHOWN).to_pylist()
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_set[row["set_id"]].append(row)
    return [
        SetCard(some[0], base, _in_words(row["review"] for row in some)) for some in by_set.values()
    ]


def _in_words(reviews: Iterable[str]) -> str:
    """How many samples of a set are accepted and rejected."""
    counts = Counter(reviews)
    words = (f"{counts[name]} {name}" for name in ("accepted", "rejected") if counts[name])
    return ", ".join(words)


def _pairs(left: list[SetCard], right: list[SetCard]) -> Iterable[Pair]:
    """Sets of the same window, source and mode; where a side has several, equal ids first."""
    places: dict[tuple[Any, ...], tuple[list[SetCard], list[SetCard]]] = {}
    for number, cards in enumerate((left, right)):
        for card in cards:
            place = tuple(card.row[name] for name in PLACE)
            places.setdefault(place, ([], []))[number].append(card)
    for place in sorted(places, key=str):
        ours, theirs = ({card.row["set_id"]: card for card in cards} for cards in places[place])
        both = sorted(ours.keys() & theirs.keys())
        for name in both:
            yield Pair(ours[name], theirs[name], _difference(ours[name], theirs[name]))
        rest = [
            sorted((card for name, card in side.items() if name not in both), key=_error)
            for side in (ours, theirs)
        ]
        for one, other in zip_longest(*rest):
            how = "other settings" if one and other else "left only" if one else "right only"
            yield Pair(one, other, how)


def _error(card: SetCard) -> tuple[float, str]:
    return card.row["mae"], card.row["set_id"]


def _difference(left: SetCard, right: SetCard) -> str:
    """How a set differs from the same set on the other side."""
    if left.row["created_at"] != right.row["created_at"]:
        return "made again"
    return "" if left.reviews == right.reviews else "other reviews"


def _by_label(left: list[SetCard], right: list[SetCard]) -> list[LabelRow]:
    """Counts and means of both sides."""
    sides = [defaultdict[str, list[Row]](list), defaultdict[str, list[Row]](list)]
    for side, cards in zip(sides, (left, right), strict=True):
        for card in cards:
            side[card.row["label"]].append(card.row)
    rows = []
    for label in sorted(sides[0].keys() | sides[1].keys()):
        some = [side[label] for side in sides]
        rows.append(
            LabelRow(
                label,
                (len(some[0]), len(some[1])),
                (_mean(some[0], "mae"), _mean(some[1], "mae")),
                (_mean(some[0], "apd"), _mean(some[1], "apd")),
            )
        )
    return rows


def _mean(rows: list[Row], name: str) -> float | None:
    return sum(row[name] for row in rows) / len(rows) if rows else None
