"""Commit and load: exact, once, whole or not at all, whoever writes and whenever it is killed."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawcast.configs.errors import ShapeError, StoreError
from flawcast.storage import SampleStore
from tests.paths import ROOT
from tests.processes import PROCESSES
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal, commit_all, commit_together, kill_at


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return SampleStore.open(tmp_path / "store", "a")


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its time of change and size."""
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_set_comes_back_exactly(store: SampleStore) -> None:
    wanted = sample_set(1)
    assert store.commit(wanted)
    assert_equal(SampleStore.open(store.url).load(wanted.id), wanted)
    assert store.set_ids() == [wanted.id]
    assert store.has(wanted.id)
    assert not store.has(set_id(2))


def test_black_videos_and_unknown_values_come_back(store: SampleStore) -> None:
    black = np.zeros((3, 4, 8, 10, 3), np.uint8)
    wanted = sample_set(1, videos=black, coherence=float("nan"), fps=None, onset=None, split=None)
    store.commit(wanted)
    assert_equal(store.load(wanted.id), wanted)
    assert store.verify() == []


def test_second_commit_changes_no_file(store: SampleStore) -> None:
    assert store.commit(sample_set(1))
    before = listing(store.root)
    assert not SampleStore.open(store.root.as_uri(), "a").commit(sample_set(1))
    assert listing(store.root) == before


