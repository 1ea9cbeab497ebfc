"""Tags and forgetting: what readers see, what gc leaves, and who wins; on disk and in a bucket."""

import json
import os
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawcast.configs.errors import QueryError, StoreError
from flawcast.storage import SampleSetDataset, SampleStore, layout
from flawcast.storage import versions as versions_module
from flawcast.storage.address import open_place
from flawcast.storage.sample_cache import CachedSamples
from flawcast.storage.schema import ANSWERS
from tests.processes import PROCESSES, in_environment
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import (
    assert_equal,
    change_versions_until,
    forget_together,
    kill_change_at_request,
    tag_together,
)

SHAPES = pytest.mark.parametrize(
    ("store_url", "compacted"),
    [
        pytest.param("disk", False, id="disk-single"),
        pytest.param("disk", True, id="disk-compacted", marks=pytest.mark.slow),
        pytest.param("bucket", False, id="bucket-single", marks=pytest.mark.slow),
        pytest.param("bucket", True, id="bucket-compacted", marks=pytest.mark.slow),
    ],
    indirect=["store_url"],
)
PLACES = pytest.mark.parametrize(
    "store_url", ["disk", pytest.param("bucket", marks=pytest.mark.slow)], indirect=True
)


def filled(url: str, seeds: range = range(4), compacted: bool = False) -> SampleStore:
    """A store with some sets."""
    store = SampleStore.open(url, "a")
    for seed in seeds:
        store.commit(sample_set(seed))
    if compacted:
        store.compact()
    return store


@pytest.fixture
def disk_url(tmp_path: Path) -> str:
    """URL of a store on disk; what is told there is the same in a bucket."""
    return str(tmp_path / "store")


@pytest.fixture
def store(disk_url: str) -> SampleStore:
    """Four sets: jam, normal, slip, jam."""
    return filled(disk_url)


def ids(*seeds: int) -> list[str]:
    return [set_id(seed) for seed in seeds]


def assert_shows(store: SampleStore, *seeds: int) -> None:
    """Each way of reading finds exactly these sets, once, and whole."""
    assert store.set_ids() == store.query()["set_id"].to_pylist() == ids(*seeds)
    samples = [set_id(seed) for seed in seeds for _ in range(3)]
    assert [name[:-4] for name in store.query(rows="samples")["sample_id"].to_pylist()] == samples
    for seed in range(4):
        assert store.has(set_id(seed)) == (seed in seeds)
        if seed in seeds:
            assert_equal(store.load(set_id(seed)), sample_set(seed))
        else:
            for read in (store.row, store.load, lambda name: store.open_array(name, "videos")):
                with pytest.raises(StoreError, match=f"no set {set_id(seed)}"):
                    read(set_id(seed))
    assert [row["set_id"] for row in SampleSetDataset(store).rows] == samples
    assert store.verify() == []


@SHAPES
def test_forgotten_sets_are_there_for_nobody_but_older_readers(
    store_url: str, compacted: bool
) -> None:
    store = filled(store_url, compacted=compacted)
    before, reader, held = store.snapshot(), SampleStore.open(store_url), CachedSamples(store_url)
    dataset = SampleSetDataset(SampleStore.open(store_url))
    assert store.forget(ids(1), where="label = 'jam'", note="two belts") == ids(0, 1, 3)
    for view in (store, reader, SampleStore.open(store_url), reader.snapshot()):
        assert_shows(view, 2)
    assert held.query()["set_id"].to_pylist() == ids(2, 2, 2)
    with pytest.raises(StoreError, match="no sample"):
        held.find(sample_set(1).sample_id(sample_set(1).indices[0]))
    with pytest.raises(StoreError, match=f"no set {set_id(1)}"):
        store.review(sample_set(1).sample_id(sample_set(1).indices[0]), "rejected")
    assert [store.is_forgotten(set_id(seed)) for seed in (0, 2, 9)] == [True, False, False]
    for old in (before, pickle.loads(pickle.dumps(before))):  # noqa: S301
        assert_shows(old, 0, 1, 2, 3)
    assert len(dataset) == 12
    assert dataset[0]["set_id"] == set_id(0)  # an epoch goes on
    table = reader.query(rows="forgotten")
    assert table.schema.equals(ANSWERS["forgotten"])
    assert [(row["set_id"], row["note"], row["undoable"]) for row in table.to_pylist()] == [
        (name, "two belts", True) for name in ids(0, 1, 3)
    ]


