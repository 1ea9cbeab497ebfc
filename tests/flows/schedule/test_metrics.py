"""Metrics of a store's runs, as Prometheus reads them."""

import shutil
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flawcast.configs.errors import SettingsError
from flawcast.flows.schedule.metrics import (
    metrics_after,
    metrics_served,
    short_reason,
    write_metrics,
)
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run


def values(text: str) -> dict[str, dict[str, float]]:
    """Metrics by name; in each the values by the label beside the store, or by none."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name != "store"]
            found.setdefault(sample.name, {})["".join(labels)] = sample.value
    return found


@pytest.fixture(scope="module")
def path(line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by a run that made three sets and left a clip out, and by one that found them."""
    folder = tmp_path_factory.mktemp("metrics")
    clips = shutil.copytree(line_folder, folder / "clips")
    (clips / "broken.mp4").write_bytes(b"no video")
    words = ["--store", folder / "store", "--metrics", folder / "line.prom", "--windows", "1"]
    small = ["--samples", "4", "--keep", "2", "--workers", "0", "--model", tiny_model]
    for _ in range(2):
        assert run("generate", clips, *words, *small).returncode == 0
    return folder / "line.prom"


def test_a_run_leaves_its_metrics(path: Path) -> None:
    found = values(path.read_text())
    store = SampleStore.open(path.parent / "store")
    assert found["flawcast_store_readable"] == {"": 1}
    states = {"completed": 2, "failed": 0, "interrupted": 0, "lost": 0}
    assert found["flawcast_runs_total"] == states
    assert found["flawcast_sets_made_total"] == {"": 3}
    assert found["flawcast_sets_failed_total"] == {"": 0}
    assert sum(found["flawcast_rejects_total"].values()) == 2  # once in each run
    assert found["flawcast_store_sets"] == {"": 3}
    files = (file for file in (path.parent / "store").rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files)
    assert found["flawcast_store_bytes"][""] == pytest.approx(size, rel=0.01)
    took = found["flawcast_stage_seconds_total"]
    assert set(took) == {"observe", "sample", "render", "commit"}
    assert all(seconds > 0 for seconds in took.values())
    ends = store.query(rows="runs")["ended"].to_pylist()
    last = found["flawcast_last_success_timestamp_seconds"][""]
    assert last == pytest.approx((max(ends) - type(ends[0])(1970, 1, 1)).total_seconds())
    assert found["flawcast_last_run_sets_made"] == {"": 0}


def test_prometheus_may_ask(path: Path) -> None:
    with metrics_served(str(path.parent / "store"), 0) as port:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        with pytest.raises(SettingsError, match="expected a free port"):
            metrics_served("store", port).__enter__()
    assert values(text) == values(path.read_text())


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    write_metrics(str(tmp_path / "none"), tmp_path / "a.prom")
    assert values((tmp_path / "a.prom").read_text()) == {"flawcast_store_readable": {"": 0}}
    assert not (tmp_path / "none").exists()


def test_a_run_that_fails_leaves_them_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), metrics_after(str(tmp_path / "store"), tmp_path / "a.prom"):
        raise KeyError
    assert (tmp_path / "a.prom").is_file()


def test_a_folder_that_is_not_there_is_said_before_the_work(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    words = ["--store", tmp_path / "store", "--metrics", tmp_path / "none" / "a.prom"]
    assert "metrics: expected a folder" in mistake("generate", clips, *words)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("expected at least 24 frames, got 12; record longer clips", "expected at least N frames"),
        ("black throughout: nothing is seen; check the camera", "black throughout"),
        ("12.5 frames", "N frames"),
        ("", "other"),
    ],
    ids=["numbers", "advice", "decimal", "none"],
)
def test_reasons_are_told_without_what_differs(reason: str, short: str) -> None:
    assert short_reason(reason) == short