def test_one_video_is_one_chunk_and_a_set_one_shard(store: SampleStore) -> None:
    store.commit(sample_set(1))
    videos = store.open_array(set_id(1), "videos")
    assert (videos.chunks, videos.shards) == ((1, 4, 8, 10, 3), (3, 4, 8, 10, 3))
    assert np.array_equal(videos[1], sample_set(1).videos[1])
    with pytest.raises(StoreError, match="array: expected one of videos, keypoints"):
        store.open_array(set_id(1), "../mae")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "set-../../etc"}, "set id: expected 'set-' and 16 to 64 hexadecimal digits"),
        ({"videos": np.zeros((3, 4, 8, 10, 3))}, "videos: expected an array of uint8, got float64"),
        ({"videos": np.zeros((3, 4, 8, 9, 3), np.uint8)}, "reference: expected axes"),
        ({"mae": np.full(6, np.nan, np.float32)}, "mae: expected finite numbers"),
        ({"mae": np.full(7, 0.1, np.float32)}, "mae: expected axes"),
        ({"keypoints": np.full((6, 4, 5), np.inf, np.float32)}, "keypoints: expected finite"),
        ({"keypoints": np.zeros((6, 3, 5), np.float32)}, "keypoints: expected axes"),
        ({"indices": [0, 1]}, "indices: expected one for each of 3 kept videos, got 2"),
        ({"indices": [0, 1, 1]}, "indices: expected different draws from 0 to 5"),
        ({"indices": [0, 1, 6]}, "indices: expected different draws from 0 to 5"),
        ({"past": np.zeros((0, 8, 10, 3), np.uint8)}, "at least one along every axis, got P = 0"),
        ({"apd": -0.1}, "apd: expected 0 or more"),
        ({"hold_mae": float("nan")}, "hold_mae: expected finite"),
        ({"coherence": float("inf")}, "coherence: expected 0 or more, or nan"),
        ({"samples": 100}, "provenance.samples: expected 6 as in the arrays, got 100"),
        ({"mode": "dream"}, "provenance.mode: expected one of"),
        ({"settings": "{"}, "provenance.settings: expected JSON"),
        ({"label": 7}, "provenance: a value has the wrong type"),
        ({"label": "\ud800"}, "provenance: a value has the wrong type"),
        ({"window_start": 2**70}, "provenance: a value has the wrong type"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_refused_before_anything_is_written(
    store: SampleStore, changes: dict[str, Any], message: str
) -> None:
    before = listing(store.root)
    with pytest.raises((StoreError, ShapeError), match=message):
        store.commit(sample_set(1, **changes))
    assert listing(store.root) == before


@pytest.mark.parametrize(
    ("call", "folder", "count", "after", "there"),
    [
        ("mkdir", "/arrays/", 1, False, False),
        ("mkdir", "/arrays/", 5, False, False),
        ("mkdir", "/arrays/", 9, False, False),
        ("fsync", "", 1, False, False),
        ("fsync", "", 10, False, False),
        ("fsync", "", 20, True, False),
        ("fsync", "", 24, True, False),
        ("link", "/sets/", 1, False, False),
        ("link", "/sets/", 1, True, True),
        ("unlink", "/sets/", 1, True, True),
    ],
)
def test_killed_commit_shows_nothing_or_the_whole_set(
    store: SampleStore, call: str, folder: str, count: int, after: bool, there: bool
) -> None:
    store.commit(sample_set(2))
    process = PROCESSES.Process(target=kill_at, args=(store.url, call, folder, count, after))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    reader = SampleStore.open(store.url)
    assert reader.has(set_id(1)) == there
    assert reader.query().num_rows == len(reader.set_ids()) == 1 + there
    assert reader.verify() == []
    assert store.commit(sample_set(1)) != there
    assert_equal(reader.load(set_id(1)), sample_set(1))
    assert SampleStore.open(store.url).query(rows="samples").num_rows == 6


def test_writer_killed_at_random_moments_leaves_whole_sets(tmp_path: Path) -> None:
    url, seeds, rng = str(tmp_path / "store"), list(range(12)), np.random.default_rng(5)
    SampleStore.open(url, "a")
    for _ in range(8):
        process = PROCESSES.Process(target=commit_all, args=(url, seeds))
        process.start()
        time.sleep(rng.uniform(0.02, 0.25))
        process.kill()
        process.join(60)
        reader = SampleStore.open(url)
        assert reader.verify() == []
        assert reader.query(rows="samples").num_rows == 3 * len(reader.set_ids())
    commit_all(url, seeds)
    assert reader.set_ids() == [set_id(seed) for seed in seeds]
    for seed in seeds:
        assert_equal(reader.load(set_id(seed)), sample_set(seed))


def test_of_two_writers_of_a_set_one_wins_and_leaves_nothing_twice(tmp_path: Path) -> None:
    url, seeds = str(tmp_path / "store"), list(range(6))
    barrier, written = PROCESSES.Barrier(2), PROCESSES.Queue()
    writers = [
        PROCESSES.Process(target=commit_together, args=(url, seeds, barrier, written))
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    answers = [written.get(timeout=60) for _ in range(2 * len(seeds))]
    for writer in writers:
        writer.join(60)
    assert sorted(answers) == sorted((seed, won) for seed in seeds for won in (False, True))
    store = SampleStore.open(url)
    assert store.query()["set_id"].to_pylist() == [set_id(seed) for seed in seeds]
    assert store.verify() == []
    for folder in ("arrays", "samples", "sets"):
        assert len(list((store.root / folder).iterdir())) == len(seeds)


def test_loser_of_a_race_removes_what_it_wrote(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(sample_set(1))
    before = set(listing(store.root))
    monkeypatch.setattr(SampleStore, "has", lambda self, set_id: False)
    assert not store.commit(sample_set(1))
    assert set(listing(store.root)) == before


def test_full_disk_is_one_clear_line_and_leaves_nothing(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(listing(store.root))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="not written: No space left on device; make room"):
        store.commit(sample_set(1))
    assert set(listing(store.root)) == before


def test_opening_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected a store, found nothing; `flawcast generate"):
        SampleStore.open(tmp_path / "absent")
    with pytest.raises(StoreError, match="expected a path, a file:// URL or an s3:// URL"):
        SampleStore.open("gs://bucket/store", "a")
    (tmp_path / "photo.png").touch()
    for mode in ("r", "a"):
        with pytest.raises(StoreError, match=r"without store.json|photo.png and no store.json"):
            SampleStore.open(tmp_path, mode)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="photo"):
        SampleStore.open(tmp_path / "photo.png", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ('{"format": "flawcast-store", "version": 8}', "expected version 7 or older, got 8"),
        ('{"format": "other", "version": 1}', "not that of a flawcast store"),
        ("[", "not that of a flawcast store"),
    ],
    ids=["newer", "other", "broken"],
)
def test_other_versions_and_formats_are_refused(
    store: SampleStore, head: str, message: str
) -> None:
    (store.root / "store.json").write_text(head)
    with pytest.raises(StoreError, match=message):
        SampleStore.open(store.url)


def test_a_store_opened_for_reading_is_not_written(store: SampleStore) -> None:
    with pytest.raises(StoreError, match="opened for reading; open it with mode 'a'"):
        SampleStore.open(store.url).commit(sample_set(1))


@pytest.mark.parametrize("bad", ["../store", "set-1", "set-" + "0" * 15 + "/", "", "set-G" * 4])
def test_ids_cannot_name_other_files(store: SampleStore, bad: str) -> None:
    for call in (store.has, store.load):
        with pytest.raises(StoreError, match="set id: expected"):
            call(bad)


def test_absent_set_is_one_clear_line(store: SampleStore) -> None:
    for call in (store.load, store.row, lambda name: store.open_array(name, "mae")):
        with pytest.raises(StoreError, match=r"^store .*: no set set-0000000000000009; list the"):
            call(set_id(9))


def test_a_store_travels_to_a_worker(store: SampleStore) -> None:
    store.commit(sample_set(1))
    assert pickle.loads(pickle.dumps(store)).set_ids() == [set_id(1)]  # noqa: S301


def test_a_store_is_used_without_torch_and_ray(store: SampleStore) -> None:
    store.commit(sample_set(1))
    code = (
        "import sys, storage; s = storage.SampleStore.open(sys.argv[1]);"
        "s.load(s.set_ids()[0]); s.query(); s.verify();"
        "assert not {'torch', 'ray', 'prefect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, store.url], check=True, cwd=ROOT)
