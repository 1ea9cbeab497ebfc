"""Parquet rows of a set and its samples: writing them, and reading them with their checksums."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError, one_line
from flawcast.storage.arrays import array_sha256
from flawcast.storage.drawn import layer_facts
from flawcast.storage.layered import LayeredArray
from flawcast.storage.sample_set import SampleSet
from flawcast.storage.schema import ATTEMPT, COMMITS, DRAWN, GENERATION, MASK_ARRAYS, SAMPLES


def write_rows(
    sample_set: SampleSet, arrays: Mapping[str, NDArray[Any]], attempt: str, generation: int = 0
) -> tuple[bytes, bytes]:
    """Turn a set into the bytes of its two Parquet files.

    Args:
        sample_set: A set that passed `check_sample_set`.
        arrays: Its arrays, as `SampleSet.arrays` returns them.
        attempt: Name of the array folder and, with ".parquet", of the samples file.
        generation: More than 0 for a set that is made again after it was forgotten.

    Returns:
        The samples file, and the file with the set's row, which names the samples file.

    Raises:
        StoreError: If a value of the provenance has the wrong type.
    """
    columns = _shared_columns(sample_set)
    samples = encode_rows(_sample_rows(sample_set, columns), SAMPLES)
    kept = sample_set.mae[sample_set.indices].astype(np.float64)
    checksums: dict[str, Any] = {name: array_sha256(array) for name, array in arrays.items()}
    for name in MASK_ARRAYS.keys() & arrays.keys():  # samples' rows hold the checksums of videos
        checksums[f"{name} by rank"] = [array_sha256(array) for array in arrays[name]]
    if sample_set.layers is not None:
        masks = isinstance(sample_set.masks, LayeredArray)
        checksums[DRAWN] = layer_facts(sample_set.layers, masks)
    if generation:
        checksums[GENERATION] = generation
    row = {
        "set_id": sample_set.id,
        "mae": float(kept.mean()),
        "best_mae": float(kept.min()),
        "ssim": float(sample_set.ssim.astype(np.float64).mean()),
        **columns,
        "arrays": attempt,
        "samples_file": f"{attempt}.parquet",
        "checksums": json.dumps(
            {
                **checksums,
                "samples": hashlib.sha256(samples).hexdigest(),  # of the file
                # Of the values, which stay the same when compaction moves the rows.
                "sample_rows": rows_sha256(decode_rows(samples, SAMPLES, "samples")),
            }
        ),
    }
    return samples, encode_rows([sealed(row)], COMMITS)


def sealed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A set's row with the checksum of all its other columns."""
    plain = _table([dict(row)], COMMITS).to_pylist()[0]
    return {**plain, "row_sha256": _row_sha256(plain)}


def read_commit(data: bytes, set_id: str) -> dict[str, Any]:
    """Read a set's row.

    Args:
        data: Bytes of the file in sets/.
        set_id: Id of the set that the file is named after.

    Raises:
        StoreError: If the row is damaged, belongs to another set, or names other files.
    """
    rows = decode_rows(data, COMMITS, "row")
    if len(rows) != 1:
        raise StoreError(f"row: expected one, got {len(rows)}")
    return check_row(rows[0], set_id)


def check_row(row: dict[str, Any], set_id: str) -> dict[str, Any]:
    """Compare a set's row with its checksum, and parse the checksums in it.

    Raises:
        StoreError: If the row is damaged, belongs to another set, or names other files.
    """
    if row["row_sha256"] != _row_sha256(row):
        raise StoreError("row: the values are not those that were written")
    attempt = str(row["arrays"])
    named = ATTEMPT.fullmatch(attempt) and row["samples_file"] == f"{attempt}.parquet"
    if row["set_id"] != set_id or not named or attempt.split(".")[0] != set_id:
        raise StoreError(f"row: names other files than those of {set_id}")
    return row | {"checksums": json.loads(row["checksums"])}


def moved_row(row: Mapping[str, Any], samples: list[dict[str, Any]]) -> dict[str, Any]:
    """A set's row, as `check_row` returned it, to be written in another file.

    Rows of version 1 lack the checksum of their samples' values; this function adds it.
    """
    checksums = {**row["checksums"], "sample_rows": rows_sha256(samples)}
    moved = {**row, "checksums": json.dumps(checksums)}
    return moved if "sample_rows" in row["checksums"] else sealed(moved)


def commit_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Sets' rows as a table."""
    return _table(rows, COMMITS)


def sample_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Samples' rows as a table."""
    return _table(rows, SAMPLES)


def read_samples(data: bytes, sha256: str) -> list[dict[str, Any]]:
    """Read the file with the rows of a set's kept samples.

    Raises:
        StoreError: If the file is not what was written.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError("samples: the bytes are not those that were written")
    return decode_rows(data, SAMPLES, "samples")


def check_samples(rows: list[dict[str, Any]], sha256: str) -> list[dict[str, Any]]:
    """Compare sample rows, in the order of their rank, with their checksum.

    Raises:
        StoreError: If they are not what was written.
    """
    if rows_sha256(rows) != sha256:
        raise StoreError("samples: the values are not those that were written")
    return rows


def rows_sha256(rows: list[dict[str, Any]]) -> str:
    """SHA-256 over the values of rows, which does not depend on their file."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def _shared_columns(sample_set: SampleSet) -> dict[str, Any]:
    """The columns that the row of a set and the rows of its samples share."""
    _, _, height, width, _ = sample_set.videos.shape
    coherence = float(sample_set.coherence)
    return {
        **asdict(sample_set.provenance),
        "apd": float(sample_set.apd),
        "hold_mae": float(sample_set.hold_mae),
        "coherence": None if np.isnan(coherence) else coherence,
        "height": height,
        "width": width,
        "keypoint_length": sample_set.keypoints.shape[2],
        "created_at": datetime.now(UTC).replace(tzinfo=None),
    }


def _sample_rows(sample_set: SampleSet, shared: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per kept video."""
    return [
        {
            **shared,
            "sample_id": sample_set.sample_id(index),
            "set_id": sample_set.id,
            "index": index,
            "rank": rank,
            "mae": float(sample_set.mae[index]),
            "ssim": float(sample_set.ssim[rank]),
            "diversity": float(sample_set.diversity[rank]),
            "video_sha256": _video_sha256(sample_set, rank),
        }
        for rank, index in enumerate(sample_set.indices)
    ]


def _video_sha256(sample_set: SampleSet, rank: int) -> str:
    """SHA-256 of a kept video, or of what it is drawn from."""
    layers = sample_set.layers
    return array_sha256(sample_set.videos[rank]) if layers is None else layers.video_sha256(rank)


def _row_sha256(row: Mapping[str, Any]) -> str:
    """SHA-256 over all columns except the checksum itself."""
    values = {name: value for name, value in row.items() if name != "row_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table in which each column has its declared type."""
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = one_line(error)
        raise StoreError(f"provenance: a value has the wrong type, {reason}") from None


def encode_rows(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    """The bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(_table(rows, schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def decode_rows(data: bytes, schema: pa.Schema, what: str) -> list[dict[str, Any]]:
    """The rows of a Parquet file, which must have exactly these columns."""
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"{what}: cannot be read, {one_line(error)}") from None
    if not table.schema.equals(schema):
        raise StoreError(f"{what}: expected the columns of a flawcast store, got others")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
