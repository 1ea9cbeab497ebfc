"""Single videos out of a bucket: two small requests each, many at a time, and ahead of need.

All videos of a set are one object, with an index of its chunks at the end. A video is fetched with
one request for the index, unless it is known, and one for its chunk. The general way through Zarr
asks for the metadata of the array first, and does one thing after the other.
"""

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flawcast.storage.arrays import array_sha256
from flawcast.storage.ids import IdSet
from flawcast.storage.layout import array_folder
from flawcast.storage.local_cache import LocalCache
from flawcast.storage.place import Place
from flawcast.storage.sample_rows import SampleRows
from flawcast.storage.schema import DRAWN
from flawcast.storage.streamed import Streamed

AT_ONCE = 16  # requests of a process at the same time
INDEXES = 4096  # of sets that are known at once
WAITING = 256  # pieces that are fetched or wait to be taken at most
ENTRY, CRC = 16, 4  # bytes of a chunk's place and size in the index, and of its checksum


class Piece(NamedTuple):
    """One video, or its masks.

    Args:
        attempt: Name of the set's array folder.
        name: "videos", "masks" or "valid".
        rank: Which of the kept videos.
        keep: Number of the set's kept videos.
        axes: Number of axes of the array.
    """

    attempt: str
    name: str
    rank: int
    keep: int
    axes: int

    @property
    def shard(self) -> str:
        """The object that holds all videos of the set."""
        return f"{array_folder(self.attempt)}/{self.name}/c{'.0' * self.axes}"


class PieceReader:
    """Fetches pieces of a store; each process has its own.

    Args:
        place: The store's files.
        cache: Where fetched pieces stay; None to fetch each anew.
    """

    def __init__(self, place: Place, cache: LocalCache | None = None) -> None:
        self.place, self.cache = place, cache
        self._start()

    def __getstate__(self) -> dict[str, Any]:
        """Threads and what they fetched stay here."""
        return {"place": self.place, "cache": self.cache}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def _start(self) -> None:
        """Begin without threads: the first piece makes them."""
        self._threads: ThreadPoolExecutor | None = None
        self._indexes: OrderedDict[str, bytes] = OrderedDict()
        self._waiting: OrderedDict[Piece, Future[bytes]] = OrderedDict()
        self._lock = Lock()

    def ahead(self, pieces: Iterable[Piece]) -> None:
        """Begin to fetch pieces that will be read soon."""
        for piece in pieces:
            with self._lock:
                if piece not in self._waiting and len(self._waiting) < WAITING:
                    self._waiting[piece] = self._submit(piece)

    def read(
        self, piece: Piece, dtype: str, shape: tuple[int, ...], sha256: str
    ) -> NDArray[Any] | None:
        """A piece, compared with its checksum; None if it must be read in the general way."""
        with self._lock:
            waiting = self._waiting.pop(piece, None) or self._submit(piece)
        try:
            return self._decoded(waiting.result(), dtype, shape, sha256)
        except (OSError, ValueError, RuntimeError):
            pass  # the general way tells what is wrong, or does without a damaged cache
        if self.cache is not None:
            self.cache.drop(self._key(piece, "chunk"))
            self.cache.drop(self._key(piece, "index"))
        self._indexes.pop(piece.shard, None)
        return None

    def _decoded(
        self, data: bytes, dtype: str, shape: tuple[int, ...], sha256: str
    ) -> NDArray[Any]:
        """The array of a chunk."""
        count = prod(shape)
        if not data:  # Zarr writes no chunk of zeros
            values = np.zeros(count, dtype)
        else:
            plain = pa.Codec("zstd").decompress(data, count * np.dtype(dtype).itemsize)
            values = np.frombuffer(plain, dtype).copy()  # may be changed, as torch expects
        if array_sha256(values.reshape(shape)) != sha256:
            raise ValueError("the bytes are not those that were written")
        return values.reshape(shape)

    def _submit(self, piece: Piece) -> "Future[bytes]":
        """Fetch a piece in another thread."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pieces")
        return self._threads.submit(self._fetch, piece)

    def _fetch(self, piece: Piece) -> bytes:
        """The bytes of a piece, from here or from the store."""
        key = self._key(piece, "chunk")
        if self.cache is not None and (known := self.cache.get(key)) is not None:
            return known
        entries = np.frombuffer(self._index(piece), "<u8", 2 * piece.keep).reshape(-1, 2)
        offset, size = (int(value) for value in entries[piece.rank])
        absent = offset == size == 2**64 - 1
        data = b"" if absent else self.place.read_range(piece.shard, offset, size)
        if self.cache is not None:
            self.cache.put(key, data)
        return data

    def _index(self, piece: Piece) -> bytes:
        """Places and sizes of a set's chunks."""
        known = self._indexes.get(piece.shard)
        if known is None:
            key = self._key(piece, "index")
            known = None if self.cache is None else self.cache.get(key)
            if known is None:
                known = self.place.read_tail(piece.shard, ENTRY * piece.keep + CRC)
                if self.cache is not None:
                    self.cache.put(key, known)
            self._indexes[piece.shard] = known
            while len(self._indexes) > INDEXES:
                self._indexes.popitem(last=False)
        return known

    def _key(self, piece: Piece, kind: str) -> str:
        """Name in the cache; stores of other addresses may share the folder."""
        rank = piece.rank if kind == "chunk" else ""
        return f"{self.place.url} {piece.shard} {kind} {rank}"


class Folders:
    """Array folders of sets whose videos are stored, in 56 bytes for each set.

    Args:
        ids: The sets.
        nonces: What the names of their folders end with, in the order of the ids; empty for sets
            whose videos are drawn.
    """

    def __init__(self, ids: IdSet | None = None, nonces: NDArray[np.bytes_] | None = None) -> None:
        self.ids, self.nonces = ids or IdSet(), nonces

    @staticmethod
    def of(store: Streamed, rows: SampleRows) -> "Folders":
        """Those of the sets that some samples belong to."""
        ids = IdSet(set(rows.values("set_id")))
        nonces = np.zeros(len(ids), "S32")
        for table in store.tables(ids, ["set_id", "arrays", "checksums"]):
            drawn = pc.match_substring(table["checksums"], f'"{DRAWN}": {{')
            stored = table.filter(pc.invert(drawn))
            places = ids.positions(stored["set_id"])
            names = pc.utf8_slice_codeunits(stored["arrays"], -32)
            nonces[places] = np.array(names.to_pylist(), "S32")
        return Folders(ids, nonces)

    def attempt(self, set_id: str) -> str | None:
        """Name of a set's array folder; None if it is not known, or its videos are drawn."""
        if self.nonces is None or set_id not in self.ids:
            return None
        nonce = self.nonces[int(self.ids.positions([set_id])[0])]
        return f"{set_id}.{nonce.decode()}" if nonce else None
