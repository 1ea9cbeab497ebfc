"""Diverse samples of a store: within the bound, and asked from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import QueryError, SettingsError
from flawcast.flows.query.diverse import diverse
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake
from tests.storage.examples import sample_set

FLAWCAST = Path(sys.executable).with_name("flawcast")


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(4):
        store.commit(sample_set(seed))
    return store


def test_chosen_samples_keep_the_bound_and_the_condition(store: SampleStore) -> None:
    rows = store.query(rows="samples").to_pylist()
    bound = float(np.median([row["mae"] for row in rows]))
    found = diverse(store, 3, bound, "label <> 'normal'")
    chosen = found.rows.to_pylist()
    assert len({row["sample_id"] for row in chosen}) == 3
    assert all(row["mae"] <= bound and row["label"] != "normal" for row in chosen)
    allowed = [row for row in rows if row["mae"] <= bound and row["label"] != "normal"]
    assert found.candidates == len(allowed)
    assert 0 < found.smallest <= found.apd


def test_what_cannot_be_met_is_said(store: SampleStore) -> None:
    with pytest.raises(SettingsError, match="expected 1 to 0 samples"):
        diverse(store, 3, 0.0)
    with pytest.raises(QueryError, match="lable"):
        diverse(store, 3, 0.5, "lable = 'jam'")


def test_only_samples_can_be_diverse(store: SampleStore) -> None:
    asked = ("query", store.url, "--diverse", 2, "--rows")
    assert "gives samples, not reviews" in mistake(*asked, "reviews")


def test_no_condition_reaches_beyond_the_bound(store: SampleStore) -> None:
    found = diverse(store, 2, 0.3, "1 = 1) OR (1 = 1").rows.to_pylist()
    assert all(row["mae"] <= 0.3 for row in found)


def test_the_command_line_offers_it(store: SampleStore) -> None:
    asked = [FLAWCAST, "query", store.url, "--diverse", "4", "--max-mae", "0.9", "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    found = [row["sample_id"] for row in json.loads(done.stdout)]
    assert found == diverse(store, 4, 0.9).rows["sample_id"].to_pylist()
    wrong = subprocess.run([*asked, "--limit", "3"], capture_output=True, text=True, check=False)
    assert wrong.returncode != 0
    assert "without --order-by and --limit" in wrong.stderr
