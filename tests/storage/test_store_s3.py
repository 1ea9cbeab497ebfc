"""The store in a bucket of a real S3 server: as on disk, without rename and without links."""

import os
import pickle
import signal
from typing import Any

import numpy as np
import obstore
import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleSetDataset, SampleStore
from flawcast.storage.s3 import S3Place
from tests.processes import PROCESSES, in_environment
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal, commit_together, kill_at_request


def test_a_bucket_holds_a_store(bucket_url: str) -> None:
    store = SampleStore.open(bucket_url, "a")
    for seed in range(3):
        assert store.commit(sample_set(seed))
    assert not store.commit(sample_set(1))
    reader = SampleStore.open(bucket_url)
    assert (reader.url, reader.root) == (bucket_url, None)
    assert reader.set_ids() == [set_id(seed) for seed in range(3)]
    assert reader.has(set_id(2))
    assert not reader.has(set_id(3))
    for seed in range(3):
        assert_equal(reader.load(set_id(seed)), sample_set(seed))
    assert reader.verify() == []
    jam = reader.query("label = 'jam'", order_by="apd desc")
    assert jam["set_id"].to_pylist() == [set_id(0)]
    assert reader.query(rows="samples").num_rows == 9
    assert np.array_equal(reader.open_array(set_id(1), "videos")[2], sample_set(1).videos[2])
    assert len(SampleSetDataset(pickle.loads(pickle.dumps(reader)))) == 9  # noqa: S301


def test_damage_in_a_bucket_is_named(bucket_url: str) -> None:
    store = SampleStore.open(bucket_url, "a")
    store.commit(sample_set(1))
    store.commit(sample_set(2))
    place = S3Place(bucket_url)
    shard = next(
        i.name for i in place.walk("arrays") if set_id(1) in i.name and "videos/c" in i.name
    )
    data = bytearray(place.read(shard))
    data[len(data) // 3] ^= 255
    place.replace(shard, bytes(data))
    place.remove(next(i.name for i in place.walk("samples") if set_id(2) in i.name))
    found = store.verify()
    assert [item.set_id for item in found] == [set_id(1), set_id(2)]
    assert found[0].problem.startswith("videos: ")
    assert found[1].problem.startswith("samples: ")
    with pytest.raises(StoreError, match="see `flawcast verify s3://"):
        store.load(set_id(1))


def test_of_two_writers_to_a_bucket_one_wins(bucket_url: str) -> None:
    seeds = list(range(4))
    SampleStore.open(bucket_url, "a")
    barrier, written = PROCESSES.Barrier(2), PROCESSES.Queue()
    writers = [
        PROCESSES.Process(
            target=in_environment,
            args=(dict(os.environ), commit_together, bucket_url, seeds, barrier, written),
        )
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    answers = [written.get(timeout=60) for _ in range(2 * len(seeds))]
    for writer in writers:
        writer.join(60)
    assert sorted(answers) == sorted((seed, won) for seed in seeds for won in (False, True))
    store = SampleStore.open(bucket_url)
    assert store.query().num_rows == len(seeds)
    assert store.verify() == []
    for folder in ("arrays", "samples", "sets"):
        assert len(list(S3Place(bucket_url).names(folder))) == len(seeds)


@pytest.mark.parametrize(
    ("kind", "count", "after", "left"),
    [
        ("arrays/", 1, False, ["arrays"]),
        ("arrays/", 5, True, ["arrays"]),
        ("arrays/", 12, False, ["arrays"]),
        ("samples/", 1, False, ["arrays"]),
        ("samples/", 1, True, ["samples", "arrays"]),
        ("sets/", 1, False, ["samples", "arrays"]),
        ("sets/", 1, True, []),
    ],
)
def test_a_killed_commit_to_a_bucket_shows_nothing_or_the_whole_set(
    bucket_url: str, kind: str, count: int, after: bool, left: list[str]
) -> None:
    store = SampleStore.open(bucket_url, "a")
    there = kind == "sets/" and after
    arguments = (dict(os.environ), kill_at_request, bucket_url, kind, count, after)
    process = PROCESSES.Process(target=in_environment, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert store.has(set_id(1)) == there
    assert store.verify() == []
    assert store.commit(sample_set(1)) != there
    assert_equal(store.load(set_id(1)), sample_set(1))
    found = [item.kind for item in store.gc(older_than_hours=0)]
    assert found == left or (kind == "arrays/" and found == [])  # how many objects went out varies
    assert len(list(S3Place(bucket_url).names("arrays"))) == 1
    assert store.verify() == []


def test_a_repeated_request_is_not_taken_for_another_writer(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sends the row twice, as it does if the first answer is lost on the way."""
    store = SampleStore.open(bucket_url, "a")
    put = obstore.put

    def twice(*args: Any, **options: Any) -> Any:
        put(*args, **options)
        return put(*args, **options)

    monkeypatch.setattr(obstore, "put", twice)
    assert store.commit(sample_set(1))
    assert store.verify() == []


def test_nothing_is_removed_if_the_last_answer_never_came(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is there although the client could not be told: its arrays must stay."""
    store = SampleStore.open(bucket_url, "a")
    put = obstore.put

    def lost(client: Any, name: str, *args: Any, **options: Any) -> Any:
        result = put(client, name, *args, **options)
        if name.startswith("sets/"):
            raise obstore.exceptions.GenericError("connection closed")
        return result

    monkeypatch.setattr(obstore, "put", lost)
    with pytest.raises(StoreError, match=r"not written: sets/.* connection closed"):
        store.commit(sample_set(1))
    monkeypatch.setattr(obstore, "put", put)
    assert SampleStore.open(store.url).has(set_id(1))
    assert store.verify() == []


def test_what_is_wrong_with_a_bucket_is_one_clear_line(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="expected a store, found nothing"):
        SampleStore.open(bucket_url)
    for mode in ("r", "a"):
        with pytest.raises(
            StoreError, match=r"^store s3://no-such-bucket/x: .*NoSuchBucket"
        ) as error:
            SampleStore.open("s3://no-such-bucket/x", mode)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
    for url in ("s3://", "s3:///x", "s3://bucket/x?y"):
        with pytest.raises(StoreError, match="expected s3://BUCKET/PREFIX"):
            SampleStore.open(url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match="expected credentials, found none; set AWS_ACCESS_KEY_ID"):
        SampleStore.open(bucket_url)
