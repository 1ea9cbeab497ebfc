"""Loaders: masks and provenance in batches, seeded orders that resume, mixes, the leak guard."""

import gc
import json
import os
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from flawcast.configs.errors import LeakError, SettingsError, StoreError
from flawcast.storage import MixedDataset, SampleLoader, SampleSet, SampleSetDataset, SampleStore
from flawcast.storage.dataset import PROVENANCE
from flawcast.storage.sampling import Group, sampler_for
from tests.storage.examples import sample_set

FIELDS = ("video", "label", "mask", "valid", "provenance")


def masked(seed: int, **changes: Any) -> SampleSet:
    """A set with masks."""
    rng = np.random.default_rng(seed)
    about = {"masks": {"kind": "drawn", "id": "drawn-0"}}
    return sample_set(
        seed,
        settings=json.dumps(about),
        masks=rng.choice(np.array([0, 128, 255], np.uint8), (3, 4, 8, 10)),
        valid=rng.random((3, 4, 8, 10)) > 0.2,
        **changes,
    )


@pytest.fixture(scope="module")
def seven_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with masks: jam, normal, slip, jam, normal, slip, jam."""
    folder = tmp_path_factory.mktemp("loading") / "store"
    store = SampleStore.open(folder, "a")
    for seed in range(7):
        store.commit(masked(seed))
    return folder


@pytest.fixture
def store(seven_sets: Path, tmp_path: Path) -> SampleStore:
    """A copy of it that a test may change."""
    return SampleStore.open(shutil.copytree(seven_sets, tmp_path / "store"), "a")


class Real(Dataset[dict[str, Any]]):
    """Items that stand for real clips."""

    def __init__(self, count: int) -> None:
        self.labels = ["normal"] * count

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"video": torch.zeros(4, 3, 8, 10), "label": self.labels[index], "mode": "real"}


class Named(Real):
    """The same with labels of their own."""

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels


def names(loader: SampleLoader) -> list[str]:
    return [name for batch in loader for name in batch["sample_id"]]


def test_batches_hold_video_label_mask_and_provenance(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.snapshot(), fields=FIELDS, where="label = 'jam'")
    batch = next(iter(SampleLoader(dataset, batch_size=4)))
    assert set(batch) == set(FIELDS)
    assert batch["video"].shape == (4, 4, 3, 8, 10)
    assert (batch["mask"].dtype, batch["mask"].shape) == (torch.uint8, (4, 4, 8, 10))
    assert (batch["valid"].dtype, batch["valid"].shape) == (torch.bool, (4, 4, 8, 10))
    assert set(batch["provenance"]) == set(PROVENANCE)
    for item, row in zip((dataset[i] for i in range(len(dataset))), dataset.rows, strict=True):
        made = masked(row["seed"])
        assert made.masks is not None
        assert made.valid is not None
        assert np.array_equal(item["mask"].numpy(), made.masks[row["rank"]])
        assert np.array_equal(item["valid"].numpy(), made.valid[row["rank"]])


def test_masks_are_asked_only_of_sets_that_have_them(store: SampleStore) -> None:
    store.commit(sample_set(8))
    with pytest.raises(StoreError, match="3 of 24 samples have no masks"):
        SampleSetDataset(store, fields=FIELDS)
    assert len(SampleSetDataset(store, fields=FIELDS, where="masks is not null")) == 21


@pytest.mark.parametrize(
    ("field", "message"), [("vidoe", "got 'vidoe'"), ("onset", "no value in")], ids=["typo", "null"]
)
def test_fields_that_batches_cannot_hold_are_refused(
    store: SampleStore, field: str, message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        SampleSetDataset(store, fields=("video", field))


def test_what_changes_video_and_mask_gets_both(store: SampleStore) -> None:
    def flip(item: dict[str, Any]) -> dict[str, Any]:
        return {name: value.flip(-1) for name, value in item.items()}

    plain = SampleSetDataset(store, fields=("video", "mask"))[0]
    turned = SampleSetDataset(store, fields=("video", "mask"), augment=flip)[0]
    assert torch.equal(turned["video"].flip(-1), plain["video"])
    assert torch.equal(turned["mask"].flip(-1), plain["mask"])


def test_damaged_masks_are_an_error(store: SampleStore) -> None:
    dataset = SampleSetDataset(store, fields=("mask",))
    folder = next((store.root / "arrays").glob(f"{dataset.rows[0]['set_id']}.*"))  # type: ignore[operator]
    next((folder / "masks").glob("c*")).unlink()
    with pytest.raises(StoreError, match="masks: the bytes are not those"):
        dataset[0]
    assert [problem.problem for problem in store.verify()] == [
        "masks: the bytes are not those that were written"
    ]


def test_one_seed_one_order_and_every_item_once(store: SampleStore) -> None:
    dataset = SampleSetDataset(store)
    first, again, other = (SampleLoader(dataset, 4, seed=seed) for seed in (3, 3, 4))
    epochs = [names(first), names(first)]
    assert epochs == [names(again), names(again)]
    assert epochs[0] != epochs[1]
    assert epochs[0] != names(other)
    assert sorted(epochs[0]) == sorted(row["sample_id"] for row in dataset.rows)


@pytest.mark.parametrize("weights", [None, "class", "diversity"])
@pytest.mark.parametrize("after", [1, 3, 6])
def test_an_epoch_goes_on_in_the_middle(
    store: SampleStore, weights: str | None, after: int
) -> None:
    dataset = SampleSetDataset(store)
    whole = SampleLoader(dataset, 4, weights=weights, seed=5)
    expected = [names(whole), names(whole)]
    cut = SampleLoader(dataset, 4, weights=weights, seed=5)
    batches = iter(cut)
    seen = [name for _ in range(after) for name in next(batches)["sample_id"]]
    resumed = SampleLoader(dataset, 4, weights=weights, seed=5)
    resumed.load_state_dict(json.loads(json.dumps(cut.state_dict())))
    rest = names(resumed)
    if after == 6:  # the state was kept after the last batch: the next epoch comes
        assert seen == expected[0]
        assert rest == expected[1]
    else:
        assert seen + rest == expected[0]
        assert names(resumed) == expected[1]
    with pytest.raises(SettingsError, match="got one of 5"):
        SampleLoader(dataset, 4, seed=6).load_state_dict(cut.state_dict())


def test_weights_balance_classes_and_follow_diversity(store: SampleStore) -> None:
    dataset = SampleSetDataset(store)
    drawn = sampler_for(dataset, "class", count=6000).order()
    counts = Counter(dataset.labels[index] for index in drawn)
    assert all(abs(count - 2000) < 150 for count in counts.values())
    drawn = sampler_for(dataset, "diversity", count=20000).order()
    shares = np.bincount(drawn, minlength=len(dataset)) / len(drawn)
    diversity = np.array([row["diversity"] for row in dataset.rows])
    assert np.abs(shares - diversity / diversity.sum()).max() < 0.01


def test_classes_are_balanced_within_each_kind_of_a_mix() -> None:
    made, real = Named(["jam"] * 9 + ["normal"]), Named(["jam"] + ["normal"] * 9)
    mixed = MixedDataset(made, real, 0.75, 8000)
    drawn = np.array(sampler_for(mixed, "class").order())
    for kind, count in ((drawn < 10, 6000), (drawn >= 10, 2000)):
        jams = sum(mixed.labels[index] == "jam" for index in drawn[kind])
        assert kind.sum() == count
        assert abs(jams - count / 2) < 0.04 * count


@given(
    real=st.integers(1, 20),
    made=st.integers(1, 20),
    share=st.floats(0.05, 0.95),
    count=st.integers(2, 200),
    seed=st.integers(0, 5),
)
def test_a_mix_has_the_stated_share(
    real: int, made: int, share: float, count: int, seed: int
) -> None:
    mixed = MixedDataset(Real(made), Real(real), share, count)
    drawn = sampler_for(mixed, seed=seed).order()
    synthetic = int((drawn < made).sum())
    assert len(drawn) == count
    assert abs(synthetic - share * count) <= 1
    often = np.bincount(drawn, minlength=made + real)
    for part in (often[:made], often[made:]):
        assert part.max() - part.min() <= 1  # none comes again before all others came


def test_a_mix_shows_every_real_clip_once_by_default(store: SampleStore) -> None:
    mixed = MixedDataset(SampleSetDataset(store, fields=("video", "label", "mode")), Real(6), 0.75)
    modes = [mode for batch in SampleLoader(mixed, 4) for mode in batch["mode"]]
    assert Counter(modes) == {"reconstruction": 18, "real": 6}
    with pytest.raises(SettingsError, match="share between 0 and 1"):
        MixedDataset(Real(2), Real(2), 1.0)


def test_a_group_without_items_to_draw_is_empty() -> None:
    group = Group(np.arange(4), 0)
    assert group.draw(np.random.default_rng(0)).tolist() == []


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")
def test_workers_give_the_same_order_and_leave_no_file_open(store: SampleStore) -> None:
    dataset = SampleSetDataset(store, fields=("sample_id", "video", "mask"))
    expected = SampleLoader(dataset, 4, weights="class", seed=2)
    plain = [names(expected), names(expected)]
    loader = SampleLoader(dataset, 4, weights="class", seed=2, num_workers=2)
    before = open_files()
    found = [names(loader)]
    handles = open_handles()
    found.append(names(loader))
    assert found == plain
    assert open_handles() <= handles
    assert open_files() <= before


def test_reading_many_times_keeps_no_file_open(store: SampleStore) -> None:
    dataset = SampleSetDataset(store, fields=FIELDS)
    _ = [dataset[index] for index in range(len(dataset))]
    before = open_files()
    for _ in range(5):
        _ = [dataset[index] for index in range(len(dataset))]
    assert open_files() == before


def open_handles() -> int:
    """Handles that this process keeps once the queues of the last epoch are done.

    A queue's own thread closes its pipes some time after the epoch has ended.
    """
    for thread in threading.enumerate():
        if thread.name.startswith("QueueFeederThread"):
            thread.join(60)
            assert not thread.is_alive()
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def open_files() -> set[str]:
    """Regular files that this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except OSError:
            continue
        if target.startswith("/tmp"):  # noqa: S108
            found.add(target)
    return found


