"""The commands that look after a store, as a user meets them."""

import json
import os
import time
from pathlib import Path

import pytest

from flawcast.configs.identity import sample_set_id
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run
from tests.storage.examples import sample_set, set_id


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Three sets, and an array folder that a killed writer left an age ago."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(3):
        store.commit(sample_set(seed))
    left = tmp_path / "store" / "arrays" / f"set-{'a' * 16}.{'0' * 32}"
    left.mkdir()
    (left / "zarr.json").write_bytes(b"12345")
    long_ago = time.time() - 7200
    for path in (left / "zarr.json", left):
        os.utime(path, (long_ago, long_ago))
    return store


def test_gc_lists_and_then_removes(store: SampleStore) -> None:
    listed = run("gc", store.url, "--dry-run")
    assert listed.returncode == 0
    assert "arrays/set-aaaaaaaaaaaaaaaa." in listed.stdout
    assert listed.stdout.endswith("would remove 1 files and folders, 5 bytes\n")
    young = json.loads(run("gc", store.url, "--older-than", "3", "--json").stdout)
    assert young == {"dry_run": False, "bytes": 0, "removed": []}
    done = json.loads(run("gc", store.url, "--json").stdout)
    assert [(item["kind"], item["size"]) for item in done["removed"]] == [("arrays", 5)]
    assert run("gc", store.url).stdout == "removed 0 files and folders, 0 bytes\n"
    assert store.verify() == []


@pytest.mark.parametrize("compacted", [False, True])
def test_verify_recomputes_ids(tmp_path: Path, compacted: bool) -> None:
    """One set's id is what `flawcast generate` would give it, the other's is not."""
    about = sample_set(1).provenance
    right = sample_set_id(
        about.clip_id,
        (about.window_start, about.past, about.future),
        (about.source_clip_id, about.source_frame),
        about.mode,
        about.weights_id,
        {"samples": 6},
    )
    store = SampleStore.open(tmp_path / "store", "a")
    settings = json.dumps({"generate": {"samples": 6}, "clips": {}})
    store.commit(sample_set(1, id=right, settings=settings))
    if compacted:
        store.compact()
    assert run("verify", store.url).stdout == "1 sets, 0 problems\n"
    store.commit(sample_set(2, settings=settings))
    store.compact() if compacted else None
    done = run("verify", store.url)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{set_id(2)}: id: by its provenance it would be set-")
    assert done.stdout.endswith("2 sets, 1 problems\n")
    assert store.verify() == []


def test_compact_says_what_moved(store: SampleStore) -> None:
    assert run("compact", store.url).stdout == "rows of 3 sets moved; 1 parts\n"
    assert json.loads(run("compact", store.url, "--json").stdout)["moved"] == 0
    assert len(json.loads(run("query", store.url, "--json").stdout)) == 3


def test_runs_are_listed_with_state_and_counts(store: SampleStore) -> None:
    with store.ledger.run("run-1", {}, 4) as entry:
        entry.reject([("broken.mp4", "no frames")])
        entry.count(made=3, skipped=1, failed=0)
    line = next(line for line in run("runs", store.url).stdout.splitlines() if "run-1" in line)
    assert line.split()[1] == "completed"
    assert line.split()[-5:] == ["4", "3", "1", "0", "1"]
    (row,) = json.loads(run("runs", store.url, "--json").stdout)
    assert (row["run_id"], row["rejected"]) == ("run-1", 1)
    answer = run("query", store.url, "--rows", "rejects").stdout
    assert "broken.mp4" in answer
    assert "no frames" in answer
    assert "completed" in run("query", store.url, "--rows", "runs").stdout


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for command in ("gc", "verify", "runs"):
        arguments = ("--dry-run",) if command == "gc" else ()
        assert "expected a store, found nothing" in mistake(command, tmp_path / "no", *arguments)
    for command in ("gc", "compact"):
        (tmp_path / "photo.png").touch()
        assert "photo.png and no store.json" in mistake(command, tmp_path)
