"""Stores of any number of sets that have rows but no arrays, as compaction would leave them."""

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flawcast.storage import SampleStore, compaction
from flawcast.storage.arrays import array_sha256
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Manifest, Part, publish_manifest
from flawcast.storage.place import Place
from flawcast.storage.rows import _row_sha256, commit_table, rows_sha256, sample_table, write_rows
from flawcast.storage.schema import COMMITS, SAMPLES
from tests.storage.examples import sample_set

SPREAD = 0x9E3779B97F4A7C15  # makes ids whose digits are spread evenly, as those of hashes are
LABELS = ("jam", "normal", "slip", "scratch")


def simulated_id(number: int) -> str:
    """Id of the set of a number."""
    return f"set-{(number * SPREAD) % 2**64:016x}"


def digest(*parts: object) -> str:
    """64 hexadecimal digits that look like those of an array."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def rows_of(numbers: range, keep: int) -> tuple[pa.Table, pa.Table]:
    """Rows of some sets and of their samples, with the checksums that `verify` compares."""
    base = sample_set(0, keep=keep) if keep == 3 else sample_set(0)
    arrays = base.arrays()
    samples_data, row_data = write_rows(base, arrays, f"{base.id}.{'0' * 32}")
    (row,) = pq.ParquetFile(pa.BufferReader(row_data)).read().to_pylist()
    (sample, *_) = pq.ParquetFile(pa.BufferReader(samples_data)).read().to_pylist()
    checksums = {name: array_sha256(array) for name, array in arrays.items()}
    shared = [name for name in SAMPLES.names if name in COMMITS.names and name != "set_id"]
    own = ("mae", "ssim")  # a set's are means, a sample's are its own
    sets: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    for number in numbers:
        name = simulated_id(number)
        attempt = f"{name}.{digest('nonce', number)[:32]}"
        changed = {
            "set_id": name,
            "apd": (number * 7919 % 1_000_003) / 1_000_003,
            "label": LABELS[number % len(LABELS)],
            "clip_id": f"clip-{number // 40:016x}",
            "clip_name": f"line-{number // 40}.mp4",
            "source_clip_id": f"clip-{number % 5000:016x}",
            "source_clip_name": f"line-{number % 5000}.mp4",
            "window_start": 24 * (number % 40),
            "seed": number % 40,
            "split": "test" if number // 40 % 50 == 0 else "train",
            "run_id": f"run-{number // 20_000}",
            "created_at": row["created_at"] + timedelta(seconds=number),
            "keep": keep,
        }
        values = {**row, **changed, "arrays": attempt, "samples_file": f"{attempt}.parquet"}
        mine = []
        for rank in range(keep):
            mine.append(
                {
                    **sample,
                    **{column: values[column] for column in shared if column not in own},
                    "set_id": name,
                    "sample_id": f"{name}-{5 * rank:03d}",
                    "index": 5 * rank,
                    "rank": rank,
                    "diversity": values["apd"] * (0.5 + ((number + rank) * 31 % 997) / 997),
                    "video_sha256": digest("video", number, rank),
                }
            )
        made = {array: digest(array, number) for array in checksums}
        made |= {"samples": digest("samples", number), "sample_rows": rows_sha256(mine)}
        values["checksums"] = json.dumps(made)
        values["row_sha256"] = _row_sha256(values)
        sets.append(values)
        samples += mine
    return commit_table(sets), sample_table(samples)


def write_parts(place: Place, numbers: range, keep: int) -> Iterator[Part]:
    """Write sets in parts of the size that compaction makes."""
    size = compaction.SETS_PER_PART
    for first in range(numbers.start, numbers.stop, size):
        rows = compaction._Rows(*rows_of(range(first, min(first + size, numbers.stop)), keep))
        yield compaction._write_part(place, compaction._joined([rows]))


def simulate(root: Path, count: int, keep: int = 3) -> SampleStore:
    """A store with the rows of so many sets."""
    store = SampleStore.open(root, "a")
    place = LocalPlace(root)
    parts = tuple(write_parts(place, range(count), keep))
    assert publish_manifest(place, Manifest(1, parts))
    return store


if __name__ == "__main__":
    simulate(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
