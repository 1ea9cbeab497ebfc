"""A set's arrays in one Zarr group: written once, and checked against their checksums when read."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr import AsyncArray
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore, MemoryStore
from zarrs import ZarrsCodecPipeline

from flawcast.configs.errors import StoreError
from flawcast.storage.place import Place
from flawcast.storage.schema import BY_VIDEO, STORED


def array_sha256(array: NDArray[Any]) -> str:
    """SHA-256 over type, shape and bytes (64 hexadecimal digits)."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_arrays(place: Place, folder: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a new group; one video is one chunk, all videos are one shard.

    Zarr writes to memory, not to the store. Its own threads go on after an error and would write
    files that were just removed. In a bucket it would also write the groups above, which all
    writers share.

    Args:
        place: The store's files.
        folder: A folder that does not exist yet: two writers in one shard would lose data.
        arrays: Arrays by name, as in `SampleSet.arrays`.
    """
    objects: dict[str, Buffer] = {}
    group = zarr.create_group(store=MemoryStore(objects), zarr_format=3)
    for name, values in arrays.items():
        videos = name in BY_VIDEO
        stored = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(1, *values.shape[1:]) if videos else values.shape,
            shards=values.shape if videos else None,
            compressors=ZstdCodec(level=3),
            chunk_key_encoding={"name": "default", "separator": "."},  # fewer folders to sync
        )
        stored[...] = values
    place.put_folder(folder, {name: data.to_bytes() for name, data in objects.items()})


def open_array(place: Place, folder: str, name: str, row: Mapping[str, Any]) -> zarr.Array[Any]:
    """Open one array without reading it.

    The size is compared with the row before anything is read, so damaged metadata cannot take more
    memory than the set needs.

    Args:
        place: The store's files.
        folder: The set's array folder.
        name: Which array.
        row: The set's committed row.

    Raises:
        StoreError: If the array is absent or not of the type and shape that the row says.
    """
    wanted = (STORED[name].dtype, STORED[name].shape(row))
    try:
        store, path = place.arrays(f"{folder}/{name}")
        array = zarr.open_array(store=store, path=path, mode="r", zarr_format=3)
        actual = (str(array.dtype), array.shape)
    except Exception as error:  # damaged metadata raises all kinds of errors
        raise StoreError(f"{name}: cannot be read, {_reason(error)}") from error
    if actual != wanted:
        raise StoreError(f"{name}: expected {wanted[0]} {wanted[1]}, got {actual[0]} {actual[1]}")
    return array


def by_video(array: "zarr.Array[Any]") -> "zarr.Array[Any]":
    """The same array, faster for reading one video at a time from a local folder.

    zarrs avoids Zarr's detour through asyncio. It is used for single chunks only: for more it would
    start threads of its own, and a process that is forked later would wait for them forever.
    """
    if not isinstance(array.store, LocalStore):
        return array
    inner = AsyncArray(array.metadata, array.store_path, array.config)
    pipeline = ZarrsCodecPipeline.from_array_metadata_and_store(array.metadata, array.store)
    # Zarr sets the pipeline for the whole process, which would affect other threads and forks.
    object.__setattr__(inner, "codec_pipeline", pipeline)
    return zarr.Array(inner)


def read_array(array: zarr.Array[Any], name: str, part: Any, sha256: str) -> NDArray[Any]:
    """Read an array or a part of it and compare its checksum.

    A missing chunk reads as zeros without an error; the checksum detects it.

    Args:
        array: An open array.
        name: Name of the array in messages.
        part: Index of the part to read; `...` for all.
        sha256: Result of `array_sha256` when the array was written.

    Raises:
        StoreError: If it cannot be read or is not what was written.
    """
    try:
        values = np.asarray(array[part])
    except Exception as error:  # damaged chunks raise all kinds of errors
        raise StoreError(f"{name}: cannot be read, {_reason(error)}") from error
    if array_sha256(values) != sha256:
        raise StoreError(f"{name}: the bytes are not those that were written")
    return values


def _reason(error: Exception) -> str:
    """An error as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
