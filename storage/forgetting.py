"""Which forgotten rows can come back, which may go for good, and the table of all of them."""

import json
from collections.abc import Iterable, Mapping, Set
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from flawcast.configs.errors import StoreError
from flawcast.storage.place import Place
from flawcast.storage.schema import ATTEMPT, FORGOTTEN, GENERATION
from flawcast.storage.tags import read_tag
from flawcast.storage.versions import ForgottenRow, Versions, with_rows


def forgotten_table(versions: Versions) -> pa.Table:
    """One row per forgotten row, columns as in FORGOTTEN."""
    rows = [
        {
            "set_id": row.set_id,
            "forgotten_at": datetime.fromtimestamp(item.at, UTC).replace(tzinfo=None),
            "note": item.note,
            "undoable": not row.gone,
        }
        for item in versions.forgettings
        for row in item.rows
    ]
    return pa.Table.from_pylist(rows, schema=FORGOTTEN)


def located(row: Mapping[str, Any]) -> ForgottenRow:
    """What is needed of a row to forget it; without a nonce if it is damaged."""
    checksums, arrays = row["checksums"], str(row["arrays"])
    sound = ATTEMPT.fullmatch(arrays) and arrays.startswith(f"{row['set_id']}.")
    try:
        facts = json.loads(checksums) if isinstance(checksums, str) else checksums
        generation = int(facts.get(GENERATION, 0))
    except (ValueError, AttributeError, TypeError):
        sound, generation = None, 0
    return ForgottenRow(row["set_id"], generation, arrays.partition(".")[2] if sound else "")


def swept(place: Place, versions: Versions, before: float) -> Versions | None:
    """The document in which what `gc` may remove is gone; None if that changes nothing.

    Args:
        place: The store's files.
        versions: The present document.
        before: What was forgotten later stays.
    """
    items = (item for item in versions.forgettings if item.at < before)
    old = (row for item in items for row in item.rows if not row.gone)
    free = _not_held(place, old, versions)
    if not free:
        return None
    return with_rows(versions, lambda row: row._replace(gone=True) if row in free else row)


def undoable(versions: Versions, there: Set[str], set_id: str) -> ForgottenRow:
    """The row that comes back if forgetting a set is undone.

    Raises:
        StoreError: If it cannot be undone.
    """
    rows = versions.by_set.get(set_id)
    if set_id in there or rows is None:
        raise StoreError(f"{set_id}: it is not forgotten; see `flawcast query --rows forgotten`")
    if rows[-1].gone:
        raise StoreError(
            f"{set_id}: `flawcast gc` has removed it; make it again: flawcast generate --again"
        )
    return rows[-1]


def forgotten_last(versions: Versions, there: Set[str]) -> list[ForgottenRow]:
    """The rows that were forgotten last and can come back.

    Raises:
        StoreError: If there are none.
    """
    for item in reversed(versions.forgettings):
        rows = [row for row in item.rows if not row.gone and row.set_id not in there]
        if rows:
            return rows
    raise StoreError("forget: nothing can be undone; see `flawcast query --rows forgotten`")


def _not_held(
    place: Place, rows: Iterable[ForgottenRow], versions: Versions
) -> frozenset[ForgottenRow]:
    """Those of some forgotten rows that no tag holds; none if a tag cannot be read.

    Only one tag is in memory at a time.
    """
    free = frozenset(rows)
    for tag in versions.tags:
        if not free:
            break
        try:
            content = read_tag(place, tag)
        except StoreError:
            return frozenset()
        free = frozenset(row for row in free if not content.holds(row))
    return free
