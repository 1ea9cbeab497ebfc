"""Commit, query, kill, gc, compact and verify in any order: no set is lost, broken or doubled."""

import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from flawcast.storage import SampleStore
from tests.processes import PROCESSES
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal, work, work_until

SEEDS = st.integers(0, 9)


def killed(url: str, action: str, step: int) -> bool:
    """Do something in a process that is killed at a step; False if it was over before."""
    process = PROCESSES.Process(target=work_until, args=(url, action, step))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


class StoreMachine(RuleBasedStateMachine):
    """A store beside the plain set of seeds that it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = str(Path(self.folder.name) / "store")
        self.store = SampleStore.open(self.url, "a")
        self.held: set[int] = set()
        self.snapshots: list[tuple[SampleStore, list[str]]] = []
        self.reviews: dict[str, str] = {}

    def teardown(self) -> None:
        """Everything that was ever promised is there, and nothing but that is left over."""
        assert self.store.verify() == []
        for seed in self.held:
            assert_equal(self.store.load(set_id(seed)), sample_set(seed))
        self.store.compact()
        work(self.url, "gc")
        assert {path.name for path in (self.store.root or Path()).glob("s*/*")} == set()
        assert len(list((self.store.root or Path()).glob("arrays/*"))) == len(self.held)
        assert SampleStore.open(self.url).verify() == []
        self.ids_are_those_of_the_model()
        self.folder.cleanup()

    def ids(self) -> list[str]:
        """What the store must hold."""
        return sorted(map(set_id, self.held))

    @rule(seed=SEEDS)
    def commit(self, seed: int) -> None:
        """A set is written if it is new, and once."""
        assert self.store.commit(sample_set(seed)) == (seed not in self.held)
        self.held.add(seed)

    @rule(seed=SEEDS, step=st.integers(1, 70))
    def commit_killed(self, seed: int, step: int) -> None:
        """A set whose writer is killed is there as a whole or not at all."""
        over = not killed(self.url, f"commit {seed}", step)
        if over or self.store.has(set_id(seed)):
            assert_equal(self.store.load(set_id(seed)), sample_set(seed))
            self.held.add(seed)

    @rule()
    def compact(self) -> None:
        """Rows move."""
        self.store.compact()

    @rule(step=st.integers(1, 25))
    def compact_killed(self, step: int) -> None:
        """Rows move or stay."""
        killed(self.url, "compact", step)

    @rule()
    def gc(self) -> None:
        """A dry run lists what is removed, and then nothing is left."""
        listed = list(self.store.gc(dry_run=True, older_than_hours=0))
        assert list(self.store.gc(older_than_hours=0)) == listed
        assert list(self.store.gc(dry_run=True, older_than_hours=0)) == []

    @rule(step=st.integers(1, 60))
    def gc_killed(self, step: int) -> None:
        """What was left over goes in part."""
        killed(self.url, "gc", step)

    @rule()
    def young_things_stay(self) -> None:
        """With the default grace age nothing of this test is old enough."""
        assert list(self.store.gc()) == []

    @rule()
    def reopen(self) -> None:
        """Nothing is kept in memory."""
        self.store = SampleStore.open(self.url, "a")

    @rule(seed=SEEDS, review=st.sampled_from(["accepted", "rejected", "none"]))
    def review(self, seed: int, review: str) -> None:
        """A kept sample is marked."""
        if seed in self.held:
            made = sample_set(seed)
            sample_id = made.sample_id(made.indices[0])
            self.store.review(sample_id, review)
            self.reviews[sample_id] = review

    @rule()
    def snapshot(self) -> None:
        """To be looked at later."""
        self.snapshots = [*self.snapshots[-2:], (self.store.snapshot(), self.ids())]

    @rule()
    def look_at_snapshots(self) -> None:
        """Each sees the sets of its moment."""
        for snapshot, ids in self.snapshots:
            assert snapshot.query()["set_id"].to_pylist() == ids
            assert snapshot.query(rows="samples").num_rows == 3 * len(ids)

    @rule()
    def query(self) -> None:
        """Rows are those of the sets."""
        table = self.store.query(order_by="apd desc")
        made = sorted((sample_set(seed) for seed in self.held), key=lambda item: -item.apd)
        assert table["set_id"].to_pylist() == [item.id for item in made]
        samples = self.store.query(rows="samples").select(["sample_id", "review"]).to_pylist()
        assert len(samples) == 3 * len(self.held)
        for row in samples:
            assert row["review"] == self.reviews.get(row["sample_id"], "none")

    @rule()
    def verify(self) -> None:
        """Nothing is damaged."""
        assert self.store.verify() == []

    @invariant()
    def ids_are_those_of_the_model(self) -> None:
        """At any time."""
        assert SampleStore.open(self.url).set_ids() == self.store.set_ids() == self.ids()


def options(examples: int, steps: int) -> dict[str, Any]:
    """Hypothesis settings for so many runs of at most so many steps."""
    return {
        "settings": settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    }


def test_no_order_of_steps_loses_or_doubles_a_set() -> None:
    run_state_machine_as_test(StoreMachine, **options(5, 12))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_order_of_2000_steps_loses_or_doubles_a_set() -> None:
    run_state_machine_as_test(StoreMachine, **options(50, 50))


EVERY = [pytest.param(11, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


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
