"""Rows of samples for loaders: as a list of dicts, in a tenth of its memory or less.

A dict of the fifty columns of a sample takes 4 kB, so those of a million sets would take more
memory than most machines have. Here a column in which all rows agree is one value, texts are
numbers of texts, and numbers take as few bytes as they need. A row becomes a dict when somebody
asks for it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flawcast.storage.ids import are_plain, as_array, keys_of

SHA256 = pa.binary(32)
SMALLER = (pa.int8(), pa.int16(), pa.int32())
THREE_DIGITS = 1000  # up to here, samples of a set are sorted by number as by text
PORTION = 1024  # rows that are dicts at once


class SampleRows(Sequence[dict[str, Any]]):
    """Rows of samples, sorted by sample_id; cannot be changed.

    Args:
        table: The columns that differ, encoded.
        constant: The columns in which all rows agree.
        names: All columns in order.
    """

    def __init__(self, table: pa.Table, constant: dict[str, Any], names: Sequence[str]) -> None:
        self.table, self.constant, self.names = table, constant, tuple(names)

    @staticmethod
    def gather(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> "SampleRows":
        """Encode rows as they come, so that they are never together in full.

        Args:
            batches: Rows in any order, with at least set_id, sample_id and index.
            schema: Their columns.
        """
        pieces = [_in_short(pa.Table.from_batches([batch])) for batch in batches]
        if not pieces:
            return SampleRows(_in_short(schema.empty_table()), {}, schema.names)
        table = pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
        del pieces
        table = table.take(pa.array(_order(table)))
        constant: dict[str, Any] = {}
        columns = {}
        for name in schema.names:
            column = as_one(table[name])
            table = table.drop_columns([name])
            if name == "sample_id":  # set and number say it
                continue
            if name not in ("set_id", "index") and _is_constant(column):
                constant[name] = column[0].as_py()
                continue
            columns[name] = _smaller(column)
        return SampleRows(pa.table(columns), constant, schema.names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            chosen = pa.array(range(*index.indices(len(self))), pa.int64())
            return self._dicts(self.table.take(chosen))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._dicts(self.table.slice(index % len(self), 1))[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), PORTION):
            yield from self._dicts(self.table.slice(start, PORTION))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.table.nbytes)

    def where(self, mask: NDArray[np.bool_]) -> "SampleRows":
        """Some of the rows."""
        return SampleRows(self.table.filter(pa.array(mask)), self.constant, self.names)

    def values(self, name: str) -> list[Any]:
        """One column; equal texts are one object."""
        if name in self.constant:
            return [self.constant[name]] * len(self)
        column = as_one(self.table[name])
        if not isinstance(column, pa.DictionaryArray):
            return list(column.to_pylist())
        texts = [*column.dictionary.to_pylist(), None]
        return [texts[code] for code in column.indices.fill_null(-1).to_numpy().tolist()]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """One column of numbers."""
        if name in self.constant:
            return np.full(len(self), self.constant[name], np.float64)
        return np.asarray(as_one(self.table[name]).to_numpy(zero_copy_only=False), np.float64)

    def among(self, name: str, values: Collection[Any]) -> NDArray[np.bool_]:
        """For each row, whether a text is one of some texts."""
        if name in self.constant:
            return np.full(len(self), self.constant[name] in values)
        column = as_one(self.table[name])
        texts = [text in values for text in column.dictionary.to_pylist()]
        found = np.array([*texts, False])
        chosen: NDArray[np.bool_] = found[column.indices.fill_null(-1).to_numpy()]
        return chosen

    def nulls(self, name: str) -> int:
        """Number of rows in which a column has no value."""
        if name in self.constant:
            return len(self) if self.constant[name] is None else 0
        return 0 if name == "sample_id" else int(self.table[name].null_count)

    def distinct(self, names: Sequence[str]) -> set[tuple[Any, ...]]:
        """Combinations of some columns that occur."""
        if not len(self):
            return set()
        differ = [name for name in names if name not in self.constant]
        rows: list[dict[str, Any]] = [{}]
        if differ:
            rows = self.table.select(differ).group_by(differ).aggregate([]).to_pylist()
        return {tuple({**self.constant, **row}[name] for name in names) for row in rows}

    def _dicts(self, table: pa.Table) -> list[dict[str, Any]]:
        """Encoded rows as dicts with all columns."""
        found = []
        for row in table.to_pylist():
            values = {**self.constant, **row}
            values["sample_id"] = f"{values['set_id']}-{values['index']:03d}"
            if isinstance(values["video_sha256"], bytes):
                values["video_sha256"] = values["video_sha256"].hex()
            found.append({name: values[name] for name in self.names})
        return found


def as_one(column: "pa.ChunkedArray | pa.Array") -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _in_short(table: pa.Table) -> pa.Table:
    """A portion of the rows with texts as numbers of texts."""
    columns = {}
    for name in table.schema.names:
        column = table[name]
        if name == "video_sha256":
            column = _digests(column)
        elif name != "sample_id" and pa.types.is_string(column.type):
            column = column.dictionary_encode()
        columns[name] = column
    return pa.table(columns)


def _digests(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """SHA-256 as 32 bytes, if all are 64 hexadecimal digits."""
    texts = as_array(column)
    try:
        found = [bytes.fromhex(text) for text in texts.to_pylist()]
        return pa.chunked_array([pa.array(found, SHA256)])
    except (ValueError, TypeError, pa.ArrowInvalid):  # reading the video will tell
        return column


def _order(table: pa.Table) -> NDArray[np.int64]:
    """The order of the samples' ids."""
    sets = as_one(table["set_id"])
    index = table["index"].to_numpy()
    if len(index) and index.max() < THREE_DIGITS and are_plain(sets.dictionary):
        keys = keys_of(sets.dictionary)[sets.indices.to_numpy()]
        return np.lexsort((index, keys))
    order: NDArray[np.int64] = pc.sort_indices(table["sample_id"]).to_numpy()
    return order


def _is_constant(column: pa.Array) -> bool:
    """Whether all rows have the same value, or none has any."""
    if column.null_count:
        return bool(column.null_count == len(column))
    if isinstance(column, pa.DictionaryArray):
        codes = column.indices.to_numpy()
        return bool(len(codes)) and bool((codes == codes[0]).all())
    if not len(column) or pa.types.is_fixed_size_binary(column.type):
        return False
    return bool(pc.all(pc.equal(column, column[0])).as_py())


def _smaller(column: pa.Array) -> pa.Array:
    """The same values in fewer bytes."""
    if isinstance(column, pa.DictionaryArray):
        codes, count = column.indices, len(column.dictionary)
        kind = next((kind for kind in SMALLER if count < 2 ** (kind.bit_width - 1)), pa.int32())
        return pa.DictionaryArray.from_arrays(codes.cast(kind), column.dictionary)
    if pa.types.is_integer(column.type) and len(column) > column.null_count:
        ends = pc.min_max(column).as_py()
        for kind in SMALLER:
            half = 2 ** (kind.bit_width - 1)
            if -half <= ends["min"] and ends["max"] < half:
                return column.cast(kind)
    return column
