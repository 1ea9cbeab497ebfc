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

from flawcast.storage.ids import are_plain, keys_of

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
        gathered = {field.name: _Gathered(field) for field in schema if field.name != "sample_id"}
        for batch in batches:
            for name, column in gathered.items():
                column.add(batch[name])
        order = _order(gathered["set_id"], gathered["index"])
        constant: dict[str, Any] = {}
        columns: dict[str, pa.Array] = {}
        for name in list(gathered):  # one column after the other, so that few are there twice
            column = gathered.pop(name)
            if name not in ("set_id", "index") and column.is_constant:
                constant[name] = column.value
            else:
                columns[name] = _smaller(column.whole().take(pa.array(order)))
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


class _Gathered:
    """One column of rows that come in portions; texts become numbers of texts.

    Args:
        field: Its name and type.
    """

    def __init__(self, field: pa.Field) -> None:
        self._type, self._is_digest = field.type, field.name == "video_sha256"
        self._is_text = pa.types.is_string(field.type) and not self._is_digest
        self._numbers: dict[str | None, int] = {None: -1}
        self._pieces: list[pa.Array] = []
        self._same: list[tuple[Any, int]] = []  # value and length of portions with one value

    def add(self, portion: pa.Array) -> None:
        """Add rows."""
        if not len(portion):
            return
        if self._is_text:
            portion = self._numbered(portion)
        elif self._is_digest:
            portion = _digests(portion)
        one = portion[0]
        if portion.null_count == len(portion) or (
            portion.null_count == 0 and pc.all(pc.equal(portion, one)).as_py()
        ):
            self._same.append((one, len(portion)))
            self._pieces.append(pa.array([], portion.type))  # a slice would keep all
        else:
            self._same.append((one, 0))
            self._pieces.append(portion)

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value, or none has any."""
        return all(count and value.equals(self._same[0][0]) for value, count in self._same)

    @property
    def value(self) -> Any:
        """The value of all rows; None if there are no rows."""
        value = self._same[0][0].as_py() if self._same else None
        return self.texts[value].as_py() if self._is_text and value is not None else value

    @property
    def texts(self) -> pa.Array:
        """All texts in the order of their numbers."""
        return pa.array([text for text in self._numbers if text is not None], pa.string())

    def whole(self) -> pa.Array:
        """All rows."""
        pieces = [
            pa.repeat(value, count) if count else piece
            for (value, count), piece in zip(self._same, self._pieces, strict=True)
        ]
        if not pieces:
            return pa.array([], self._type)
        kinds = {piece.type for piece in pieces}  # a portion may have other digests than the rest
        pieces = pieces if len(kinds) == 1 else [_as_text(piece) for piece in pieces]
        whole = pa.concat_arrays(pieces)
        return pa.DictionaryArray.from_arrays(whole, self.texts) if self._is_text else whole

    def _numbered(self, portion: pa.Array) -> pa.Array:
        """Numbers of texts; null stays null."""
        short = portion.dictionary_encode()
        numbers = np.array(
            [
                self._numbers.setdefault(t, len(self._numbers) - 1)
                for t in short.dictionary.to_pylist()
            ]
            + [-1],
            np.int32,
        )
        codes = numbers[short.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return pa.array(codes, mask=codes < 0)


def _as_text(digests: pa.Array) -> pa.Array:
    """Digests as texts again."""
    if not pa.types.is_fixed_size_binary(digests.type):
        return digests
    return pa.array([None if d is None else d.hex() for d in digests.to_pylist()], pa.string())


def _digests(portion: pa.Array) -> pa.Array:
    """SHA-256 as 32 bytes, if all are 64 hexadecimal digits."""
    try:
        return pa.array([bytes.fromhex(text) for text in portion.to_pylist()], SHA256)
    except (ValueError, TypeError, pa.ArrowInvalid):  # reading the video will tell
        return portion


def _order(sets: _Gathered, index: _Gathered) -> NDArray[np.int64]:
    """The order of the samples' ids."""
    texts, codes = sets.texts, sets.whole()
    numbers = index.whole().to_numpy()
    if not len(numbers):
        return np.zeros(0, np.int64)
    if numbers.max() < THREE_DIGITS and are_plain(texts):
        return np.lexsort((numbers, keys_of(texts)[codes.indices.to_numpy()]))
    names = codes.cast(pa.string()).to_pylist()
    ids = [f"{name}-{number:03d}" for name, number in zip(names, numbers.tolist(), strict=True)]
    order: NDArray[np.int64] = pc.sort_indices(pa.array(ids)).to_numpy()
    return order


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