@SHAPES
def test_forgetting_is_undone_until_gc_has_begun(store_url: str, compacted: bool) -> None:
    store = filled(store_url, compacted=compacted)
    store.forget(ids(0, 1))
    store.forget(ids(2))
    assert list(store.gc()) == []  # younger than the grace age
    assert store.undo_forget() == ids(2)
    assert store.undo_forget(ids(1)) == ids(1)
    assert_shows(SampleStore.open(store_url), 1, 2, 3)
    store.forget(ids(1))
    assert store.undo_forget() == ids(1)
    assert store.undo_forget() == ids(0)
    assert_shows(store, 0, 1, 2, 3)
    with pytest.raises(StoreError, match="nothing can be undone"):
        store.undo_forget()
    store.forget(ids(3))
    listed = [item.name for item in store.gc(dry_run=True, older_than_hours=0)]
    assert store.undo_forget() == ids(3)  # a dry run decides nothing
    store.forget(ids(3))
    assert [item.name for item in store.gc(older_than_hours=0)][: len(listed) - 1]
    with pytest.raises(StoreError, match="has removed it; make it again"):
        store.undo_forget(ids(3))
    names = open_place(store_url).names("arrays")
    assert sorted({name.split(".")[0] for name in names}) == ids(0, 1, 2)
    assert store.compact().won
    assert_shows(SampleStore.open(store_url), 0, 1, 2)


@SHAPES
def test_a_tag_shows_what_was_there(store_url: str, compacted: bool) -> None:
    store = filled(store_url, compacted=compacted)
    sample = sample_set(1).sample_id(sample_set(1).indices[0])
    store.review(sample, "rejected", "blurred", "Ada")
    assert store.tag("all").sets == 4
    assert store.tag("some", where="label <> 'jam' and rejected = 1").sets == 1
    store.review(sample, "accepted")
    store.forget(ids(0, 1))
    store.commit(sample_set(7))
    for care in (store.compact, lambda: list(store.gc(older_than_hours=0)), store.compact):
        care()
        assert_shows(SampleStore.open(store_url, tag="all"), 0, 1, 2, 3)
        assert_shows(SampleStore.open(store_url, tag="some"), 1)
        assert store.set_ids() == ids(2, 3, 7)
        assert store.verify() == []
    tagged = SampleStore.open(store_url, tag="all")
    assert (tagged.tagged, tagged.mode) == ("all", "r")
    assert tagged.query("review = 'rejected'", rows="samples")["sample_id"].to_pylist() == [sample]
    assert tagged.query(rows="reviews")["note"].to_pylist() == ["blurred"]
    assert CachedSamples(store_url, "some").query("review = 'rejected'").num_rows == 1
    assert [(tag.name, tag.sets, tag.where is None) for tag in store.tags()] == [
        ("all", 4, True),
        ("some", 1, False),
    ]
    store.delete_tag("all")
    list(store.gc(older_than_hours=0))
    assert_shows(SampleStore.open(store_url, tag="some"), 1)
    store.delete_tag("some")
    assert store.tags() == ()
    list(store.gc(older_than_hours=0))
    store.compact()
    list(store.gc(older_than_hours=0))
    place = open_place(store_url)
    assert {name.split(".")[0] for name in place.names("arrays")} == set(ids(2, 3, 7))
    assert list(place.names("tags")) == []
    assert store.verify() == []


