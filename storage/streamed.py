"""What a store tells of many sets at once, in memory that does not grow with its rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pyarrow as pa

from flawcast.configs.errors import StoreError
from flawcast.storage.catalogue import TRIES
from flawcast.storage.ids import IdSet
from flawcast.storage.reviews import Reviews
from flawcast.storage.sample_rows import SampleRows
from flawcast.storage.schema import ANSWERS
from flawcast.storage.versioned import Versioned

Answer = TypeVar("Answer")


class Streamed(Versioned):
    """The part of `SampleStore` for stores of any size."""

    reviews: Reviews

    def set_ids(self) -> list[str]:
        """Ids of all committed sets, sorted."""
        return list(self.ids())

    def ids(self) -> IdSet:
        """The same in a third of the memory; its `holds` looks for thousands of ids at once."""
        with self._as_store_errors():
            return self._catalogue.ids()

    def tables(self, set_ids: Iterable[str], columns: list[str]) -> Iterator[pa.Table]:
        """Columns of the rows of many sets, a few thousand rows at a time.

        Sets that are not there are left out. The rows' checksums are not compared.

        Args:
            set_ids: Which sets.
            columns: Columns of sets.
        """
        with self._as_store_errors():
            yield from self._catalogue.tables(set_ids, columns)

    def sample_rows(self, where: str | None = None) -> SampleRows:
        """Rows of samples as a sequence of dicts, sorted by sample_id, in little memory.

        Args:
            where: SQL condition as of `query`; None for all.

        Raises:
            QueryError: If the condition is not valid.
            StoreError: If a file is damaged.
        """
        return self._in_one_state(
            lambda: SampleRows.gather(self._batches("samples", where), ANSWERS["samples"])
        )

    def distinct(self, columns: list[str]) -> list[tuple[object, ...]]:
        """The combinations of some columns of sets that occur."""

        def gather() -> list[tuple[object, ...]]:
            found: dict[tuple[object, ...], None] = {}
            for batch in self._batches("sets", None, columns):
                some = pa.Table.from_batches([batch]).group_by(columns).aggregate([])
                found.update(dict.fromkeys(zip(*some.to_pydict().values(), strict=True)))
            return list(found)

        return self._in_one_state(gather)

    def _batches(
        self, rows: str, where: str | None, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of sets or samples in any order."""
        # Imported here: DuckDB complains at the end of processes that write sets on Ray.
        from flawcast.storage.query import stream

        verdicts = self.reviews.verdicts()
        for number, piece in enumerate(self._catalogue.pieces(rows)):  # never two parts at once
            yield from stream(rows, piece, verdicts, where, columns, checked=number > 0)

    def _in_one_state(self, gather: Callable[[], Answer]) -> Answer:
        """Gather rows; once more if they moved meanwhile.

        Raises:
            StoreError: If a file is missing or damaged.
        """
        from flawcast.storage.query import UnansweredError

        for attempt in range(TRIES):
            with self._as_store_errors():
                state = self._catalogue.state()
            try:
                return gather()
            except (UnansweredError, FileNotFoundError) as error:
                with self._as_store_errors():
                    if self._catalogue.state() != state and attempt + 1 < TRIES:
                        continue
                    for name in self._catalogue.damaged():
                        raise StoreError(
                            f"{name}: missing or damaged; `flawcast verify` lists what is"
                        ) from None
                if isinstance(error, UnansweredError):
                    raise
        raise StoreError(f"store {self.url}: files come and go; see `flawcast verify`")