def test_samples_of_test_clips_are_refused_by_name(tmp_path: Path) -> None:
    """Whether the test clip gave the motion, the looks by the row's word, or by its id."""
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(0, clip_id="clip-good", source_clip_id="clip-good"))
    store.commit(sample_set(1, clip_id="clip-held", clip_name="held.mkv", split="test"))
    store.commit(sample_set(2, clip_id="clip-good", source_clip_id="clip-held"))
    foreign = json.dumps({"source_split": "test"})
    store.commit(sample_set(3, clip_id="clip-good", source_clip_id="clip-x", settings=foreign))
    with pytest.raises(LeakError, match=r"got 9 of 12: set-0+1-\d{3} \(motion of held.mkv\)"):
        SampleSetDataset(store)
    with pytest.raises(LeakError, match=r"set-0+2-\d{3} \(looks of a\)"):
        SampleSetDataset(store, where="split = 'train'")
    left = SampleSetDataset(store, on_test="leave_out")
    assert {row["seed"] for row in left.rows} == {0}
    assert left.left_out == 9
    assert len(SampleSetDataset(store, on_test="allow")) == 12


@pytest.mark.parametrize("name", ["clip-mine", "mine.mkv"], ids=["id", "name"])
def test_the_caller_may_hold_out_more_clips(tmp_path: Path, name: str) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(0))
    store.commit(sample_set(1, source_clip_id="clip-mine", source_clip_name="mine.mkv"))
    assert len(SampleSetDataset(store)) == 6
    with pytest.raises(LeakError, match=r"looks of mine.mkv"):
        SampleSetDataset(store, test_clips=[name])