@SHAPES
def test_a_forgotten_set_is_made_again_only_if_asked(store_url: str, compacted: bool) -> None:
    store = filled(store_url, compacted=compacted)
    store.tag("before")
    store.forget(ids(1))
    with pytest.raises(StoreError, match=rf"{set_id(1)} was forgotten; undo that"):
        store.commit(sample_set(1))
    assert store.commit(sample_set(1), again=True)
    assert not store.commit(sample_set(1), again=True)
    assert not store.commit(sample_set(1))
    reader = SampleStore.open(store_url)
    assert_shows(reader, 0, 1, 2, 3)
    with pytest.raises(StoreError, match="it is not forgotten"):
        store.undo_forget(ids(1))
    store.tag("after")
    old, new = (SampleStore.open(store_url, tag=name) for name in ("before", "after"))
    assert (
        old.row(set_id(1))["arrays"]
        != new.row(set_id(1))["arrays"]
        == (store.row(set_id(1))["arrays"])
    )
    for _ in range(2):
        store.compact()
        list(store.gc(older_than_hours=0))
        assert_shows(SampleStore.open(store_url, tag="before"), 0, 1, 2, 3)
        assert_shows(store, 0, 1, 2, 3)
    assert old.row(set_id(1))["arrays"] != new.row(set_id(1))["arrays"]
    store.delete_tag("before")
    for _ in range(3):
        list(store.gc(older_than_hours=0))
        store.compact()
    list(store.gc(older_than_hours=0))
    assert list(open_place(store_url).names("sets")) == []
    assert_shows(store, 0, 1, 2, 3)
    store.forget(ids(1))  # the second row is forgotten, and the first does not come back
    assert_shows(store, 0, 2, 3)
    assert store.commit(sample_set(1), again=True)
    assert_shows(store, 0, 1, 2, 3)


def test_a_set_that_gc_removed_is_not_made_again_silently(store: SampleStore) -> None:
    store.forget(ids(2))
    list(store.gc(older_than_hours=0))
    assert store.is_forgotten(set_id(2))
    with pytest.raises(StoreError, match="was forgotten"):
        store.commit(sample_set(2))
    assert store.commit(sample_set(2), again=True)
    assert_shows(store, 0, 1, 2, 3)


def test_a_set_whose_row_cannot_be_read_is_forgotten_and_made_again(store: SampleStore) -> None:
    root = store.root or Path()
    (root / "sets" / f"{set_id(1)}.parquet").write_bytes(b"torn")
    assert [item.set_id for item in store.verify()] == ids(1)
    assert store.forget(ids(1)) == ids(1)
    assert_shows(store, 0, 2, 3)
    assert store.commit(sample_set(1), again=True)
    assert_shows(store, 0, 1, 2, 3)
    list(store.gc(older_than_hours=0))
    assert {path.name for path in root.glob(f"sets/{set_id(1)}*")} == {f"{set_id(1)}.1.parquet"}
    assert len(list(root.glob(f"arrays/{set_id(1)}*"))) == 1
    assert_shows(store, 0, 1, 2, 3)


def test_gc_waits_for_the_grace_age(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.forget(ids(0))
    assert list(store.gc(older_than_hours=0.5)) == []
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    removed = {item.kind for item in store.gc(older_than_hours=0.5)}
    assert removed == {"row", "samples", "arrays"}


def test_only_forgetting_makes_a_store_unreadable_for_older_programs(store: SampleStore) -> None:
    marker = (store.root or Path()) / "store.json"
    store.tag("v1")
    SampleStore.open(store.url, "a")
    assert json.loads(marker.read_text())["version"] == 6
    store.forget(ids(0))
    assert json.loads(marker.read_text())["version"] == 7
    SampleStore.open(store.url, "a").undo_forget()
    assert json.loads(marker.read_text())["version"] == 7
    marker.write_text('{"format": "flawcast-store", "version": 4}')  # by a migration that was late
    SampleStore.open(store.url, "a")
    assert json.loads(marker.read_text())["version"] == 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.tag("../x"), "tag: expected a name of letters"),
        (lambda s: s.tag(""), "tag: expected a name of letters"),
        (lambda s: s.tag("now"), "'now' means the store as it is"),
        (lambda s: s.tag("v1"), "v1: it is there, with 4 sets"),
        (lambda s: s.tag("v2", where="label = 'no'"), "tag: no set meets the condition"),
        (lambda s: s.delete_tag("v2"), "no tag 'v2'; its tags: v1"),
        (lambda s: SampleStore.open(s.url, tag="v2"), "no tag 'v2'; its tags: v1"),
        (lambda s: SampleStore.open(s.url, "a", tag="v1"), "tag: expected mode 'r'"),
        (lambda s: SampleStore.open(s.url).tag("v2"), "opened for reading"),
        (lambda s: SampleStore.open(s.url).forget(ids(0)), "opened for reading"),
        (lambda s: SampleStore.open(s.url, tag="v1").undo_forget(), "opened for reading"),
        (lambda s: s.forget(), "forget: no set meets the condition"),
        (lambda s: s.forget(where="label = 'no'"), "forget: no set meets the condition"),
        (lambda s: s.forget(ids(0, 8)), f"no set {set_id(8)}; list the sets"),
        (lambda s: s.forget(ids(3)), f"{set_id(3)} is forgotten already"),
        (lambda s: s.forget(["set-x"]), "set id"),
        (lambda s: s.forget(ids(0), note="x" * 1001), "note: expected at most 1000"),
        (lambda s: s.undo_forget(ids(0)), f"{set_id(0)}: it is not forgotten"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    store: SampleStore, call: Any, message: str
) -> None:
    store.tag("v1")
    store.forget(ids(3))
    before = store.versions
    with pytest.raises(StoreError, match=message) as error:
        call(store)
    assert "\n" not in str(error.value)
    assert SampleStore.open(store.url).versions == before
    assert len(list(((store.root or Path()) / "tags").iterdir())) == 1


