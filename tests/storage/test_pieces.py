"""Loaders of buckets: pieces fetched ahead and at once, and a bounded folder that keeps them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleLoader, SampleSetDataset, SampleStore
from flawcast.storage.local_cache import LocalCache
from flawcast.storage.pieces import AT_ONCE, PieceReader
from flawcast.storage.reading_order import AHEAD, ReadingOrder
from flawcast.storage.sampling import Group, SeededSampler
from tests.storage.examples import sample_set
from tests.storage.test_loading import masked

FIELDS = ("sample_id", "video", "mask", "valid")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Five sets with masks."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(5):
        store.commit(masked(seed))
    return tmp_path / "store"


class Counting(PieceReader):
    """Counts requests."""

    requests = 0

    def _fetch(self, piece: Any) -> bytes:
        type(self).requests += 1
        return super()._fetch(piece)


def test_what_comes_by_pieces_is_what_the_store_holds(disk: Path, tmp_path: Path) -> None:
    plain = SampleSetDataset(disk, fields=FIELDS)
    cached = SampleSetDataset(SampleStore.open(disk, cache=tmp_path / "cache"), fields=FIELDS)
    for _ in range(2):  # from the store, then from the folder
        for one, other in zip(plain, cached, strict=True):  # type: ignore[call-overload]
            for name in FIELDS:
                assert np.array_equal(np.asarray(one[name]), np.asarray(other[name]))
    assert len(list((tmp_path / "cache").rglob("*.piece"))) == 5 * 3 * 4


def test_arrays_of_zeros_are_read_without_chunks(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a", cache=tmp_path / "cache")
    videos = np.zeros((3, 4, 8, 10, 3), np.uint8)
    videos[1] = 7
    store.commit(sample_set(1, videos=videos))
    items = SampleSetDataset(store, fields=("video",))
    found = {float(items[index]["video"].max()) for index in range(3)}
    assert found == {0.0, float(torch.tensor(7.0) / 255)}


def test_a_damaged_piece_is_fetched_again_and_a_damaged_store_named(
    disk: Path, tmp_path: Path
) -> None:
    dataset = SampleSetDataset(SampleStore.open(disk, cache=tmp_path / "cache"))
    before = dataset[0]["video"]
    for path in (tmp_path / "cache").rglob("*.piece"):
        path.write_bytes(path.read_bytes()[:20] + b"x" * 30)
    assert torch.equal(dataset[0]["video"], before)
    shard = next((disk / "arrays").glob(f"{dataset.rows[0]['set_id']}.*")) / "videos"
    for path in (*(tmp_path / "cache").rglob("*.piece"), *shard.glob("c*")):
        path.unlink()
    with pytest.raises(StoreError, match="the bytes are not those that were written"):
        dataset[0]


def test_a_batch_and_those_after_it_are_fetched_before_they_are_asked_for(
    disk: Path, tmp_path: Path
) -> None:
    store = SampleStore.open(disk, cache=tmp_path / "cache")
    store.pieces = Counting(store._place, LocalCache(tmp_path / "cache", 10**6))
    dataset = SampleSetDataset(store, fields=("sample_id", "video"))
    loader = SampleLoader(dataset, 3, seed=3)
    plain = SampleLoader(SampleSetDataset(disk, fields=("sample_id", "video")), 3, seed=3)
    Counting.requests = 0
    batches = iter(loader)
    first = next(batches)
    dataset._pieces._threads.shutdown()  # type: ignore[union-attr]  # what was begun is done
    dataset._pieces._threads = None  # type: ignore[union-attr]
    assert Counting.requests == 3 * (1 + AHEAD)
    found = [first, *batches]
    assert Counting.requests == len(dataset)
    for one, other in zip(found, plain, strict=True):
        assert one["sample_id"] == other["sample_id"]
        assert torch.equal(one["video"], other["video"])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_worker_knows_its_next_batches_in_every_epoch(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = SeededSampler([Group(np.arange(23), 23)], 5)
    order = ReadingOrder(sampler, 2, workers)

    class Info:
        id = workers - 1

    monkeypatch.setattr("flawcast.storage.reading_order.get_worker_info", lambda: Info)
    for epoch in range(2):
        sampler.epoch = epoch
        whole = sampler.order().tolist()
        batches = [whole[start : start + 2] for start in range(0, 23, 2)][workers - 1 :: workers]
        for number, batch in enumerate(batches):
            coming = batches[number + 1 : number + 1 + AHEAD]
            assert order.after(batch) == [index for some in coming for index in some]
    assert order.after([1, 2, 3]) == []


def test_the_folder_is_bounded_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "cache", 64 * 4096)
    for number in range(300):
        cache.put(f"piece {number}", bytes([number % 256]) * 4096)
        assert cache.get("piece 0") is not None or number == 0
        for path in (tmp_path / "cache").rglob("*.piece") if number % 50 == 0 else ():
            os.utime(path, (1000 + number, 1000 + number))
        cache.get("piece 0")
        sizes = [path.stat().st_size for path in (tmp_path / "cache").rglob("*.piece")]
        assert sum(sizes) <= cache.most_bytes
    assert cache.get("piece 299") == bytes([299 % 256]) * 4096
    assert cache.get("piece 5") is None
    cache.put("huge", b"x" * cache.most_bytes)
    assert cache.get("huge") is None
    with pytest.raises(StoreError, match="expected at least 1 byte"):
        LocalCache(tmp_path, 0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be made"):
        LocalCache(tmp_path / "file" / "cache", 10)


def test_a_bucket_needs_two_requests_for_a_video_and_one_for_the_next(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SampleStore.open(bucket_url, "a")
    for seed in range(2):
        writer.commit(sample_set(seed, settings=json.dumps({"past": 2})))
    writer.compact()
    dataset = SampleSetDataset(bucket_url)
    asked: list[str] = []
    place = dataset._pieces.place  # type: ignore[union-attr]

    def counted(name: str, real: Callable[..., bytes]) -> Callable[..., bytes]:
        def request(*arguments: Any) -> bytes:
            asked.append(name)
            return real(*arguments)

        return request

    for name in ("read_range", "read_tail"):
        monkeypatch.setattr(place, name, counted(name, getattr(place, name)))
    items = [dataset[index] for index in (0, 1)]
    assert asked == ["read_tail", "read_range", "read_range"]
    for item in items:
        seed = int(item["set_id"][4:], 16)
        made = sample_set(seed)
        stored = made.videos[made.indices.index(int(item["sample_id"][-3:]))]
        assert np.array_equal((item["video"] * 255).round().permute(0, 2, 3, 1).numpy(), stored)
    assert AT_ONCE >= 8
