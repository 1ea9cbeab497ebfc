"""Compaction and snapshots: rows move, and no reader notices; on disk and in a bucket."""

import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleSetDataset, SampleStore, layout
from flawcast.storage import compaction as compaction_module
from flawcast.storage.address import open_place
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Manifest, manifest_numbers, publish_manifest
from flawcast.storage.place import Place
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal


@pytest.fixture
def disk_url(tmp_path: Path) -> str:
    """URL of a store on disk; what is told there is the same in a bucket."""
    return str(tmp_path / "store")


def filled(url: str, seeds: range) -> SampleStore:
    """A store with some sets."""
    store = SampleStore.open(url, "a")
    for seed in seeds:
        store.commit(sample_set(seed))
    return store


def row_files(store: SampleStore) -> list[str]:
    """Files of sets/, drafts included."""
    return sorted(open_place(store.url).names("sets"))


def assert_holds(store: SampleStore, seeds: range) -> None:
    """Each way of reading finds exactly these sets, once, and whole."""
    wanted = [set_id(seed) for seed in seeds]
    assert store.set_ids() == wanted
    assert store.query()["set_id"].to_pylist() == wanted
    samples = store.query(rows="samples")
    assert samples["sample_id"].to_pylist() == sorted(
        sample_set(seed).sample_id(index) for seed in seeds for index in sample_set(seed).indices
    )
    for seed in seeds:
        assert store.has(set_id(seed))
        assert_equal(store.load(set_id(seed)), sample_set(seed))
    assert store.verify() == []


def test_compaction_moves_rows_and_changes_no_answer(store_url: str) -> None:
    store = filled(store_url, range(4))
    before = {rows: store.query("apd > 0.2", "apd desc", rows=rows) for rows in ("sets", "samples")}
    done = store.compact()
    assert (done.moved, done.parts, done.left, done.won) == (4, 1, 0, True)
    assert_holds(SampleStore.open(store_url), range(4))
    for again in (store, SampleStore.open(store_url)):
        for rows, table in before.items():
            assert again.query("apd > 0.2", "apd desc", rows=rows).equals(table)
    assert not store.commit(sample_set(3))
    assert store.compact().moved == 0


def test_later_sets_join_the_part_and_leftovers_go(store_url: str) -> None:
    store = filled(store_url, range(2))
    store.compact()
    filled(store_url, range(2, 3))
    assert_holds(store, range(3))
    kinds = [item.kind for item in store.gc(older_than_hours=0)]
    assert sorted(kinds) == ["row"] * 2 + ["samples"] * 2
    assert len(row_files(store)) == 1
    assert not store.commit(sample_set(1))  # its row has no file of its own any more
    assert (store.compact().moved, store.compact().moved) == (1, 0)
    kinds = [item.kind for item in store.gc(older_than_hours=0)]
    assert sorted(kinds) == ["manifest", "part", "part", "row", "samples"]
    assert row_files(store) == []
    assert_holds(SampleStore.open(store_url), range(3))
    assert list(store.gc(older_than_hours=0)) == []


def test_full_parts_are_left_alone(disk_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "SETS_PER_PART", 2)
    store = filled(disk_url, range(5))
    assert store.compact().parts == 3
    names = set(open_place(disk_url).names("parts"))
    filled(disk_url, range(5, 6))
    assert store.compact().parts == 3
    assert len(set(open_place(disk_url).names("parts")) & names) == 6
    assert_holds(store, range(6))


def test_a_snapshot_sees_exactly_the_sets_of_its_moment(store_url: str) -> None:
    store = filled(store_url, range(1))
    store.compact()
    filled(store_url, range(1, 2))
    snapshot = store.snapshot()
    dataset = SampleSetDataset(snapshot)
    filled(store_url, range(2, 4))
    assert snapshot.query().num_rows == 2
    store.compact()
    assert snapshot.query(rows="samples").num_rows == 6
    list(store.gc(older_than_hours=0))
    assert_holds(pickle.loads(pickle.dumps(snapshot)), range(2))  # noqa: S301
    assert len(SampleSetDataset(snapshot)) == len(dataset) == len(list(dataset)) == 6  # type: ignore[call-overload]
    assert not snapshot.has(set_id(3))
    with pytest.raises(StoreError, match="no set set-0000000000000003"):
        snapshot.load(set_id(3))
    with pytest.raises(StoreError, match="opened for reading"):
        snapshot.commit(sample_set(20))
    later = SampleStore.open(store_url, snapshot=True)
    assert later.set_ids() == store.set_ids() == [set_id(seed) for seed in range(4)]


