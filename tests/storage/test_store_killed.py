"""Commits, changes of versions and care, killed at each step: made or not, and never in part."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from flawcast.storage import SampleStore
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal, killed, work

EVERY = [pytest.param(23, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


@pytest.mark.parametrize("stride", EVERY)
@pytest.mark.timeout(600)
def test_a_commit_killed_at_a_step_shows_nothing_or_all(tmp_path: Path, stride: int) -> None:
    """Each step is a call to the operating system that changes or syncs a file or a folder."""
    outcomes = set()
    step = 1
    while True:
        url = str(tmp_path / str(step))
        SampleStore.open(url, "a")
        over = not killed(url, "commit 1", step)
        store = SampleStore.open(url, "a")
        there = store.has(set_id(1))
        outcomes.add(there)
        assert store.query().num_rows == store.query(rows="samples").num_rows / 3 == there
        assert store.verify() == []
        assert store.commit(sample_set(1)) != there
        work(url, "gc")
        assert_equal(store.load(set_id(1)), sample_set(1))
        assert len(list((tmp_path / str(step)).glob("*/set-*"))) == 3
        if over:
            break
        step += stride
    assert outcomes == {False, True}


SHAPES = [
    pytest.param(False, id="single"),
    pytest.param(True, id="compacted", marks=pytest.mark.slow),
]
CHANGES = ("forget 0 1", "undo", "tag v2", "untag v1", "again 2", "gc")


def changeable(url: str, compacted: bool) -> SampleStore:
    """A store with five sets, one of them forgotten and held by a tag, and one forgotten after."""
    store = SampleStore.open(url, "a")
    for seed in range(5):
        store.commit(sample_set(seed))
    if compacted:
        store.compact()
    store.tag("v1", where=f"set_id <> '{set_id(3)}'")
    store.forget([set_id(2)])
    store.forget([set_id(3)])
    return store


def copied(store: str, url: str) -> None:
    """The same store once more, for a change of its own."""
    shutil.copytree(store, url)


def seen(url: str) -> tuple[Any, ...]:
    """All that readers see: sets, those of tags, and what can be undone."""
    store = SampleStore.open(url)
    views = [(tag.name, SampleStore.open(url, tag=tag.name)) for tag in store.tags()]
    for view in (store, *(view for _, view in views)):
        assert view.verify() == []
        ids = view.set_ids()
        assert view.query()["set_id"].to_pylist() == ids
        assert view.query(rows="samples").num_rows == 3 * len(ids)
    undoable = store.query("undoable", rows="forgotten")["set_id"].to_pylist()
    return store.set_ids(), [(name, view.set_ids()) for name, view in views], undoable


@pytest.mark.parametrize("stride", [pytest.param(61, id="some"), EVERY[1]])
@pytest.mark.parametrize("compacted", SHAPES)
@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.timeout(600)
def test_a_change_of_versions_killed_at_a_step_is_made_or_not(
    tmp_path: Path, action: str, compacted: bool, stride: int
) -> None:
    """Readers see the store before the change or after it; what is left over, gc removes."""
    fresh, done = str(tmp_path / "fresh"), str(tmp_path / "done")
    changeable(fresh, compacted)
    before = seen(fresh)
    copied(fresh, done)
    work(done, action)
    after, outcomes, step = seen(done), set(), 1
    assert before != after
    while True:
        url = str(tmp_path / str(step))
        copied(fresh, url)
        over = not killed(url, action, step)
        now = seen(url)
        assert now in (before, after)
        outcomes.add(now == after)
        if now == before:
            work(url, action)
        for care in ("gc", "compact", "gc"):
            work(url, care)
            assert seen(url)[:2] == after[:2]
        root = tmp_path / str(step)
        assert not [path for path in root.rglob(".*") if path.is_file()]
        assert len(list(root.glob("tags/*"))) == len(after[1])
        held = {name for _, names in after[1] for name in names} | set(after[0])
        arrays = {path.name.split(".")[0] for path in root.glob("arrays/*")}
        assert arrays == held
        if over:
            break
        step += stride
    assert outcomes == {False, True}


@pytest.mark.parametrize("stride", EVERY)
@pytest.mark.parametrize("action", ["compact", "gc"])
@pytest.mark.timeout(600)
def test_care_killed_at_a_step_loses_and_doubles_nothing(
    tmp_path: Path, action: str, stride: int
) -> None:
    step = 1
    while True:
        url = str(tmp_path / str(step))
        store = SampleStore.open(url, "a")
        for seed in range(2):
            store.commit(sample_set(seed))
        if action == "gc":
            store.compact()
            store.commit(sample_set(2))
            store.compact()
        ids = store.set_ids()
        snapshot = store.snapshot()
        over = not killed(url, action, step)
        for reader in (SampleStore.open(url), store, snapshot):
            assert reader.set_ids() == ids
            assert reader.query()["set_id"].to_pylist() == ids
            assert reader.query(rows="samples").num_rows == 3 * len(ids)
        work(url, "compact")
        work(url, "gc")
        assert SampleStore.open(url).verify() == []
        assert SampleStore.open(url).set_ids() == snapshot.set_ids() == ids
        assert list((tmp_path / str(step)).glob("s*/*")) == []
        if over:
            break
        step += stride