@pytest.mark.parametrize("where", ["", "  ", "nothing = 1", "1=1; drop table sets"])
def test_conditions_are_checked(store: SampleStore, where: str) -> None:
    for call in (lambda: store.forget(where=where), lambda: store.tag("v1", where)):
        with pytest.raises(QueryError, match="where: "):
            call()
    assert store.versions.number == 0


def test_damaged_tags_and_documents_are_named_and_nothing_goes(store: SampleStore) -> None:
    root = store.root or Path()
    store.tag("v1")
    store.forget(ids(0))
    (path,) = (root / "tags").iterdir()
    data = path.read_bytes()
    for damage in (data.replace(b"set-", b"zet-", 1), b"", None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(StoreError, match=r"tag v1: tags/.* is (damaged|missing)"):
            SampleStore.open(store.url, tag="v1")
        assert [item.set_id for item in store.verify()] == [f"tags/{path.name}"]
        assert not {"row", "arrays"} & {item.kind for item in store.gc(older_than_hours=0)}
    path.write_bytes(data)
    assert_shows(SampleStore.open(store.url, tag="v1"), 0, 1, 2, 3)
    newest = max((root / "versions").iterdir())
    document = newest.read_bytes()
    newest.write_bytes(document.replace(set_id(0).encode(), set_id(1).encode()))
    reader = SampleStore.open(store.url, "a")
    assert [item.set_id for item in reader.verify()] == [f"versions/{newest.name}"]
    for call in (reader.set_ids, reader.query, reader.compact, reader.tags):
        with pytest.raises(StoreError, match=r"versions/.*damaged; restore it from a copy"):
            call()  # type: ignore[operator]
    with pytest.raises(StoreError, match=r"versions/.*damaged"):
        list(reader.gc(older_than_hours=0))
    newest.write_bytes(document)
    assert_shows(SampleStore.open(store.url), 1, 2, 3)


def together(url: str, action: Any, items: list[Any]) -> list[Any]:
    """Answers of two processes that do the same at the same moments."""
    barrier, answers = PROCESSES.Barrier(2), PROCESSES.Queue()
    environment = dict(os.environ)
    others = [
        PROCESSES.Process(
            target=in_environment, args=(environment, action, url, items, barrier, answers)
        )
        for _ in range(2)
    ]
    for other in others:
        other.start()
    found = [answers.get(timeout=60) for _ in range(2 * len(items))]
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    return sorted(found)


@PLACES
def test_of_two_changes_at_the_same_moment_each_is_made_once(store_url: str) -> None:
    seeds, names = [0, 1, 2], ["a", "b", "c"]
    store = filled(store_url)
    wanted = [(name, won) for name in names for won in (False, True)]
    assert together(store_url, tag_together, names) == wanted
    assert {tag.sets for tag in store.tags()} == {4}
    wanted = [(seed, won) for seed in seeds for won in (False, True)]
    assert together(store_url, forget_together, seeds) == wanted
    assert_shows(store, 3)
    for name in names:
        assert_shows(SampleStore.open(store_url, tag=name), 0, 1, 2, 3)
    assert len(list(open_place(store_url).names("tags"))) == 3  # the loser removed its files
    assert store.versions.number == 6


@PLACES
def test_readers_beside_changes_see_whole_sets(store_url: str) -> None:
    """One process tags, forgets, undoes and makes again; nothing that others see is broken."""
    seeds = range(6)
    store = filled(store_url, seeds)
    store.tag("first")
    over = PROCESSES.Event()
    other = PROCESSES.Process(
        target=in_environment, args=(dict(os.environ), change_versions_until, store_url, over)
    )
    other.start()
    reader, tagged, polls = SampleStore.open(store_url), SampleStore.open(store_url, tag="first"), 0
    began = time.monotonic()
    while time.monotonic() - began < 4 or polls < 3:
        found = reader.set_ids()
        assert set(found) <= set(ids(*seeds))
        snapshot = reader.snapshot()
        rows = snapshot.query(rows="samples")
        assert len(snapshot.query()) * 3 == len(rows) == len(set(rows["sample_id"].to_pylist()))
        some = set_id(polls % 6)
        assert_equal(tagged.load(some), sample_set(polls % 6))
        assert len(tagged.query()) == 6
        if polls % 4 == 0:
            store.compact()
            list(store.gc(older_than_hours=0.5))
        polls += 1
    over.set()
    other.join(60)
    assert other.exitcode == 0
    assert store.versions.number > 3
    assert store.verify() == tagged.verify() == []


@pytest.mark.parametrize(
    "after",
    [pytest.param(False, id="before", marks=pytest.mark.slow), pytest.param(True, id="after")],
)
@pytest.mark.parametrize(
    ("action", "kind", "made"),
    [
        ("tag v2", "tags/", False),
        ("tag v2", "versions/", True),
        ("untag v1", "versions/", True),
        ("forget 0 1", "store.json", False),
        ("forget 0 1", "versions/", True),
        ("undo", "versions/", True),
    ],
)
def test_a_change_in_a_bucket_killed_at_a_request_is_made_or_not(
    bucket_url: str, action: str, kind: str, made: bool, after: bool
) -> None:
    store = filled(bucket_url)
    store.tag("v1")
    if action != "forget 0 1":  # which makes the store's version 7 before it forgets
        store.forget(ids(3))
    before = store.versions
    process = PROCESSES.Process(
        target=in_environment,
        args=(dict(os.environ), kill_change_at_request, bucket_url, action, kind, after),
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    now = SampleStore.open(bucket_url).versions
    assert (now != before) == (made and after)
    assert SampleStore.open(bucket_url).verify() == []
    list(store.gc(older_than_hours=0))
    files = {tag.file for tag in store.tags()}
    assert {f"tags/{name}" for name in open_place(bucket_url).names("tags")} == files


def test_others_may_change_a_store_all_the_time(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that loses is made again on top of the other; one that always loses says so."""
    other, put = SampleStore.open(store.url, "a"), type(store._place).put_new
    left = 2

    def losing(self: Any, name: str, data: bytes) -> bool:
        nonlocal left
        if self is store._place and name.startswith(layout.VERSIONS) and left:
            left -= 1
            other.forget(ids(left))
        return put(self, name, data)

    monkeypatch.setattr(type(store._place), "put_new", losing)
    assert store.tag("v1").sets == 2  # the other two are forgotten by now
    assert_shows(SampleStore.open(store.url, tag="v1"), 2, 3)
    monkeypatch.setattr(versions_module, "TRIES", 1)
    other.undo_forget()
    left = 1
    with pytest.raises(StoreError, match="others change its tags all the time; try again"):
        store.tag("v2")
    assert len(list(((store.root or Path()) / "tags").iterdir())) == 1


def test_an_interruption_after_the_last_step_leaves_a_whole_tag(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = type(store._place).put_new

    def interrupted(self: Any, name: str, data: bytes) -> bool:
        put(self, name, data)
        if name.startswith(layout.VERSIONS):
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(type(store._place), "put_new", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.tag("v1")
    assert_shows(SampleStore.open(store.url, tag="v1"), 0, 1, 2, 3)


def test_loaders_read_a_tag(store: SampleStore) -> None:
    store.tag("v1")
    store.forget(ids(0, 1, 2))
    dataset = SampleSetDataset(SampleStore.open(store.url, tag="v1"), where="label <> 'jam'")
    assert len(dataset) == 6
    item = pickle.loads(pickle.dumps(dataset))[0]  # noqa: S301
    wanted = sample_set(1).videos
    assert np.array_equal((item["video"].permute(0, 2, 3, 1) * 255).round().numpy(), wanted[0])
