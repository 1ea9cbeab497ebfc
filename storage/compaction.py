"""Compaction: the rows of many sets move from files of their own into a few sorted parts.

New parts are written in full, then a manifest that names them is published in one step. Until then
readers do not know them. From then on every reader prefers them to the single files, which stay
until `gc` removes them after the grace age. A crash in between leaves files that nothing names.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flawcast.configs.errors import StoreError
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.layout import ATTEMPT_SECONDS
from flawcast.storage.manifest import Manifest, Part, publish_manifest
from flawcast.storage.parts import ORDER, SAMPLES_PER_GROUP, SETS_PER_GROUP, encode_part
from flawcast.storage.place import Place
from flawcast.storage.rows import commit_table, moved_row, sample_table
from flawcast.storage.versions import Versions

SETS_PER_PART = 10_000  # sets that are sorted in memory together; a full part is never rewritten
GROWTH = 4  # a part is merged with others of a quarter of its sets or more: few parts, few rewrites

PORTION = 500  # single sets whose rows are held as Python objects at once


@dataclass(frozen=True)
class Compaction:
    """The result of a compaction.

    Args:
        moved: Number of sets whose rows moved from files of their own into parts.
        parts: Number of parts after the compaction.
        left: Number of damaged sets, which stay where they are; `verify` names them.
        won: False if another compaction finished first, so that this one changed nothing.
    """

    moved: int
    parts: int
    left: int = 0
    won: bool = True


@dataclass(frozen=True)
class _Rows:
    """Rows of some sets, and of their samples."""

    sets: pa.Table
    samples: pa.Table


class _Gone:
    """Forgotten rows that `gc` has begun to remove: compaction leaves them out of new parts.

    Args:
        catalogue: The committed sets.
        versions: What is forgotten.
    """

    def __init__(self, catalogue: Catalogue, versions: Versions) -> None:
        self.catalogue, self.versions = catalogue, versions
        self._in_parts: dict[str, frozenset[str]] = {}

    def in_part(self, part: Part) -> frozenset[str]:
        """Sets of a part whose rows in it are gone."""
        if part.name not in self._in_parts:
            attempts = self.versions.gone.attempts
            found = self.catalogue.holding(part, attempts) if attempts else frozenset()
            self._in_parts[part.name] = found
        return self._in_parts[part.name]

    def movable(self, loose: Iterable[str], manifest: Manifest) -> list[str]:
        """Sets whose rows can move; one that was made again waits until its old row is nowhere."""
        waiting = {row.set_id for row in self.versions.rows if not row.gone}
        waiting.update(*map(self.in_part, manifest.parts))
        return [set_id for set_id in loose if set_id not in waiting]

    def left_out(self, part: Part, rows: _Rows) -> _Rows:
        """The rows of a part that stay."""
        ids = self.in_part(part)
        if not ids:
            return rows
        names = pa.array(ids, pa.string())
        sets, samples = (
            table.filter(pc.invert(pc.is_in(table["set_id"], value_set=names)))
            for table in (rows.sets, rows.samples)
        )
        return _Rows(sets, samples)


def compact(
    catalogue: Catalogue, on_set: Callable[[int, int], None] = lambda done, total: None
) -> Compaction:
    """Move the rows of single sets into parts, and merge small parts with them.

    What is written depends on what is new, not on the store: full parts stay as they are, and so do
    others that are much larger than what would be merged with them.

    Args:
        catalogue: The committed sets.
        on_set: Called with the number of sets read so far and the number to read.

    Raises:
        StoreError: If a part is damaged.
        OSError: If the store cannot be written.
    """
    began = time.time()
    versions = catalogue.versions()
    listed, manifest = catalogue.listing(versions)
    gone = _Gone(catalogue, versions)
    stale = {part.name for part in manifest.parts if gone.in_part(part)}
    loose = gone.movable(listed, manifest)
    merged = _to_merge(manifest.parts, len(loose), stale)
    full = [part for part in manifest.parts if part not in merged]
    if not loose and len(merged) < 2 and not stale:
        return Compaction(0, len(manifest.parts))
    left: list[str] = []
    written: list[Part] = []
    place = catalogue.place
    total = len(loose) + sum(part.count for part in merged)
    rows_of_all = _counted(_all_rows(gone, merged, loose, left), total, on_set)
    try:
        for rows in _filled(rows_of_all):
            written.append(_write_part(place, rows))
    except BaseException:
        _discard(place, written)
        raise
    moved = len(loose) - len(left)
    if time.time() - began > ATTEMPT_SECONDS:
        _discard(place, written)
        raise StoreError(
            f"store {place.url}: compaction took longer than {ATTEMPT_SECONDS} s; nothing changed, "
            "run it again when the machine is less busy"
        )
    if not moved and len(merged) < 2 and not stale:
        _discard(place, written)
        return Compaction(0, len(manifest.parts), len(left))
    parts = (*full, *written)
    if not publish_manifest(place, Manifest(manifest.number + 1, parts)):
        _discard(place, written)
        return Compaction(0, len(manifest.parts), len(left), won=False)
    return Compaction(moved, len(parts), len(left))


def _to_merge(parts: Iterable[Part], new: int, stale: set[str]) -> list[Part]:
    """Parts that are written anew: those with rows that go, and small ones beside what is new.

    Args:
        parts: All parts.
        new: Number of single sets that move.
        stale: Names of parts with rows that go.
    """
    found = [part for part in parts if part.name in stale]
    gathered = new + sum(part.count for part in found)
    small = (part for part in parts if part.count < SETS_PER_PART and part.name not in stale)
    for part in sorted(small, key=lambda part: part.count):
        if part.count > GROWTH * gathered:
            break
        found.append(part)
        gathered += part.count
    return found


def _counted(
    rows: Iterator[_Rows], total: int, on_set: Callable[[int, int], None]
) -> Iterator[_Rows]:
    """The same rows; reports the number of sets as they pass."""
    done = 0
    for piece in rows:
        done += piece.sets.num_rows
        on_set(done, total)
        yield piece


def _all_rows(
    gone: "_Gone", merged: list[Part], loose: list[str], left: list[str]
) -> Iterator[_Rows]:
    """The rows of parts that are not full, then those of single sets, all checked."""
    catalogue = gone.catalogue
    for part in merged:
        yield gone.left_out(
            part,
            _Rows(
                _checked(catalogue.place, part.sets, part.sets_sha256),
                _checked(catalogue.place, part.samples, part.samples_sha256),
            ),
        )
    portion = min(PORTION, SETS_PER_PART)  # a table of 1 row takes as much memory as one of 100
    for start in range(0, len(loose), portion):
        sets: list[dict[str, Any]] = []
        samples: list[dict[str, Any]] = []
        for set_id in loose[start : start + portion]:
            try:
                row = catalogue.row(set_id)
                sample_rows = catalogue.samples(row)
            except (StoreError, FileNotFoundError):
                left.append(set_id)
                continue
            sets.append(moved_row(row, sample_rows))
            samples += sample_rows
        if sets:
            yield _Rows(commit_table(sets), sample_table(samples))


def _filled(rows: Iterator[_Rows]) -> Iterator[_Rows]:
    """Rows joined until they fill a part; the last piece may exceed it by less than a part."""
    waiting: list[_Rows] = []
    count = 0
    for piece in rows:
        waiting.append(piece)
        count += piece.sets.num_rows
        if count >= SETS_PER_PART:
            yield _joined(waiting)
            waiting, count = [], 0
    if count:
        yield _joined(waiting)


def _joined(rows: list[_Rows]) -> _Rows:
    """Several tables as one: most diverse sets first, and their samples in the same order."""
    sets = pa.concat_tables([piece.sets for piece in rows])
    samples = pa.concat_tables([piece.samples for piece in rows])
    return _Rows(sets.sort_by(ORDER), samples.sort_by([*ORDER, ("rank", "ascending")]))


def _write_part(place: Place, rows: _Rows) -> Part:
    """Write the two files of a part."""
    sets = encode_part(rows.sets, SETS_PER_GROUP)
    samples = encode_part(rows.samples, SAMPLES_PER_GROUP)
    hashes = (hashlib.sha256(data).hexdigest() for data in (sets, samples))
    part = Part(uuid.uuid4().hex, rows.sets.num_rows, *hashes)
    try:
        place.put_new(part.samples, samples)
        place.put_new(part.sets, sets)
    except BaseException:
        _discard(place, [part])
        raise
    return part


def _checked(place: Place, name: str, sha256: str) -> pa.Table:
    """A part's file, compared with its checksum, so that damage is not passed on."""
    data = place.read(name)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(
            f"{name}: the bytes are not those that were written; nothing was compacted, "
            "restore the file from a copy of the store"
        )
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def _discard(place: Place, parts: list[Part]) -> None:
    """Remove parts that no manifest names."""
    for part in parts:
        place.remove(part.sets)
        place.remove(part.samples)
