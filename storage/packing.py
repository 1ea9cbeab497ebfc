"""Many small arrays as one array of bytes, so that a store has one object of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError

Entries: TypeAlias = Sequence[tuple[str, str, Sequence[int]]]
"""Name, type and shape of each array, in the order of their bytes."""

ALIGNMENT = 64  # bytes: each array begins at a multiple, so that it can be used in place
KINDS = "uifb"  # plain numbers


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.uint8], Entries]:
    """Put arrays one after the other.

    Raises:
        StoreError: If one does not hold plain numbers.
    """
    entries = []
    pieces = []
    for name, array in sorted(arrays.items()):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in KINDS:
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise StoreError(f"{name}: expected an array of numbers, got {kind}; convert it first")
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        entries.append((name, plain.dtype.str, list(array.shape)))
        pieces += [plain.reshape(-1).view(np.uint8), np.zeros(-plain.nbytes % ALIGNMENT, np.uint8)]
    return np.concatenate([np.zeros(0, np.uint8), *pieces]), entries


def unpack(data: NDArray[np.uint8], entries: Entries) -> dict[str, NDArray[Any]]:
    """The arrays that `pack` put together, without a copy.

    Raises:
        StoreError: If the bytes are not as many as the entries say.
    """
    arrays: dict[str, NDArray[Any]] = {}
    if len(data) != packed_bytes(entries):
        raise StoreError(f"layers: expected {packed_bytes(entries)} bytes, got {len(data)}")
    start = 0
    for name, dtype, shape in entries:
        size = _bytes(dtype, shape)
        arrays[name] = data[start : start + size].view(dtype).reshape(shape)
        start += size + -size % ALIGNMENT
    return arrays


def packed_bytes(entries: Entries) -> int:
    """Number of bytes of packed arrays."""
    sizes = [_bytes(dtype, shape) for _, dtype, shape in entries]
    return sum(size + -size % ALIGNMENT for size in sizes)


def sha256_of_packed(renderer: str, entries: Entries, data_sha256: str) -> str:
    """SHA-256 of what a source is drawn from, by the checksum of its bytes."""
    said = json.dumps([renderer, [list(entry) for entry in entries], data_sha256])
    return hashlib.sha256(said.encode()).hexdigest()


def _bytes(dtype: str, shape: Sequence[int]) -> int:
    """Number of bytes of one array."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
