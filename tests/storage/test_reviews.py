"""Reviews: who said what of a sample, seen by queries, datasets, snapshots and verify."""

import os
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleSetDataset, SampleStore
from flawcast.storage import reviews as module
from flawcast.storage.reviews import Record, Reviews
from flawcast.storage.schema import ANSWERS
from tests.processes import PROCESSES, in_environment
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import review_together

KEPT = "review != 'rejected'"


def sample_ids(store: SampleStore, where: str | None = None) -> list[str]:
    found: list[str] = store.query(where, rows="samples")["sample_id"].to_pylist()
    return found


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Two sets of three samples."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in (1, 2):
        store.commit(sample_set(seed))
    return store


@pytest.mark.parametrize("compacted", [False, True], ids=["single", "compacted"])
def test_rejected_samples_can_be_left_out(store_url: str, compacted: bool) -> None:
    store = SampleStore.open(store_url, "a")
    for seed in (1, 2):
        store.commit(sample_set(seed))
    if compacted:
        store.compact()
    every = sample_ids(store)
    assert sample_ids(store, KEPT) == every, "what nobody reviewed is 'none', and not left out"
    store.review(every[0], "rejected", "two belts", "Ada")
    store.review(every[4], "accepted")
    reader = SampleStore.open(store_url)
    assert sample_ids(reader, KEPT) == every[1:]
    assert sample_ids(reader, "review = 'accepted'") == [every[4]]
    answer = reader.query(rows="samples")
    assert answer["review"].to_pylist() == ["rejected", *["none"] * 3, "accepted", "none"]
    assert answer.schema.equals(ANSWERS["samples"])
    counts = reader.query("rejected > 0 or accepted > 0", order_by="rejected")
    assert counts.schema.equals(ANSWERS["sets"])
    assert counts.select(["set_id", "accepted", "rejected"]).to_pylist() == [
        {"set_id": set_id(2), "accepted": 1, "rejected": 0},
        {"set_id": set_id(1), "accepted": 0, "rejected": 1},
    ]
    dataset = SampleSetDataset(reader, where="review <> 'rejected'", fields=("video", "review"))
    assert [row["sample_id"] for row in dataset.rows] == every[1:]
    assert dataset[3]["review"] == "accepted"


def test_the_newest_mark_counts_and_all_are_kept(store: SampleStore) -> None:
    (first, *_) = sample_ids(store)
    for review in ("rejected", "accepted", "none"):
        store.review(first, review, f"it is {review}", "Ada")
        assert sample_ids(store, f"review = '{review}'")[0] == first
    table = store.query(rows="reviews")
    assert table.schema.equals(ANSWERS["reviews"])
    rows = table.to_pylist()
    assert [row["note"] for row in rows] == ["it is rejected", "it is accepted", "it is none"]
    assert [row["newest"] for row in rows] == [False, False, True]
    assert {(row["sample_id"], row["set_id"], row["reviewer"]) for row in rows} == {
        (first, set_id(1), "Ada")
    }
    assert store.query("review = 'accepted'", rows="reviews").num_rows == 1


def test_a_slow_clock_loses_no_mark(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, *_) = sample_ids(store)
    store.review(first, "rejected")
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    store.review(first, "accepted")
    assert sample_ids(store, "review = 'accepted'") == [first]


def test_reviewers_at_the_same_moment_lose_nothing(store_url: str) -> None:
    store = SampleStore.open(store_url, "a")
    store.commit(sample_set(1))
    samples = sample_ids(store)
    barrier = PROCESSES.Barrier(2)
    reviewers = [
        PROCESSES.Process(
            target=in_environment,
            args=(dict(os.environ), review_together, store_url, samples, name, barrier),
        )
        for name in ("accepted", "rejected")
    ]
    for process in reviewers:
        process.start()
    for process in reviewers:
        process.join(60)
        assert process.exitcode == 0
    rows = store.query(rows="reviews", order_by="sample_id").to_pylist()
    assert len(rows) == 2 * len(samples)
    for _, marks in groupby(rows, key=lambda row: row["sample_id"]):
        assert sorted(row["newest"] for row in marks) == [False, True]
    assert store.verify() == []


