"""Rows of a store held in memory, for programs that query it often."""

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa

from flawcast.configs.errors import StoreError
from flawcast.storage.address import open_place
from flawcast.storage.query import Question, answer
from flawcast.storage.reviews import Reviews
from flawcast.storage.schema import ANSWERS
from flawcast.storage.store import SampleStore

HELD = pa.schema(  # without settings: they are long, and queries need only the kind of masks
    [field for field in ANSWERS["samples"] if field.name not in ("settings", "review")]
)


class HeldSamples:
    """The rows of all kept samples; queries read no file, and each new set is read once.

    Rows never change, so the held rows stay valid. Every query looks for new sets and reviews.
    Several threads may share one object.

    Args:
        url: The store, as `SampleStore.open` takes it.

    Raises:
        StoreError: If there is no store or a file is damaged.
    """

    def __init__(self, url: str | Path) -> None:
        self.store = SampleStore.open(url)
        self._place = open_place(url)
        self._reviews = Reviews(self._place)
        self._rows = HELD.empty_table()
        self._known: frozenset[str] = frozenset()
        self._positions: dict[str, int] = {}
        self._lock = threading.Lock()
        self.rows()

    def rows(self) -> pa.Table:
        """The rows, columns as in HELD, including those of new sets.

        Raises:
            StoreError: If a file is damaged.
        """
        with self._lock:
            new = frozenset(self.store.set_ids()) - self._known
            if new:
                new_rows = SampleStore(self._place, "r", new).query(rows="samples")
                rows = pa.concat_tables([self._rows, new_rows.select(HELD.names)])
                ids = rows["sample_id"].to_pylist()
                # Rows before positions: `find` reads both without the lock.
                self._rows, self._known = rows.combine_chunks(), self._known | new
                self._positions = {name: position for position, name in enumerate(ids)}
            return self._rows

    def query(self, where: str | None = None, order_by: str | None = None) -> pa.Table:
        """As `SampleStore.query` of samples, without the column `settings`.

        Raises:
            QueryError: If an expression is not valid.
            StoreError: If a file is damaged.
        """
        rows = self.rows()
        question = Question(where, order_by, None, "samples")
        return answer(question, lambda: rows, self._reviews.verdicts)

    def verdicts(self) -> pa.Table:
        """The samples that are accepted or rejected at present, columns as in VERDICTS."""
        return self._reviews.verdicts()

    def find(self, sample_id: str) -> dict[str, Any]:
        """The row of one sample, columns as in SAMPLES.

        Raises:
            StoreError: If there is no such sample.
        """
        rows = self._rows if sample_id in self._positions else self.rows()
        if sample_id not in self._positions:
            raise StoreError(f"store {self.store.url}: no sample {sample_id[:100]!r}")
        row: dict[str, Any] = rows.slice(self._positions[sample_id], 1).to_pylist()[0]
        return row
