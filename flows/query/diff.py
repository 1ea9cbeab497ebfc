"""What changed between two versions of a store: `flawcast diff`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flawcast.storage import SampleStore
from flawcast.storage.tags import NOW

Row = dict[str, Any]


@dataclass(frozen=True)
class ChangedReview:
    """A sample of both versions whose review is not the same.

    Args:
        sample_id: The sample.
        before: Its review in the first version: "accepted", "rejected" or "none".
        after: Its review in the second.
    """

    sample_id: str
    before: str
    after: str


@dataclass(frozen=True)
class LabelCounts:
    """Numbers of sets of one label."""

    label: str
    before: int
    after: int
    added: int
    removed: int


@dataclass(frozen=True)
class Difference:
    """What changed from one version of a store to another.

    Args:
        before: Name of the first version: a tag, or "now".
        after: Name of the second.
        sets: Numbers of sets in both versions.
        added: Ids of the sets that only the second has, sorted.
        removed: Ids of the sets that only the first has, sorted.
        made_again: Ids of the sets that were forgotten and made again in between, sorted.
        reviews: Samples of both whose review changed, by id.
        labels: Numbers of sets by label.
    """

    before: str
    after: str
    sets: tuple[int, int]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    made_again: tuple[str, ...]
    reviews: tuple[ChangedReview, ...]
    labels: tuple[LabelCounts, ...]


def diff(store: str, before: str, after: str) -> Difference:
    """Compare two versions of a store.

    Args:
        store: The store.
        before: A tag, or "now" for the store as it is.
        after: The same.

    Raises:
        StoreError: If there is no such store or tag, or a file is damaged.
    """
    views = [open_version(store, name) for name in (before, after)]
    first, second = ({row["set_id"]: row for row in _sets(view)} for view in views)
    added, removed = second.keys() - first.keys(), first.keys() - second.keys()
    both = first.keys() & second.keys()
    made_again = (name for name in both if first[name]["created_at"] != second[name]["created_at"])
    reviews = [dict(_reviews(view)) for view in views]
    changed = [
        ChangedReview(name, reviews[0][name], reviews[1][name])
        for name in sorted(reviews[0].keys() & reviews[1].keys())
        if reviews[0][name] != reviews[1][name]
    ]
    counts = [
        Counter(row["label"] for row in rows)
        for rows in (
            first.values(),
            second.values(),
            (second[name] for name in added),
            (first[name] for name in removed),
        )
    ]
    labels = sorted(counts[0].keys() | counts[1].keys())
    return Difference(
        before=before,
        after=after,
        sets=(len(first), len(second)),
        added=tuple(sorted(added)),
        removed=tuple(sorted(removed)),
        made_again=tuple(sorted(made_again)),
        reviews=tuple(changed),
        labels=tuple(LabelCounts(label, *(count[label] for count in counts)) for label in labels),
    )


def open_version(store: str, name: str) -> SampleStore:
    """A store at a tag, or as it is now.

    Raises:
        StoreError: If there is no such store or tag.
    """
    if name == NOW:
        return SampleStore.open(store, snapshot=True)
    return SampleStore.open(store, tag=name)


def _sets(view: SampleStore) -> Iterable[Row]:
    """What is compared of sets."""
    rows: list[Row] = view.query().select(["set_id", "label", "created_at"]).to_pylist()
    return rows


def _reviews(view: SampleStore) -> Iterable[tuple[str, str]]:
    """Samples with their reviews."""
    table = view.query(rows="samples").select(["sample_id", "review"])
    return zip(table["sample_id"].to_pylist(), table["review"].to_pylist(), strict=True)
