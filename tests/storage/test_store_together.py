"""Writers, readers, compaction and gc at the same time, and disks that are full for real."""

import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleStore
from tests.places import fill
from tests.processes import PROCESSES, in_environment
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import (
    assert_equal,
    commit_all,
    commit_in_haste,
    commit_killed_at_random,
    tend,
)


def test_a_reader_is_not_disturbed_by_writers_compaction_and_gc(tmp_path: Path) -> None:
    """Two writers of the same sets, while rows move and files go; the hour is 2 seconds here."""
    url, seeds = str(tmp_path / "store"), list(range(24))
    SampleStore.open(url, "a")
    over = PROCESSES.Event()
    others = [
        PROCESSES.Process(target=commit_in_haste, args=(url, seeds)),
        PROCESSES.Process(target=commit_in_haste, args=(url, seeds[::-1])),
        PROCESSES.Process(target=tend, args=(url, over)),
    ]
    for other in others:
        other.start()
    reader, seen, polls = SampleStore.open(url), 0, 0
    began, first = time.monotonic(), reader.snapshot()
    while any(other.is_alive() for other in others[:2]) or time.monotonic() - began < 4:
        ids = reader.set_ids()
        assert len(ids) == len(set(ids)) >= seen
        seen = len(ids)
        snapshot = reader.snapshot()
        rows = snapshot.query(rows="samples")
        assert len(snapshot.query()) * 3 == len(rows) == len(set(rows["sample_id"].to_pylist()))
        if ids:
            some = ids[polls % len(ids)]
            assert_equal(reader.load(some), sample_set(int(some[4:], 16)))
        if len(first.set_ids()) < 5:
            first = snapshot
        polls += 1
    over.set()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    assert polls > 2
    assert 5 <= first.query().num_rows == len(first.set_ids())
    assert first.verify() == []
    assert len(list((tmp_path / "store" / "sets").glob("set-*"))) < len(seeds)  # gc did remove
    assert reader.set_ids() == [set_id(seed) for seed in seeds]
    assert reader.verify() == []
    work = SampleStore.open(url, "a")
    work.compact()
    for _ in work.gc(older_than_hours=0):
        pass
    assert len(list((tmp_path / "store" / "arrays").iterdir())) == len(seeds)
    assert reader.query().num_rows == len(seeds)
    assert reader.verify() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_a_writer_killed_200_times_ends_with_every_set(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A reader polls all the while; at the end all is as if nobody had been killed."""
    bucket = kind == "bucket"
    url = request.getfixturevalue("bucket_url") if bucket else str(tmp_path / "store")
    store, seeds = SampleStore.open(url, "a"), list(range(40))
    for number in range(200):
        process = PROCESSES.Process(
            target=in_environment,
            args=(dict(os.environ), commit_killed_at_random, url, seeds, number),
        )
        process.start()
        process.join(120)
        assert process.exitcode in (0, -9)
        ids = store.set_ids()
        assert store.query()["set_id"].to_pylist() == ids
        assert store.query(rows="samples").num_rows == 3 * len(ids)
        if number % 20 == 0:
            assert store.verify() == []
    commit_all(url, seeds)
    assert store.verify() == []
    for seed in seeds:
        assert_equal(store.load(set_id(seed)), sample_set(seed))


def test_a_disk_that_fills_up_keeps_what_was_committed(small_disk: Path) -> None:
    """At every step at which it can be full: a filler leaves a little more each time."""
    store = SampleStore.open(small_disk / "store", "a")
    store.commit(sample_set(0))
    filler, answers = small_disk / "filler", []
    before = len(list((small_disk / "store").rglob("*")))
    for pages in range(30):
        fill(filler, spare=4096 * pages)
        answers.append(outcome(store))
        filler.unlink()
        if answers[-1] == "written":
            break
        assert len(list((small_disk / "store").rglob("*"))) == before
        assert store.set_ids() == [set_id(0)]
    full = "not written: No space left on device; make room or choose another folder, "
    assert len(answers) > 10
    assert all(full in answer for answer in answers[:-1])
    assert answers[-1] == "written"
    assert store.verify() == []
    assert_equal(store.load(set_id(1)), sample_set(1))


def outcome(store: SampleStore) -> str:
    """Commit a set; "written", or what is said."""
    try:
        return "written" if store.commit(sample_set(1)) else "there"
    except StoreError as error:
        return str(error)


def test_compaction_on_a_full_disk_changes_nothing(small_disk: Path) -> None:
    store = SampleStore.open(small_disk / "store", "a")
    for seed in range(3):
        store.commit(sample_set(seed))
    fill(small_disk / "filler")
    with pytest.raises(StoreError, match="No space left on device"):
        store.compact()
    assert store.query().num_rows == 3
    (small_disk / "filler").unlink()
    assert store.verify() == []
    assert store.compact().moved == 3
    assert store.verify() == []


def limited(url: str, size: int, answers: Any) -> None:
    """Commit a set where no file may grow beyond a size; the error instead of the signal."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    answers.put(outcome(SampleStore.open(url, "a")))


def test_a_file_that_cannot_grow_is_one_clear_line(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    answers = PROCESSES.Queue()
    for size in (100, 1000, 5000, 12000):
        process = PROCESSES.Process(target=limited, args=(store.url, size, answers))
        process.start()
        assert "not written: File too large" in answers.get(timeout=60)
        process.join(60)
        assert store.set_ids() == []
        assert [path for path in (tmp_path / "store").rglob("*set-*") if path.exists()] == []
    assert store.commit(sample_set(1))
    assert store.verify() == []


def test_gc_leaves_a_running_writer_alone(tmp_path: Path) -> None:
    """Everything of a commit that is under way is younger than the grace age."""
    url = str(tmp_path / "store")
    SampleStore.open(url, "a")
    writer = PROCESSES.Process(target=commit_all, args=(url, list(range(12))))
    writer.start()
    store, removed = SampleStore.open(url, "a"), 0
    while writer.is_alive():
        removed += sum(1 for _ in store.gc())
        time.sleep(0.01)
    assert writer.exitcode == 0
    assert removed == 0
    assert store.query().num_rows == 12
    assert store.verify() == []
