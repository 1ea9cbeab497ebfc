"""Compacted parts: the rows of many sets and of their samples in two Parquet files."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.storage.ids import PartIds, as_array
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Part
from flawcast.storage.place import Place, file_sha256
from flawcast.storage.schema import COMMITS, SAMPLES

SETS_PER_GROUP, SAMPLES_PER_GROUP = 1000, 10_000  # rows that are read to find one set
ORDER = [("apd", "descending"), ("set_id", "ascending")]  # most diverse first
UNKNOWN = (np.nan, np.nan)
OPEN_FILES = 256  # of parts at once; those used last stay open


class PartReader:
    """Reads parts; files stay open, so an opened part can be read after its file was removed.

    Args:
        place: The store's files.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._files: OrderedDict[str, pq.ParquetFile] = OrderedDict()
        self._keys: dict[str, PartIds] = {}
        self._bounds: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._trusted: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Each process opens the files itself."""
        return PartReader(self.place).__dict__

    def forget(self, *named: Part) -> None:
        """Close all files but those of the named parts."""
        wanted = {name for part in named for name in (part.sets, part.samples)}
        for name in [name for name in self._files if name not in wanted]:
            self._files.pop(name, None)
        self._keys = {name: keys for name, keys in self._keys.items() if name in wanted}
        self._bounds = {key: found for key, found in self._bounds.items() if key[0] in wanted}

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

    def ids(self, part: Part) -> pa.Array:
        """Ids of a part's sets, in its order; read anew each time, as a million take 24 MB."""
        with _readable(part.sets):
            table = self._file(part.sets, COMMITS).read(["set_id"], use_threads=False)
        return as_array(table["set_id"])

    def keys(self, part: Part) -> PartIds:
        """What is needed to find a part's sets."""
        if part.sets not in self._keys:
            self._keys[part.sets] = PartIds.of(self.ids(part))
        return self._keys[part.sets]

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

    def rows(
        self, part: Part, positions: NDArray[np.int64], columns: list[str] | None = None
    ) -> pa.Table:
        """Rows of some sets at once, in the order of the positions."""
        file = self._file(part.sets, COMMITS)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        groups = np.searchsorted(np.cumsum(sizes), positions, "right")
        wanted = np.unique(groups)
        starts = np.cumsum([0, *sizes])[wanted]  # of the groups in the part, then in the table
        offsets = np.cumsum([0, *np.array(sizes)[wanted]])[:-1]
        place = np.searchsorted(wanted, groups)
        with _readable(part.sets):
            table = file.read_row_groups(wanted.tolist(), columns, use_threads=False)
        return table.take(pa.array(positions - starts[place] + offsets[place]))

    def groups(self, part: Part, kind: str) -> int:
        """Number of row groups."""
        return int(self._file_of(part, kind).metadata.num_row_groups)

    def read_groups(self, part: Part, kind: str, groups: list[int], columns: list[str]) -> pa.Table:
        """Some columns of some row groups."""
        with _readable(part.sets if kind == "sets" else part.samples):
            return self._file_of(part, kind).read_row_groups(groups, columns, use_threads=False)

    def bounds(self, part: Part, kind: str, column: str) -> NDArray[np.float64]:
        """Smallest and largest value of a column in each row group, (groups, 2); NaN if unknown."""
        name, schema = (part.sets, COMMITS) if kind == "sets" else (part.samples, SAMPLES)
        if (name, column) not in self._bounds:
            with _readable(name):
                metadata = self._file(name, schema).metadata
                found = [
                    metadata.row_group(group).column(schema.names.index(column)).statistics
                    for group in range(metadata.num_row_groups)
                ]
                self._bounds[name, column] = np.array(
                    [
                        (stats.min, stats.max)
                        if stats is not None and stats.has_min_max
                        else UNKNOWN
                        for stats in found
                    ],
                    np.float64,
                ).reshape(-1, 2)
        return self._bounds[name, column]

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
        file = self._file_of(part, kind)
        for group in range(file.num_row_groups):
            with _readable(part.sets if kind == "sets" else part.samples):
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

    def _file_of(self, part: Part, kind: str) -> pq.ParquetFile:
        """The open file of sets' or of samples' rows."""
        sets = kind == "sets"
        return self._file(part.sets, COMMITS) if sets else self._file(part.samples, SAMPLES)

    def _file(self, name: str, schema: pa.Schema) -> pq.ParquetFile:
        """An open file, which must have exactly these columns."""
        file = self._files.get(name)
        if file is None:
            with _readable(name):
                file = pq.ParquetFile(self.place.open(name), page_checksum_verification=True)
                if not file.schema_arrow.equals(schema):
                    raise StoreError(f"{name}: expected the columns of a flawcast store")
            self._files[name] = file
            while len(self._files) > OPEN_FILES:
                self._files.popitem(last=False)
        return file


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
