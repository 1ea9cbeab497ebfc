"""The looping picture of a report: the real clip beside futures, the most diverse sets first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.errors import FlawcastError, SettingsError
from flawcast.flows.report.moving import GAP, write_moving
from flawcast.flows.report.pictures import BAR
from flawcast.flows.report.pictures import GAP as BETWEEN
from flawcast.storage import SampleStore
from tests.storage.examples import sample_set


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Three sets of frames of 8 x 10 pixels; the last one keeps two futures, the others three."""
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(0, apd=0.1))
    store.commit(sample_set(1, apd=0.3))
    one = sample_set(2)
    short = {"videos": one.videos[:2], "indices": one.indices[:2], "keep": 2}
    scores = {"ssim": one.ssim[:2], "diversity": one.diversity[:2]}
    store.commit(sample_set(2, apd=0.2, **short, **scores))
    return store


def test_rows_are_the_most_diverse_sets(store: SampleStore, tmp_path: Path) -> None:
    with Image.open(write_moving(store, tmp_path / "a.webp")) as picture:
        assert picture.n_frames == 6  # type: ignore[attr-defined]  # past and future
        assert picture.size == (4 * 10 + 3 * BETWEEN, 2 * (8 + BAR) + GAP)
        end = np.asarray(picture.convert("RGB"))
    right = end[8 + BAR + GAP :, 3 * (10 + BETWEEN) :]  # where the second row has no third future
    assert right.min() > 200


def test_a_condition_chooses_sets(store: SampleStore, tmp_path: Path) -> None:
    with Image.open(write_moving(store, tmp_path / "a.webp", "apd < 0.15")) as picture:
        assert picture.height == 8 + BAR
    with pytest.raises(FlawcastError, match="expected sets"):
        write_moving(store, tmp_path / "a.webp", "apd > 1")
    with pytest.raises(SettingsError, match="expected a file that can be written"):
        write_moving(store, tmp_path / "none" / "a.webp")
