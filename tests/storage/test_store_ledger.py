"""The ledger says which runs there were, how they went, and which clips they left out."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleStore
from flawcast.storage import ledger as ledger_module
from flawcast.storage.schema import REJECTS, RUNS
from tests.processes import PROCESSES
from tests.storage.examples import sample_set
from tests.storage.writers import die_in_a_run


def test_a_run_is_a_row_from_its_beginning_to_its_end(store_url: str) -> None:
    store, reader = SampleStore.open(store_url, "a"), SampleStore.open(store_url)
    assert reader.query(rows="runs").schema.equals(RUNS)
    assert reader.query(rows="rejects").schema.equals(REJECTS)
    with store.ledger.run("run-1", {"seed": 7}, planned=3, version="0.1.0") as entry:
        entry.reject([("broken.mp4", "no frames"), ("short.gif", "3 frames, needs 24")])
        (row,) = reader.query("state = 'running'", rows="runs").to_pylist()
        assert (row["planned"], row["made"], row["ended"]) == (3, None, None)
        assert row["rejected"] == 2
        entry.count(made=2, skipped=1, failed=0)
    (row,) = reader.query(rows="runs").to_pylist()
    assert (row["state"], row["made"], row["skipped"], row["failed"]) == ("completed", 2, 1, 0)
    assert row["started"] <= row["ended"]
    assert row["seconds"] == pytest.approx((row["ended"] - row["started"]).total_seconds())
    assert json.loads(row["settings"]) == {"seed": 7}
    assert (row["pid"], row["version"]) == (os.getpid(), "0.1.0")
    rejects = reader.query("reason like '%frames%'", "clip", rows="rejects").to_pylist()
    assert [(row["run_id"], row["clip"]) for row in rejects] == [
        ("run-1", "broken.mp4"),
        ("run-1", "short.gif"),
    ]
    with pytest.raises(StoreError, match="run run-1: expected a new id"):
        store.ledger.begin("run-1", {}, 0)


def test_a_run_that_fails_or_is_interrupted_says_so(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")

    def fail(name: str, error: BaseException) -> None:
        with store.ledger.run(name, {}, 5) as entry:
            entry.count(made=2, skipped=0, failed=3)
            raise error

    for name, error in (("a", StoreError("disk\nfull")), ("b", KeyboardInterrupt())):
        with pytest.raises(type(error)):
            fail(name, error)
    rows = store.query(rows="runs").to_pylist()
    assert [(row["state"], row["made"], row["failed"]) for row in rows] == [
        ("failed", 2, 3),
        ("interrupted", 2, 3),
    ]
    assert [row["reason"] for row in rows] == ["StoreError: disk full", None]


def test_a_killed_run_is_lost_once_it_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    process = PROCESSES.Process(target=die_in_a_run, args=(store.url,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    (row,) = store.query(rows="runs").to_pylist()
    assert row["state"] == "running"  # for a minute nobody can know better
    beat = tmp_path / "store" / "ledger" / "beats" / "run-killed"
    long_ago = time.time() - 100
    os.utime(beat, (long_ago, long_ago))
    (row,) = store.query("state = 'lost'", rows="runs").to_pylist()
    assert (row["run_id"], row["made"], row["ended"]) == ("run-killed", None, None)


def test_signs_of_life_keep_a_run_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(ledger_module, "LOST_SECONDS", 1.0)
    store = SampleStore.open(tmp_path / "store", "a")
    with store.ledger.run("run-long", {}, 1):
        time.sleep(1.5)
        (row,) = store.query(rows="runs").to_pylist()
        assert row["state"] == "running"
        assert row["seconds"] > 1


def test_gc_and_compaction_leave_the_ledger_alone(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(1))
    with store.ledger.run("run-1", {}, 1) as entry:
        entry.reject([("a", "b")])
        before = set((tmp_path / "store" / "ledger").rglob("*"))
        store.compact()
        list(store.gc(older_than_hours=0))
        assert set((tmp_path / "store" / "ledger").rglob("*")) == before


def test_what_is_wrong_with_a_ledger_is_one_clear_line(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    for bad in ("", "../x", "a/b", "x" * 200, "é"):
        with pytest.raises(StoreError, match="run id: expected letters"):
            store.ledger.begin(bad, {}, 0)
    with pytest.raises(StoreError, match="state: expected one of completed, failed, interrupted"):
        store.ledger.finish("run-1", "done")
    with pytest.raises(StoreError, match="opened for reading"):
        SampleStore.open(store.url).ledger.begin("run-1", {}, 0)
    store.ledger.begin("run-1", {}, 0)
    path = next((tmp_path / "store" / "ledger" / "runs").iterdir())
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(StoreError, match=r"run-1.begun.parquet: cannot be read.*`flawcast verify`"):
        store.query(rows="runs")
    assert [item.set_id for item in store.verify()] == ["ledger/runs/run-1.begun.parquet"]


def test_the_size_is_that_of_all_files(store_url: str) -> None:
    store = SampleStore.open(store_url, "a")
    before = store.size()
    store.commit(sample_set(0))
    one = store.size() - before
    arrays = sum(getattr(sample_set(0), name).nbytes for name in ("videos", "past", "keypoints"))
    assert one > arrays  # noise does not compress
    store.commit(sample_set(1))
    assert store.size() - before == pytest.approx(2 * one, rel=0.05)