def test_a_snapshot_keeps_the_reviews_of_its_moment(store: SampleStore) -> None:
    first, second, *_ = sample_ids(store)
    store.review(first, "rejected")
    snapshot = store.snapshot()
    store.review(second, "rejected")
    store.review(first, "none")
    assert sample_ids(snapshot, "review = 'rejected'") == [first]
    assert sample_ids(store, "review = 'rejected'") == [second]
    assert snapshot.query(rows="reviews").num_rows == 1
    with pytest.raises(StoreError, match="opened for reading"):
        snapshot.review(first, "accepted")


def test_gc_removes_no_review_but_what_a_killed_reviewer_left(store: SampleStore) -> None:
    (first, *_) = sample_ids(store)
    store.review(first, "rejected")
    store.review(first, "accepted")
    folder = (store.root or Path()) / "reviews"
    (folder / ".draft.json").touch()
    store.compact()
    removed = [item.name for item in store.gc(older_than_hours=0)]
    assert removed[0] == "reviews/.draft.json"
    assert not [name for name in removed[1:] if name.startswith("reviews")]
    assert store.query(rows="reviews").num_rows == 2


def test_damaged_reviews_are_named(store: SampleStore) -> None:
    first, second, *_ = sample_ids(store)
    store.review(first, "rejected", "blurred")
    (path,) = ((store.root or Path()) / "reviews").iterdir()
    path.write_bytes(path.read_bytes().replace(b"blurred", b"perfect"))
    (problem,) = store.verify()
    assert problem.set_id == f"reviews/{path.name}"
    with pytest.raises(StoreError, match=r"reviews/.*bytes are not those.*flawcast verify"):
        store.query(rows="reviews")
    path.write_bytes(path.read_bytes().replace(b"perfect", b"blurred"))
    assert store.verify() == []
    path.rename(path.with_name(path.name.replace("rejected", "accepted")))
    assert "the name is not that which was written" in store.verify()[0].problem
    (path.parent / f"{second}.no.json").touch()  # no name of a record: not ours
    assert len(store.verify()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set-0000000000000001-999", "accepted"), "did not keep it"),
        (("set-00000000000000ff-000", "accepted"), "no set set-00000000000000ff"),
        (("../../etc/passwd", "accepted"), "sample id: expected"),
        (("set-0000000000000001-000", "splendid"), "review: expected one of accepted"),
        (("set-0000000000000001-000", "accepted", "x" * 1001), "note: expected at most 1000"),
    ],
    ids=["not kept", "no set", "no id", "no review", "long note"],
)
def test_what_cannot_be_reviewed_is_refused(
    store: SampleStore, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        store.review(*arguments)
    assert store.query(rows="reviews").num_rows == 0


RECORDS = st.builds(
    Record,
    st.sampled_from([f"{set_id(1)}-000", f"{set_id(1)}-001", f"{set_id(2)}-1000"]),
    st.integers(0, 3),
    st.sampled_from(["0" * 32, "f" * 32]),
    st.sampled_from(module.REVIEW_WORDS),
)


@settings(max_examples=50, deadline=None)
@given(records=st.frozensets(RECORDS))
def test_verdicts_are_the_last_of_each_sample(records: frozenset[Record]) -> None:
    wanted = {}
    for record in sorted(records):
        wanted[record.sample_id] = record.review
    verdicts = Reviews(None, records).verdicts().to_pylist()  # type: ignore[arg-type]
    found = {row["sample_id"]: row["verdict"] for row in verdicts}
    assert found == {name: review for name, review in wanted.items() if review != "none"}
    assert all(row["set_id"] == row["sample_id"][:20] for row in verdicts)
