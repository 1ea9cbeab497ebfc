"""Rows of a store held in memory, for programs that query it often."""

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa

from flawcast.configs.errors import StoreError
from flawcast.storage.address import open_place
from flawcast.storage.ids import IdSet
from flawcast.storage.query import Question, answer
from flawcast.storage.schema import ANSWERS
from flawcast.storage.store import SampleStore
from flawcast.storage.versions import Versions

HELD = pa.schema(  # without settings: they are long, and queries need only the kind of masks
    [field for field in ANSWERS["samples"] if field.name not in ("settings", "review")]
)


class CachedSamples:
    """The rows of all kept samples; queries read no file, and each new set is read once.

    Rows never change, so the held rows stay valid until a set is forgotten. Every query looks for
    new sets and reviews. Several threads may share one object.

    Args:
        url: The store, as `SampleStore.open` takes it.
        tag: Show only the sets and reviews of this tag.

    Raises:
        StoreError: If there is no store or tag, or a file is damaged.
    """

    def __init__(self, url: str | Path, tag: str | None = None) -> None:
        self.store = SampleStore.open(url, tag=tag)
        self._place = open_place(url)
        self._held: tuple[pa.Table, dict[str, int]] = (HELD.empty_table(), {})
        self._number = 0
        self._known = IdSet()
        self._lock = threading.Lock()
        self.rows()

    def rows(self) -> pa.Table:
        """The rows, columns as in HELD, including those of new sets.

        Raises:
            StoreError: If a file is damaged.
        """
        with self._lock:
            versions, there = self._there()
            (rows, _), known = self._held, self._known
            if versions.number != self._number:  # what was forgotten may have been made again
                known, rows = IdSet(), HELD.empty_table()
            if new := there - known:
                new_rows = SampleStore(self._place, "r", new, versions).query(rows="samples")
                rows = pa.concat_tables([rows, new_rows.select(HELD.names)]).combine_chunks()
            if rows is not self._held[0]:
                ids = rows["sample_id"].to_pylist()
                self._held = rows, {name: position for position, name in enumerate(ids)}
                self._known, self._number = known | new, versions.number
            return rows

    def _there(self) -> tuple[Versions, IdSet]:
        """What is forgotten, and the sets that are there, as of one moment."""
        while True:
            versions = self.store.versions
            there = self.store.ids()
            if self.store.versions.number == versions.number:
                return versions, there

    def query(self, where: str | None = None, order_by: str | None = None) -> pa.Table:
        """As `SampleStore.query` of samples, without the column `settings`.

        Raises:
            QueryError: If an expression is not valid.
            StoreError: If a file is damaged.
        """
        rows = self.rows()
        question = Question(where, order_by, None, "samples")
        return answer(question, lambda: rows, self.store.reviews.verdicts)

    def verdicts(self) -> pa.Table:
        """The samples that are accepted or rejected at present, columns as in VERDICTS."""
        return self.store.reviews.verdicts()

    def find(self, sample_id: str) -> dict[str, Any]:
        """The row of one sample, columns as in SAMPLES.

        Raises:
            StoreError: If there is no such sample.
        """
        if sample_id not in self._held[1]:
            self.rows()
        rows, positions = self._held  # another thread may replace both, at once
        if sample_id not in positions:
            raise StoreError(f"store {self.store.url}: no sample {sample_id[:100]!r}")
        row: dict[str, Any] = rows.slice(positions[sample_id], 1).to_pylist()[0]
        return row
