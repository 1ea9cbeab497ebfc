"""Damage is found, named, and never handed out as data."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleStore
from tests.storage.examples import sample_set, set_id

Damage = Callable[[SampleStore], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets."""
    folder = tmp_path_factory.mktemp("sound") / "store"
    for seed in (1, 2):
        SampleStore.open(folder, "a").commit(sample_set(seed))
    return folder


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> SampleStore:
    """A copy of the sound store, to be damaged."""
    return SampleStore.open(shutil.copytree(sound, tmp_path / "store"))


def attempt(store: SampleStore, seed: int = 1) -> Path:
    """The array folder of a set."""
    return next((store.root / "arrays").glob(f"{set_id(seed)}.*"))


def shard(store: SampleStore, array: str) -> Path:
    """The file with an array's bytes."""
    return next((attempt(store) / array).glob("c*"))


def flip(path: Path, place: float) -> None:
    """Invert one byte."""
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 255
    path.write_bytes(data)


def truncate(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def row_file(store: SampleStore) -> Path:
    """The file of the set's row."""
    return store.root / "sets" / f"{set_id(1)}.parquet"


def samples_file(store: SampleStore) -> Path:
    """The file of the samples' rows."""
    return next((store.root / "samples").glob(f"{set_id(1)}.*"))


def rewrite_row(store: SampleStore, **changes: Any) -> None:
    """Change values of a row as a person would who also mends its checksum."""
    table = pq.ParquetFile(row_file(store)).read()
    row = table.to_pylist()[0] | changes
    row.pop("row_sha256")
    text = json.dumps(row, sort_keys=True, default=str)
    row["row_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    pq.write_table(type(table).from_pylist([row], schema=table.schema), row_file(store))


def edit_row(store: SampleStore) -> None:
    """Change a score without mending the checksum."""
    table = pq.ParquetFile(row_file(store)).read()
    row = table.to_pylist()[0] | {"apd": 0.5}
    pq.write_table(type(table).from_pylist([row], schema=table.schema), row_file(store))


def grow_metadata(store: SampleStore) -> None:
    """Let an array claim a size that no memory holds."""
    path = attempt(store) / "keypoints" / "zarr.json"
    values = json.loads(path.read_text()) | {"shape": [10**9, 10**6, 60]}
    path.write_text(json.dumps(values))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "flipped byte in a shard": (lambda s: flip(shard(s, "videos"), 0.3), "videos: "),
    "flipped byte in a shard's index": (lambda s: flip(shard(s, "videos"), 0.999), "videos: "),
    "flipped byte in keypoints": (lambda s: flip(shard(s, "keypoints"), 0.5), "keypoints: "),
    "truncated shard": (lambda s: truncate(shard(s, "videos")), "videos: "),
    "missing shard": (lambda s: shard(s, "videos").unlink(), "videos: the bytes are not those"),
    "missing array": (lambda s: shutil.rmtree(attempt(s) / "past"), "past: cannot be read"),
    "missing arrays": (lambda s: shutil.rmtree(attempt(s)), "mae: cannot be read"),
    "metadata of absurd size": (grow_metadata, "keypoints: expected float32"),
    "truncated samples": (lambda s: truncate(samples_file(s)), "samples: the bytes are not"),
    "missing samples": (lambda s: samples_file(s).unlink(), "samples: cannot be read"),
    "truncated row": (lambda s: truncate(row_file(s)), "row: cannot be read"),
    "empty row file": (lambda s: row_file(s).write_bytes(b"") and None, "row: cannot be read"),
    "edited row": (edit_row, "row: the values are not those that were written"),
    "row that leads out of the store": (
        lambda s: rewrite_row(s, arrays="../../elsewhere"),
        "row: names other files",
    ),
    "row of another set": (
        lambda s: shutil.copy(s.root / "sets" / f"{set_id(2)}.parquet", row_file(s)) and None,
        "row: names other files",
    ),
}


def test_a_sound_store_has_no_problems(store: SampleStore) -> None:
    assert store.verify() == []


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_not_loaded(store: SampleStore, name: str) -> None:
    damage, problem = DAMAGES[name]
    damage(store)
    found = store.verify()
    assert {item.set_id for item in found} == {set_id(1)}
    assert any(item.problem.startswith(problem) for item in found), found
    with pytest.raises(StoreError, match="see `flawcast verify"):
        store.load(set_id(1))
    assert np.array_equal(store.load(set_id(2)).videos, sample_set(2).videos)


@pytest.mark.parametrize(("rows", "file"), [("sets", row_file), ("samples", samples_file)])
@pytest.mark.parametrize("damage", [truncate, Path.unlink])
def test_query_of_damaged_tables_is_one_clear_line(
    store: SampleStore, rows: str, file: Callable[[SampleStore], Path], damage: Callable[..., None]
) -> None:
    path = file(store)
    damage(path)
    if path.exists() or rows == "samples":  # without its row, a set is not there at all
        with pytest.raises(StoreError, match=r"missing or damaged; `flawcast verify`"):
            store.query("apd >= 0", rows=rows)
    else:
        assert store.query()["set_id"].to_pylist() == [set_id(2)]


def test_query_reads_no_file_outside_the_store(store: SampleStore) -> None:
    rewrite_row(store, samples_file="../../secret.parquet")
    with pytest.raises(StoreError, match="is no name in a store"):
        store.query(rows="samples")


def test_leftovers_of_killed_writers_are_not_seen(store: SampleStore) -> None:
    (store.root / "sets" / f".{attempt(store).name}.parquet").write_bytes(b"half")
    (store.root / "samples" / f"{set_id(3)}.{'0' * 32}.parquet").write_bytes(b"half")
    (store.root / "arrays" / f"{set_id(3)}.{'0' * 32}").mkdir()
    assert store.set_ids() == [set_id(1), set_id(2)]
    assert store.query(rows="samples").num_rows == 6
    assert store.verify() == []