def test_a_query_that_loses_its_files_finds_the_rows_elsewhere(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction and gc run between the moment a query lists files and the moment it reads."""
    store = filled(store_url, range(3))
    other = SampleStore.open(store_url, "a")
    listing = type(store._catalogue)._listing
    moved = False

    def listed(self: Any, *arguments: Any) -> Any:
        nonlocal moved
        found = listing(self, *arguments)
        if self is store._catalogue and not moved:
            moved = True
            other.compact()
            list(other.gc(older_than_hours=0))
        return found

    monkeypatch.setattr(type(store._catalogue), "_listing", listed)
    assert store.query()["set_id"].to_pylist() == [set_id(seed) for seed in range(3)]
    assert moved


def test_readers_of_a_part_that_is_merged_away_read_on(disk_url: str) -> None:
    store = filled(disk_url, range(3))
    store.compact()
    reader = SampleStore.open(disk_url)
    assert reader.query().num_rows == 3
    row = reader.row(set_id(1))
    filled(disk_url, range(3, 4))
    store.compact()
    list(store.gc(older_than_hours=0))
    assert reader.row(set_id(1)) == row
    assert_holds(reader, range(4))


def test_of_two_compactions_one_wins(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = filled(store_url, range(3)), SampleStore.open(store_url, "a")

    def second(place: Place, manifest: Manifest) -> bool:
        monkeypatch.undo() if isinstance(place, LocalPlace) else monkeypatch.setattr(
            compaction_module, "publish_manifest", publish_manifest
        )
        assert other.compact().won
        return publish_manifest(place, manifest)

    monkeypatch.setattr(compaction_module, "publish_manifest", second)
    assert not store.compact().won
    assert_holds(store, range(3))
    assert len(list(open_place(store_url).names("parts"))) == 2
    assert manifest_numbers(open_place(store_url)) == [1]


def test_a_writer_that_slept_for_long_gives_up(
    disk_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote may be older than the grace age by now, and gc may have begun on it."""
    store = filled(disk_url, range(2))
    monkeypatch.setattr(layout, "ATTEMPT_SECONDS", -1)
    monkeypatch.setattr(compaction_module, "ATTEMPT_SECONDS", -1)
    with pytest.raises(StoreError, match="writing took longer than"):
        store.commit(sample_set(7))
    with pytest.raises(StoreError, match="compaction took longer than"):
        store.compact()
    assert_holds(store, range(2))
    assert list(store.gc(older_than_hours=0)) == []


def test_damaged_sets_stay_where_they_are(disk_url: str) -> None:
    store, place = filled(disk_url, range(3)), open_place(disk_url)
    name = f"sets/{set_id(1)}.parquet"
    place.replace(name, place.read(name)[:100])
    done = store.compact()
    assert (done.moved, done.left) == (2, 1)
    list(store.gc(older_than_hours=0))
    assert {item.set_id for item in store.verify()} == {set_id(1)}
    assert len([name for name in place.names("arrays") if name.startswith(set_id(1))]) == 1


@pytest.mark.parametrize("kind", ["sets", "samples"])
def test_a_damaged_part_is_named_and_not_merged(disk_url: str, kind: str) -> None:
    store, place = filled(disk_url, range(3)), open_place(disk_url)
    store.compact()
    name = next(f"parts/{name}" for name in place.names("parts") if f".{kind}." in name)
    data = bytearray(place.read(name))
    data[len(data) // 3] ^= 255
    place.replace(name, bytes(data))
    reader = SampleStore.open(disk_url)
    assert name in {item.set_id for item in reader.verify()}
    filled(disk_url, range(3, 4))
    with pytest.raises(StoreError, match="the bytes are not those that were written; nothing was"):
        SampleStore.open(disk_url, "a").compact()
    if kind == "sets":  # what it names is not known: nothing may go
        with pytest.raises(StoreError, match="the bytes are not those that were written"):
            list(SampleStore.open(disk_url, "a").gc(older_than_hours=0))
    place.remove(name)
    reader = SampleStore.open(disk_url)
    assert name in {item.set_id for item in reader.verify()}
    with pytest.raises(StoreError, match="missing or damaged; `flawcast verify`"):
        reader.query(rows=kind)
    with pytest.raises(StoreError, match="missing"):
        list(SampleStore.open(disk_url, "a").gc(older_than_hours=0)) if kind == "sets" else (
            reader.load(set_id(1))
        )


def test_a_damaged_manifest_is_named_and_nothing_is_removed(disk_url: str) -> None:
    store, place = filled(disk_url, range(2)), open_place(disk_url)
    store.compact()
    (name,) = place.names("manifests")
    place.replace(
        f"manifests/{name}", b'{"format": "flawcast-manifest", "parts": [{"name": "../x"}]}'
    )
    reader = SampleStore.open(disk_url, "a")
    assert [item.set_id for item in reader.verify()] == [f"manifests/{name}"]
    for call in (reader.set_ids, reader.query, reader.compact):
        with pytest.raises(StoreError, match=r"manifests/.*damaged"):
            call()  # type: ignore[operator]
    with pytest.raises(StoreError, match=r"manifests/.*damaged"):
        list(reader.gc(older_than_hours=0))


def test_a_store_of_version_1_is_read_and_brought_to_version_4(tmp_path: Path) -> None:
    """The archive was written by the program when its stores were of version 1."""
    with tarfile.open(Path(__file__).parent / "store-v1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    url = str(tmp_path / "store")
    assert_holds(SampleStore.open(url), range(1, 3))
    assert '"version": 1' in (tmp_path / "store" / "store.json").read_text()
    store = SampleStore.open(url, "a")
    assert '"version": 6' in (tmp_path / "store" / "store.json").read_text()
    store.commit(sample_set(3))
    assert_holds(store, range(1, 4))
    assert store.compact().moved == 3
    list(store.gc(older_than_hours=0))
    assert row_files(store) == []
    assert_holds(SampleStore.open(url), range(1, 4))
