"""Questions with a limit over a large store: the same answers as reading all rows gives."""

from pathlib import Path

import pytest

from flawcast.configs.errors import QueryError
from flawcast.storage import SampleStore, compaction, first_rows
from flawcast.storage.row_groups import RowGroups
from tests.storage.examples import sample_set
from tests.storage.simulated import simulate, simulated_id

QUESTIONS = [
    ("sets", None, "apd desc"),
    ("sets", "apd > 0.5", "apd"),
    ("sets", "label = 'jam' and split = 'train'", "mae, apd desc"),
    ("sets", "masks is null or defect_type = 'crack'", "created_at desc"),
    ("sets", None, None),
    ("sets", "Label in ('jam', 'slip')", '"WINDOW_START" DESC'),
    ("sets", "apd > 5", "apd desc"),
    ("sets", "accepted > 0", "apd desc"),
    ("samples", "diversity > 0.2", "diversity desc"),
    ("samples", "label = 'jam'", "diversity"),
    ("samples", "samples.rank = 2", "length(label) desc"),
    ("samples", "motion_label <> 'jam'", "coherence desc, ssim"),
    ("samples", "review = 'none' and onset is null", "onset desc"),
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    """Sixty sets in three parts of row groups of five, and three in files of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "SETS_PER_PART", 20)
        patch.setattr(compaction, "SETS_PER_GROUP", 5)
        patch.setattr(compaction, "SAMPLES_PER_GROUP", 10)
        store = simulate(tmp_path_factory.mktemp("large") / "store", 60)
    for seed in range(1, 4):
        store.commit(sample_set(seed))
    store.review(f"{simulated_id(7)}-000", "accepted")
    return store


def answers(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, ...] = (7,)
) -> None:
    """Compare both ways of answering."""
    for rows, where, order in QUESTIONS[:: 1 if len(limits) > 1 else 4]:
        for limit in limits:
            found = []
            for fewest in (0, 10**9):
                monkeypatch.setattr(first_rows, "FEWEST", fewest)
                found.append(store.query(where, order, limit, rows))
            assert found[0].equals(found[1]), (rows, where, order, limit)


@pytest.mark.parametrize("limits", [(2,), pytest.param((2, 1000), marks=pytest.mark.slow)])
def test_answers_are_those_of_reading_everything(
    limits: tuple[int, ...], large: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_rows, "FIRST_GROUPS", 2)
    answers(large, monkeypatch, limits)


def test_so_they_are_for_snapshots_and_beside_forgotten_sets(
    large: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = large.snapshot()
    best = [simulated_id(number) for number in range(0, 60, 7)]
    large.forget([*best, sample_set(1).id])
    for store in (snapshot, large):
        answers(store, monkeypatch)
    monkeypatch.setattr(first_rows, "FEWEST", 0)
    assert large.query(None, None, 1000).num_rows == 63 - 10
    large.undo_forget()


def test_few_row_groups_are_read_for_the_most_diverse(
    large: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_rows, "FEWEST", 0)
    monkeypatch.setattr(first_rows, "FIRST_GROUPS", 1)
    read: list[int] = []
    real = RowGroups._group

    def group(self: RowGroups, number: int, names: list[str]) -> object:
        read.append(number)
        return real(self, number, names)

    monkeypatch.setattr(RowGroups, "_group", group)
    large.query(None, "apd desc", 2)
    assert len(set(read)) < len(RowGroups(large._catalogue, "sets"))


@pytest.mark.parametrize(
    ("where", "order"),
    [("lable = 'jam'", None), ("1 = 1) order by (1", None), (None, "apd limit 3"), ("", None)],
)
def test_mistakes_are_named_as_ever(
    large: SampleStore, monkeypatch: pytest.MonkeyPatch, where: str | None, order: str | None
) -> None:
    messages = []
    for fewest in (0, 10**9):
        monkeypatch.setattr(first_rows, "FEWEST", fewest)
        with pytest.raises(QueryError) as refused:
            large.query(where, order, 5)
        messages.append(str(refused.value).partition(";")[0].partition("Candidate")[0])
    assert messages[0] == messages[1]


def test_rows_of_samples_are_those_of_a_query(large: SampleStore) -> None:
    for where in (None, "label = 'jam' and rank < 2", "apd > 5"):
        rows, table = large.sample_rows(where), large.query(where, rows="samples")
        assert list(rows) == table.to_pylist()
        assert rows.values("label") == table["label"].to_pylist()
        assert rows.nulls("onset") == table["onset"].null_count
        assert rows[:3] == table.slice(0, 3).to_pylist()
        if rows:
            assert rows[-1] == table.to_pylist()[-1]
            jams = rows.where(rows.among("label", {"jam"}))
            assert {row["label"] for row in jams} == {"jam"}
            assert rows.distinct(("label", "future")) == {
                (row["label"], row["future"]) for row in table.to_pylist()
            }
    with pytest.raises(IndexError):
        large.sample_rows("apd > 5")[0]


def test_small_parts_wait_until_there_is_something_like_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small additions rewrite a part seldom, and leave few parts."""
    monkeypatch.setattr(compaction, "SETS_PER_PART", 100)
    store = simulate(tmp_path / "store", 90)
    written = 0
    for seed in range(1, 13):
        before = {item.name for item in store._place.walk("parts")}
        store.commit(sample_set(seed))
        assert store.compact().moved == 1
        after = {item.name for item in store._place.walk("parts")}
        written += len(after - before)
        manifest = store._catalogue.manifest()
        assert sum(part.count for part in manifest.parts) == 90 + seed
        assert len(manifest.parts) <= 4
    assert 90 in {part.count for part in store._catalogue.manifest().parts}  # as it was
    assert len(store.ids()) == 102
