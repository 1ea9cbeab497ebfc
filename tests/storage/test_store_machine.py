"""Commit, forget, tag, kill, gc and compact in any order: no set is lost, broken or doubled."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleStore
from tests.storage.examples import sample_set, set_id
from tests.storage.writers import assert_equal, killed, work

SEEDS = st.integers(0, 9)
SOME_SEEDS = st.sets(SEEDS, min_size=1, max_size=4)
NAMES = st.sampled_from(["v1", "night.2", "before-audit"])


@dataclass
class ForgottenSet:
    """A row that was forgotten: the set's seed and the row's generation."""

    seed: int
    generation: int
    gone: bool = False


@dataclass
class TagModel:
    """What a tag must show: the generation of each of its sets, and the reviews of its moment."""

    generations: dict[int, int]
    reviews: dict[str, str]

    def holds(self, row: ForgottenSet) -> bool:
        """Whether gc must leave a row."""
        return self.generations.get(row.seed) == row.generation


class StoreMachine(RuleBasedStateMachine):
    """A store beside the plain set of seeds that it must hold, what is forgotten, and the tags."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = str(Path(self.folder.name) / "store")
        self.store = SampleStore.open(self.url, "a")
        self.held: dict[int, int] = {}  # generation of each set
        self.forgettings: list[list[ForgottenSet]] = []
        self.tags: dict[str, TagModel] = {}
        self.snapshots: list[tuple[SampleStore, dict[int, int]]] = []
        self.reviews: dict[str, str] = {}

    def teardown(self) -> None:
        """Everything that was ever promised is there, and nothing but that is left over."""
        assert self.store.verify() == []
        self.look_at_tags()
        for seed in self.held:
            assert_equal(self.store.load(set_id(seed)), sample_set(seed))
        for name in self.tags:
            self.store.delete_tag(name)
        for action in ("gc", "compact", "gc", "compact", "gc"):
            work(self.url, action)
        root = self.store.root or Path()
        assert {path.name for path in root.glob("s*/*")} == set()
        assert len(list(root.glob("arrays/*"))) == len(self.held)
        assert list(root.glob("tags/*")) == []
        assert len(list(root.glob("versions/*"))) <= 1
        assert SampleStore.open(self.url).verify() == []
        self.ids_are_those_of_the_model()
        self.folder.cleanup()

    def ids(self) -> list[str]:
        """What the store must hold."""
        return sorted(map(set_id, self.held))

    def dead(self) -> list[ForgottenSet]:
        """Every row that was forgotten."""
        return [row for rows in self.forgettings for row in rows]

    def next_generation(self, seed: int) -> int:
        """The generation that a set gets next."""
        return max((row.generation + 1 for row in self.dead() if row.seed == seed), default=0)

    @rule(seed=SEEDS)
    def commit(self, seed: int) -> None:
        """A set is written if it is new, and once; one that was forgotten is refused."""
        if seed not in self.held and self.next_generation(seed):
            assert self.store.is_forgotten(set_id(seed))
            with pytest.raises(StoreError, match="was forgotten"):
                self.store.commit(sample_set(seed))
            return
        assert self.store.commit(sample_set(seed)) == (seed not in self.held)
        self.held.setdefault(seed, 0)

    @rule(seed=SEEDS)
    def commit_again(self, seed: int) -> None:
        """A set that was forgotten is made again."""
        assert self.store.commit(sample_set(seed), again=True) == (seed not in self.held)
        self.held.setdefault(seed, self.next_generation(seed))

    @rule(seed=SEEDS, step=st.integers(1, 70))
    def commit_killed(self, seed: int, step: int) -> None:
        """A set whose writer is killed is there as a whole or not at all."""
        over = not killed(self.url, f"again {seed}", step)
        if over or self.store.has(set_id(seed)):
            assert_equal(self.store.load(set_id(seed)), sample_set(seed))
            self.held.setdefault(seed, self.next_generation(seed))

    @rule(seeds=SOME_SEEDS)
    def forget(self, seeds: set[int]) -> None:
        """Sets disappear, all in one step."""
        wanted = sorted(seeds & self.held.keys())
        if wanted:
            assert self.store.forget(map(set_id, wanted)) == list(map(set_id, wanted))
            self._forget(wanted)

    @rule(seeds=SOME_SEEDS, step=st.integers(1, 12))
    def forget_killed(self, seeds: set[int], step: int) -> None:
        """All of them disappear, or none."""
        wanted = sorted(seeds & self.held.keys())
        if wanted:
            over = not killed(self.url, f"forget {' '.join(map(str, wanted))}", step)
            if over or not self.store.has(set_id(wanted[0])):
                self._forget(wanted)

    @rule(label=st.sampled_from(["jam", "normal", "slip"]))
    def forget_where(self, label: str) -> None:
        """Those that meet a condition."""
        wanted = sorted(n for n in self.held if sample_set(n).provenance.label == label)
        if wanted:
            assert len(self.store.forget(where=f"label = '{label}'")) == len(wanted)
            self._forget(wanted)

    def _forget(self, seeds: list[int]) -> None:
        self.forgettings.append([ForgottenSet(seed, self.held.pop(seed)) for seed in seeds])

    @rule()
    def undo(self) -> None:
        """What was forgotten last is back."""
        back = self._last()
        if not back:
            with pytest.raises(StoreError, match="nothing can be undone"):
                self.store.undo_forget()
            return
        assert self.store.undo_forget() == sorted(set_id(row.seed) for row in back)
        self._undo(back)

    @rule(step=st.integers(1, 12))
    def undo_killed(self, step: int) -> None:
        """All of it is back, or nothing."""
        back = self._last()
        if back and (not killed(self.url, "undo", step) or self.store.has(set_id(back[0].seed))):
            self._undo(back)

    @rule(seed=SEEDS)
    def undo_one(self, seed: int) -> None:
        """One set is back, unless gc has removed it."""
        rows = [row for row in self.dead() if row.seed == seed]
        if seed in self.held or not rows:
            with pytest.raises(StoreError, match="not forgotten"):
                self.store.undo_forget([set_id(seed)])
            return
        newest = max(rows, key=lambda row: row.generation)
        if newest.gone:
            with pytest.raises(StoreError, match="has removed it"):
                self.store.undo_forget([set_id(seed)])
            return
        assert self.store.undo_forget([set_id(seed)]) == [set_id(seed)]
        self._undo([newest])

    def _last(self) -> list[ForgottenSet]:
        for rows in reversed(self.forgettings):
            back = [row for row in rows if not row.gone and row.seed not in self.held]
            if back:
                return back
        return []

    def _undo(self, back: list[ForgottenSet]) -> None:
        for rows in self.forgettings:
            for row in back:
                if row in rows:
                    rows.remove(row)
        self.held |= {row.seed: row.generation for row in back}

    @rule(name=NAMES)
    def tag(self, name: str) -> None:
        """What is there gets a name, which is taken then."""
        if name in self.tags:
            with pytest.raises(StoreError, match="it is there"):
                self.store.tag(name)
        elif self.held:
            assert self.store.tag(name).sets == len(self.held)
            self.tags[name] = TagModel(dict(self.held), dict(self.reviews))

    @rule(name=NAMES, step=st.integers(1, 16))
    def tag_killed(self, name: str, step: int) -> None:
        """A tag is there as a whole or not at all."""
        if name not in self.tags and self.held:
            over = not killed(self.url, f"tag {name}", step)
            if over or name in {tag.name for tag in self.store.tags()}:
                self.tags[name] = TagModel(dict(self.held), dict(self.reviews))

    @rule(name=NAMES)
    def delete_tag(self, name: str) -> None:
        """A name is free again."""
        if name in self.tags:
            self.store.delete_tag(name)
            del self.tags[name]

    @rule(name=NAMES, step=st.integers(1, 12))
    def delete_tag_killed(self, name: str, step: int) -> None:
        """A name is free or not."""
        if name in self.tags:
            over = not killed(self.url, f"untag {name}", step)
            if over or name not in {tag.name for tag in self.store.tags()}:
                del self.tags[name]

    @rule()
    def look_at_tags(self) -> None:
        """Each shows the sets and reviews of its moment, whole."""
        assert {tag.name for tag in self.store.tags()} == self.tags.keys()
        for name, model in self.tags.items():
            view = SampleStore.open(self.url, tag=name)
            ids = sorted(map(set_id, model.generations))
            assert view.set_ids() == view.query()["set_id"].to_pylist() == ids
            samples = view.query(rows="samples").select(["sample_id", "review"]).to_pylist()
            assert len(samples) == 3 * len(ids)
            for row in samples:
                assert row["review"] == model.reviews.get(row["sample_id"], "none")
            assert view.verify() == []
            for seed in model.generations:
                assert_equal(view.load(set_id(seed)), sample_set(seed))

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
        for row in self._free():
            row.gone = True
        left = list(self.store.gc(dry_run=True, older_than_hours=0))
        assert {item.kind for item in left} <= {"version"}  # what it superseded itself
        assert len(left) <= 1

    @rule(step=st.integers(1, 60))
    def gc_killed(self, step: int) -> None:
        """What was left over goes in part; what is forgotten is decided on in one step."""
        free = self._free()
        killed(self.url, "gc", step)
        gone = {(row.set_id, row.generation) for row in self.store.versions.rows if row.gone}
        if any((set_id(row.seed), row.generation) in gone for row in free):
            for row in free:
                row.gone = True
        known = {(set_id(row.seed), row.generation) for row in self.dead() if row.gone}
        assert gone == known

    def _free(self) -> list[ForgottenSet]:
        held = self.tags.values()
        return [
            row for row in self.dead() if not row.gone and not any(tag.holds(row) for tag in held)
        ]

    @rule()
    def young_things_stay(self) -> None:
        """With the default grace age nothing of this test is old enough."""
        gone = [set_id(row.seed) for row in self.dead() if row.gone]  # a killed gc began on them
        for item in self.store.gc():
            assert item.name.partition("/")[2][: len(set_id(0))] in gone

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
        self.snapshots = [*self.snapshots[-2:], (self.store.snapshot(), dict(self.held))]

    @rule()
    def look_at_snapshots(self) -> None:
        """Each sees the sets of its moment, but those that were forgotten and are gone."""
        gone = {(row.seed, row.generation) for row in self.dead() if row.gone}
        for snapshot, held in self.snapshots:
            found = snapshot.query()["set_id"].to_pylist()
            assert snapshot.set_ids() == sorted(map(set_id, held))
            left = {set_id(seed) for seed, n in held.items() if (seed, n) not in gone}
            assert left <= set(found) <= set(map(set_id, held))
            assert snapshot.query(rows="samples").num_rows == 3 * len(found)

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
        type(self).steps += 1
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
@pytest.mark.parametrize("half", [1, 2])
def test_no_order_of_2000_steps_loses_or_doubles_a_set(half: int) -> None:
    before = StoreMachine.steps
    run_state_machine_as_test(StoreMachine, **options(25, 50))
    print(f"half {half}: {StoreMachine.steps - before} steps")
    assert StoreMachine.steps - before >= 1000
