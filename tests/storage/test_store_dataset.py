"""The torch dataset: the stored videos as tensors, in one process or several."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from flawcast.configs.errors import QueryError, StoreError
from flawcast.storage import SampleSetDataset, SampleStore
from tests.storage.examples import sample_set, set_id


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Four sets: jam, normal, slip, jam."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(4):
        store.commit(sample_set(seed))
    return store


def test_items_are_the_stored_videos(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.url, where="label = 'jam'")
    assert len(dataset) == 6
    for item, row in zip(dataset, dataset.rows, strict=True):  # type: ignore[call-overload]
        made = sample_set(row["seed"])
        stored = made.videos[made.indices.index(row["index"])]
        assert (item["video"].dtype, item["video"].shape) == (torch.float32, (4, 3, 8, 10))
        assert np.array_equal((item["video"] * 255).round().permute(0, 2, 3, 1).numpy(), stored)
        assert item["label"] == "jam"
        assert item["sample_id"] == f"{made.id}-{row['index']:03d}"


def test_workers_read_what_one_process_reads(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.url)
    plain = [dataset[index] for index in range(len(dataset))]  # opens the arrays here as well
    # Not forked: other tests leave Ray's threads in this process, which do not survive a fork.
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context="forkserver")
    batches = list(loader)
    assert torch.equal(
        torch.cat([batch["video"] for batch in batches]),
        torch.stack([item["video"] for item in plain]),
    )
    assert [name for batch in batches for name in batch["sample_id"]] == [
        item["sample_id"] for item in plain
    ]


FORKED = """
import os
import sys
from torch.utils.data import DataLoader
from flawcast.storage import SampleSetDataset, SampleStore

store = SampleStore.open(sys.argv[1])
_ = [store.load(set_id) for set_id in store.set_ids()]
dataset = SampleSetDataset(store)
here = [dataset[index]["sample_id"] for index in range(len(dataset))]
loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork")
assert [item["sample_id"] for item in loader] == here
if not (child := os.fork()):
    sys.exit(len(store.query()))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == len(store.query()) > 0
"""


def test_forked_processes_read_after_their_parent_has_read(store: SampleStore) -> None:
    """In a process of its own: other tests leave threads here, which do not survive a fork."""
    subprocess.run([sys.executable, "-c", FORKED, store.url], check=True, timeout=120)


def test_a_pickled_dataset_reads_on(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.url, transform=torch.nn.AvgPool2d(2))
    first = dataset[0]["video"]
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert first.shape == (4, 3, 4, 5)
    assert torch.equal(copy[0]["video"], first)


def test_a_dataset_is_a_snapshot(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.url)
    store.commit(sample_set(9))
    assert len(dataset) == 12
    assert len(SampleSetDataset(store.url)) == 15


def test_a_lost_shard_is_an_error_and_not_a_black_video(store: SampleStore) -> None:
    dataset = SampleSetDataset(store.url, where=f"set_id = '{set_id(2)}'")
    folder = next((store.root / "arrays").glob(f"{set_id(2)}.*"))
    next((folder / "videos").glob("c*")).unlink()
    with pytest.raises(StoreError, match=r"-\d{3}: video: the bytes are not those"):
        dataset[0]


def test_a_typo_is_found_at_once(store: SampleStore) -> None:
    with pytest.raises(QueryError, match="lable"):
        SampleSetDataset(store.url, where="lable = 'jam'")
