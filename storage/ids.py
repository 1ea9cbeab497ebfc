"""Many ids of sets in little memory: sorted, as one Arrow array, found by their first digits.

A Python set of a million ids takes 110 MB, and so does every copy that is sent to a worker. This
takes 32 MB, is searched for thousands of ids at once, and is read from parts without a Python
object for each id.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flawcast.storage.schema import SET_ID

HEAD, DIGITS = 4, 16  # "set-", and the digits after it that make the key
PLAIN = HEAD + DIGITS  # length of an id whose key is all of it
PORTION = 4096  # ids that are worked on, or Python objects, at once
_VALUES = np.zeros(256, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)

Keys = NDArray[np.uint64]


def as_array(ids: "pa.Array | pa.ChunkedArray | Iterable[str]") -> pa.Array:
    """Ids as one Arrow array."""
    if isinstance(ids, pa.ChunkedArray):
        return pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.string())
    return ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())


def keys_of(ids: pa.Array) -> Keys:
    """The first 16 hexadecimal digits of each id as a number; 0 for what is no id."""
    keys = np.zeros(len(ids), np.uint64)
    for start in range(0, len(ids), PORTION):
        keys[start : start + PORTION] = _keys_of_some(ids.slice(start, PORTION))
    return keys


def _keys_of_some(ids: pa.Array) -> Keys:
    """The same in memory that is a dozen times that of the ids."""
    offsets = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, 4 * ids.offset)
    starts, lengths = offsets[:-1].astype(np.int64), np.diff(offsets)
    sound = lengths >= PLAIN
    data = ids.buffers()[2]
    if data is None or not sound.any():
        return np.zeros(len(ids), np.uint64)
    text = np.frombuffer(data, np.uint8)
    places = np.where(sound, starts, starts[sound][0])[:, None] + np.arange(HEAD, PLAIN)
    digits = _VALUES[text[places]]
    keys = (digits[:, 0::2] << 4 | digits[:, 1::2]).view(">u8")[:, 0].astype(np.uint64)
    return np.where(sound, keys, np.uint64(0))


def are_plain(ids: pa.Array) -> bool:
    """Whether all ids have 16 digits, so that equal keys are equal ids."""
    offsets = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, 4 * ids.offset)
    return bool((np.diff(offsets) == PLAIN).all())


class IdSet(Set[str]):
    """Ids of sets, sorted; cannot be changed.

    Args:
        ids: The ids, in any order; repeated ones count once.

    Example:
        >>> found = IdSet(["set-00000000000000b0", "set-00000000000000a0"])
        >>> list(found), "set-00000000000000b0" in found, len(found)
        (['set-00000000000000a0', 'set-00000000000000b0'], True, 2)
    """

    def __init__(self, ids: "pa.Array | pa.ChunkedArray | Iterable[str]" = ()) -> None:
        array = as_array(ids)
        if not len(array):
            self.array, self._keys, self._plain = array, np.zeros(0, np.uint64), True
            return
        keys = keys_of(array)
        if are_plain(array):
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            keep = np.append(True, keys[1:] != keys[:-1])
            self.array, self._keys = array.take(pa.array(order[keep])), keys[keep]
        else:
            array = pc.unique(array)
            table = pa.table({"key": keys_of(array), "id": array})
            table = table.sort_by([("key", "ascending"), ("id", "ascending")])
            self.array, self._keys = as_array(table["id"]), table["key"].to_numpy()
        self._plain = are_plain(self.array)

    @classmethod
    def _from_iterable(cls, it: Iterable[str]) -> "IdSet":  # type: ignore[override]
        """For what `Set` makes of two sets."""
        return cls(it)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), PORTION):
            yield from self.array.slice(start, PORTION).to_pylist()

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, str) or not SET_ID.fullmatch(item):
            return False
        return bool(self.holds([item])[0])

    def __sub__(self, other: Set[Any]) -> "IdSet":
        return IdSet(self.array.filter(pa.array(~_as_ids(other).holds(self.array))))

    def __and__(self, other: Set[Any]) -> "IdSet":
        return IdSet(self.array.filter(pa.array(_as_ids(other).holds(self.array))))

    def __or__(self, other: Set[Any]) -> "IdSet":
        return IdSet(pa.concat_arrays([self.array, _as_ids(other).array]))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IdSet):
            return bool(self.array.equals(other.array))
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self._keys.tobytes())

    def positions(self, ids: "pa.Array | pa.ChunkedArray | Iterable[str]") -> NDArray[np.int64]:
        """Positions of ids that are all in it, in its order."""
        asked = as_array(ids)
        if self._plain and are_plain(asked):
            return np.searchsorted(self._keys, keys_of(asked)).astype(np.int64)
        found: NDArray[np.int64] = pc.index_in(asked, value_set=self.array).to_numpy()
        return found.astype(np.int64)

    def holds(self, ids: "pa.Array | pa.ChunkedArray | Iterable[str]") -> NDArray[np.bool_]:
        """For each of some ids, whether it is among these."""
        asked = as_array(ids)
        if not len(self) or not len(asked):
            return np.zeros(len(asked), bool)
        keys = keys_of(asked)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        found: NDArray[np.bool_] = self._keys[at] == keys
        if self._plain and are_plain(asked):
            return found
        equal = pc.equal(self.array.take(pa.array(at)), asked).to_numpy(zero_copy_only=False)
        for number in np.flatnonzero(found & ~equal):  # several ids begin with the same 16 digits
            first = np.searchsorted(self._keys, keys[number])
            last = np.searchsorted(self._keys, keys[number], "right")
            same = self.array.slice(int(first), int(last - first)).to_pylist()
            equal[number] = asked[int(number)].as_py() in same
        return found & equal


def _as_ids(ids: Set[Any]) -> IdSet:
    """Some ids as an `IdSet`."""
    return ids if isinstance(ids, IdSet) else IdSet(ids)


def in_portions(ids: Iterable[str], size: int = PORTION) -> Iterator[list[str]]:
    """Ids in lists of so many."""
    waiting = iter(ids)
    while some := list(islice(waiting, size)):
        yield some


class PartIds(NamedTuple):
    """Ids of a part's sets, in its order.

    Args:
        keys: Their keys.
        long: The ids themselves if some have more than 16 digits; else None.
    """

    keys: Keys
    long: pa.Array | None

    @staticmethod
    def of(ids: pa.Array) -> "PartIds":
        """Reduce ids to what is needed to find them."""
        return PartIds(keys_of(ids), None if are_plain(ids) else ids)


class Whereabouts:
    """Which row of which part belongs to a set: 12 bytes for each.

    Args:
        parts: Ids of each part.
    """

    def __init__(self, parts: Sequence[PartIds]) -> None:
        self._starts = np.cumsum([0, *(len(part.keys) for part in parts)])
        every = np.concatenate([np.zeros(0, np.uint64), *(part.keys for part in parts)])
        self._rows = np.argsort(every, kind="stable").astype(np.uint32)
        self._keys = every[self._rows]
        self._long = [part.long for part in parts]

    def find(self, ids: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of the part, and position in it, of each id; -1 where there is none."""
        keys = keys_of(ids)
        parts, positions = np.full(len(ids), -1), np.full(len(ids), -1)
        if not len(self._keys):
            return parts, positions
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found = self._keys[at] == keys
        if are_plain(ids) and all(long is None for long in self._long):
            rows = self._rows[at[found]].astype(np.int64)
            parts[found] = np.searchsorted(self._starts, rows, "right") - 1
            positions[found] = rows - self._starts[parts[found]]
            return parts, positions
        for number in map(int, np.flatnonzero(found)):
            parts[number], positions[number] = self._exactly(ids[number].as_py(), keys[number])
        return parts, positions

    def _exactly(self, set_id: str, key: np.uint64) -> tuple[int, int]:
        """The same for one id whose key others may have, too."""
        first, last = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        for row in self._rows[first:last].tolist():
            part = int(np.searchsorted(self._starts, row, "right")) - 1
            position, long = row - int(self._starts[part]), self._long[part]
            if set_id == (f"set-{int(key):016x}" if long is None else long[position].as_py()):
                return part, position
        return -1, -1
