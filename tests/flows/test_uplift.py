"""The uplift experiment: fair arms, honest scores, cells that are not done twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from configs.clip_settings import ClipSettings
from configs.errors import SettingsError
from configs.settings import GenerateSettings
from flows.pipeline import SetRequest, make_set
from flows.plan import plan_sets
from flows.uplift import UpliftRequest, uplift
from flows.uplift.arms import ARMS
from flows.uplift.data import Material, draw_training, read_material
from flows.uplift.scores import auroc, average_precision, f1, paired_difference
from generators.demo import draw_line, write_line
from generators.model import load_model
from storage import SampleStore

READ = ClipSettings(size=32)


@pytest.fixture(scope="module")
def line(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of two labels with both splits, and samples of all of them."""
    folder = tmp_path_factory.mktemp("uplift")
    write_line(folder / "clips", draw_line(3, seed=3, frames=8, states=("normal", "jam")))
    settings = GenerateSettings(past=4, future=4, samples=4, keep=2)
    model, store = load_model(tiny_model), SampleStore.open(folder / "store", "a")
    modes = ("reconstruction", "transfer")
    for plan in plan_sets(folder / "clips", None, modes, settings, READ, model.weights_id).sets:
        store.commit(make_set(plan, model, SetRequest(settings, READ, "run-0", "0")))
    return folder


@pytest.fixture(scope="module")
def material(line: Path) -> Material:
    return read_material(line / "clips", str(line / "store"), "normal")


def asked(line: Path, out: Path, **changes: object) -> UpliftRequest:
    values = {"clips": line / "clips", "store": str(line / "store"), "out": out}
    return UpliftRequest.model_validate(values | {"k": (1,), "seeds": 2, "steps": 3} | changes)


def test_no_sample_knows_a_test_clip_or_an_unused_one(material: Material) -> None:
    assert not set(material.made.clips) & set(material.test.clips)
    assert not set(material.made.sources) & set(material.test.clips)
    for seed in range(4):
        plain = draw_training(material, ARMS["real"], 1, seed)
        assert np.bincount(plain.labels).tolist() == [2, 1]
        with_samples = draw_training(material, ARMS["+ reconstruction"], 1, seed)
        assert with_samples.synthetic == 6  # two of each clip in use
        assert np.array_equal(with_samples.labels[:3], plain.labels)
        assert with_samples.chances[:3].sum() == pytest.approx(0.5)


def test_cells_are_done_once(line: Path, tmp_path: Path) -> None:
    first = uplift(asked(line, tmp_path / "out"))
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    times = {path: path.stat().st_mtime_ns for path in cells}
    lost = cells[0].read_text()
    cells[0].unlink()
    assert uplift(asked(line, tmp_path / "out")) == first
    assert cells[0].read_text() == lost
    assert all(path.stat().st_mtime_ns == times[path] for path in cells[1:])
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Arms that hurt" in report
    assert "| 1 | real |" in report
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == first
    with pytest.raises(SettingsError, match="other clips, samples or steps"):
        uplift(asked(line, tmp_path / "out", steps=4))


def test_scores_by_hand() -> None:
    truth = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.8, 0.1, 0.2]), truth) == 1
    assert auroc(np.full(4, 0.5), truth) == 0.5
    assert average_precision(np.full(4, 0.5), truth) == 0.5
    assert average_precision(np.array([0.9, 0.1, 0.5, 0.2]), truth) == pytest.approx(0.75)
    assert f1(np.array([1, 1, 0]), np.array([1, 0, 1]), 1) == pytest.approx(0.5)
    assert f1(np.array([0, 0]), np.array([0, 0]), 1) == 0


def test_intervals_tell_a_difference_from_none(rng: np.random.Generator) -> None:
    truth = np.arange(60) % 2 == 0
    good = truth + 0.3 * rng.standard_normal((5, 60))
    noise = rng.standard_normal((5, 60))
    better = paired_difference(good, noise, truth, rng)
    assert better.low > 0
    assert better.verdict == "helps"
    assert paired_difference(noise, good, truth, rng).verdict == "hurts"
    same = paired_difference(good, good, truth, rng)
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    assert same.verdict == "no difference shown"
