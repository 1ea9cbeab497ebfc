"""A plan of very many sets: numbers that become sets when they are asked for."""

import pickle
from pathlib import Path

import numpy as np

from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import Plan, PlannedSets, ids_of, modes_of, planned_id
from flawcast.flows.generate.reading import ReadClip
from flawcast.flows.generate.run import missing_sets
from flawcast.generators.clips import ClipEntry
from flawcast.storage import SampleStore
from tests.storage.examples import sample_set

SETTINGS = GenerateSettings(past=2, future=2, samples=2, keep=2)


def read_clip(number: int, length: int = 20) -> ReadClip:
    """A clip with masks for all of its frames."""
    name = f"clip-{number}.mp4"
    masks = {frame: SetMasks(kind="drawn", id=f"{number}-{frame}") for frame in range(length)}
    return ReadClip(ClipEntry(name, Path(name), "jam"), f"clip-{number:016x}", length, masks)


def planned(windows: int | None = None) -> PlannedSets:
    """Two modes of three clips, with sources from a folder of two others."""
    clips, others = [read_clip(number) for number in range(3)], [read_clip(7), read_clip(8)]
    return PlannedSets.plan(
        clips,
        others,
        ("reconstruction", "transfer"),
        SETTINGS,
        "weights-0",
        windows,
        lambda clip, window: others[window.start // 4 % 2],
    )


def test_sets_have_the_ids_of_what_they_are() -> None:
    sets = planned()
    assert len(sets) == 3 * 5 * 2
    for one in sets:
        assert one.set_id == planned_id(one, SETTINGS, "weights-0", one.masks)
        assert one.masks is not None
        assert one.masks.id == f"{int(one.source.clip_id[5:], 16)}-{one.source.frame}"
    assert [one.set_id for one in sets] == [name for some in ids_of(sets) for name in some]
    assert modes_of(sets) == {"reconstruction", "transfer"}
    assert len(planned(windows=2)) == 3 * 2 * 2


def test_a_share_that_is_sent_holds_only_its_clips_and_masks() -> None:
    sets = planned()
    share = pickle.loads(pickle.dumps(sets[10:14]))  # noqa: S301
    assert share == tuple(sets)[10:14]
    assert [clip.clip_id for clip in share.clips] == [sets[10].clip_id]
    assert sum(len(clip.masks) for clip in (*share.clips, *share.others)) < 10


def test_what_is_missing_is_found_without_asking_for_each(tmp_path: Path) -> None:
    sets, store = planned(), SampleStore.open(tmp_path / "store", "a")
    for number in (3, 4, 29):
        store.commit(sample_set(1, id=sets[number].set_id))
    store.forget([sets[4].set_id])
    left = [number for number in range(30) if number not in (3, 4, 29)]
    for plan in (Plan(sets), Plan(tuple(sets))):
        missing, forgotten = missing_sets(store, plan, again=False)
        assert list(missing) == [sets[number] for number in left]
        assert forgotten == (sets[4].set_id,)
        missing, forgotten = missing_sets(store, plan, again=True)
        assert len(missing) == 28
        assert forgotten == ()
    assert sets[np.zeros(30, bool)] == ()
