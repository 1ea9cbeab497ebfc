"""Compacted parts: the rows of many sets and of their samples in two Parquet files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from flawcast.configs.errors import StoreError
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Part
from flawcast.storage.place import Place, file_sha256
from flawcast.storage.schema import COMMITS, SAMPLES

SETS_PER_GROUP, SAMPLES_PER_GROUP = 1000, 10_000  # rows that are read to find one set
ORDER = [("apd", "descending"), ("set_id", "ascending")]  # most diverse first


class PartReader:
    """Reads parts; files stay open, so an opened part can be read after its file was removed.

    Args:
        place: The store's files.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._files: dict[str, pq.ParquetFile] = {}
        self._ids: dict[str, pa.ChunkedArray] = {}
        self._trusted: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Each process opens the files itself."""
        return {"place": self.place, "_files": {}, "_ids": {}, "_trusted": set()}

    def forget(self, *named: Part) -> None:
        """Close all files but those of the named parts."""
        wanted = {name for part in named for name in (part.sets, part.samples)}
        for cache in (self._files, self._ids):
            for name in [name for name in cache if name not in wanted]:
                cache.pop(name, None)

    def trust(self, part: Part) -> None:
        """Compare the file of the sets' rows with its checksum, once.

        Raises:
            StoreError: If it is damaged or missing.
        """
        if part.name in self._trusted:
            return
        with _readable(part.sets):
            sound = file_sha256(self.place, part.sets) == part.sets_sha256
        if not sound:
            raise StoreError(f"{part.sets}: the bytes are not those that were written")
        self._trusted.add(part.name)

    def ids(self, part: Part) -> pa.ChunkedArray:
        """Ids of a part's sets, in its order."""
        if part.sets not in self._ids:
            with _readable(part.sets):
                table = self._file(part.sets, COMMITS).read(["set_id"], use_threads=False)
            self._ids[part.sets] = table["set_id"]
        return self._ids[part.sets]

    def find(self, part: Part, set_id: str) -> int:
        """Position of a set's row in a part; -1 if it is not there."""
        return int(pc.index(self.ids(part), set_id).as_py())

    def row(self, part: Part, position: int) -> dict[str, Any]:
        """One set's row."""
        file = self._file(part.sets, COMMITS)
        with _readable(part.sets):
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if position < count:
                    table = file.read_row_group(group, use_threads=False)
                    rows: list[dict[str, Any]] = table.slice(position, 1).to_pylist()
                    return rows[0]
                position -= count
        raise StoreError(f"{part.sets}: damaged; see `flawcast verify`")

    def samples(self, part: Part, set_id: str, apd: float) -> list[dict[str, Any]]:
        """Rows of a set's kept samples, best first; row groups are found by the set's APD."""
        file = self._file(part.samples, SAMPLES)
        column = SAMPLES.names.index("apd")
        rows: list[dict[str, Any]] = []
        with _readable(part.samples):
            for group in range(file.num_row_groups):
                stats = file.metadata.row_group(group).column(column).statistics
                if stats is None or not stats.has_min_max or stats.min <= apd <= stats.max:
                    table = file.read_row_group(group, use_threads=False)
                    rows += table.filter(pc.field("set_id") == set_id).to_pylist()
        return sorted(rows, key=lambda row: row["rank"])

    def batches(
        self, part: Part, kind: str, columns: list[str] | None = None
    ) -> Iterator[pa.Table]:
        """The rows of a part, one row group after the other.

        Args:
            part: The part.
            kind: "sets" or "samples".
            columns: Which columns; None for all.
        """
        name, schema = (part.sets, COMMITS) if kind == "sets" else (part.samples, SAMPLES)
        file = self._file(name, schema)
        for group in range(file.num_row_groups):
            with _readable(name):
                table = file.read_row_group(group, columns, use_threads=False)
            yield table

    def dataset(self, part: Part, kind: str, schema: pa.Schema) -> pads.Dataset:
        """The rows of a part for a query, which reads only what it needs."""
        name = part.sets if kind == "sets" else part.samples
        if isinstance(self.place, LocalPlace):
            path = str(self.place.root / name)
            return pads.dataset([path], schema=schema, format="parquet")
        file = self._file(name, COMMITS if kind == "sets" else SAMPLES)
        with _readable(name):
            return pads.dataset(file.read(schema.names, use_threads=False))

    def _file(self, name: str, schema: pa.Schema) -> pq.ParquetFile:
        """An open file, which must have exactly these columns."""
        if name not in self._files:
            with _readable(name):
                file = pq.ParquetFile(self.place.open(name), page_checksum_verification=True)
                if not file.schema_arrow.equals(schema):
                    raise StoreError(f"{name}: expected the columns of a flawcast store")
            self._files[name] = file
        return self._files[name]


def encode_part(table: pa.Table, group: int) -> bytes:
    """The bytes of a part's file.

    Args:
        table: The part's rows, sorted.
        group: Rows per row group.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=group, write_page_checksum=True)
    return bytes(sink.getvalue())


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Raise StoreError for a damaged file; an absent one stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{name}: missing or damaged; `flawcast verify` lists what is") from error
