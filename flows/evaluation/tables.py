"""Rows as Parquet files that appear whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flawcast.configs.files import whole_file

Row = Mapping[str, Any]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows of equal keys, at least one, in one last step; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), draft, compression="zstd")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read what `write_rows` wrote."""
    rows: list[dict[str, Any]] = pq.ParquetFile(path).read(use_threads=False).to_pylist()
    return rows


def distinct(rows: Sequence[Row], key: str) -> list[Any]:
    """The values of a column, in the order in which they come."""
    return list(dict.fromkeys(row[key] for row in rows))
