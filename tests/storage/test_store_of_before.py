"""A store that release 0.1 made is read, and the same command makes the same sets again.

`tests/fixtures/store-0.1.tar.xz` holds the store and `made.json`: the command, the clips that it
read, and the processor and torch that it ran on.
"""

import json
import platform
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import load_model, shipped_model
from flawcast.storage import SampleStore
from tests.flows.commands.running import run
from tests.paths import ROOT

SCORES = ("mae", "best_mae", "ssim", "apd", "hold_mae", "coherence")
OF_THE_RUN = ("run_id", "version", "created_at")
OTHER_MACHINE = 1e-3  # as scores differ where sums of convolutions are added in another order


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The folder with the store and `made.json`."""
    with tarfile.open(ROOT / "tests" / "fixtures" / "store-0.1.tar.xz") as archive:
        archive.extractall(tmp_path / "before", filter="data")
    return tmp_path / "before"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """The clips that the store was made of, drawn again."""
    return write_line(tmp_path / "clips", draw_line(1, seed=3, frames=8, states=("normal", "jam")))


def rows(store: SampleStore, what: str = "sets") -> list[dict[str, Any]]:
    return store.query(
        order_by="sample_id" if what == "samples" else "set_id", rows=what
    ).to_pylist()


def is_made_alike(before: Path) -> bool:
    """Whether this processor and torch are those that made the store."""
    made = json.loads((before / "made.json").read_text())
    info = Path("/proc/cpuinfo")
    cpu = info.read_text() if info.is_file() else platform.processor()
    return made["cpu"] in cpu and made["torch"] == torch.__version__.partition("+")[0]


def expect_the_same_sets(before: Path, again: SampleStore) -> None:
    """Ids and provenance are equal; so are all bytes, on the machine that made the store."""
    old, alike = SampleStore.open(before / "store"), is_made_alike(before)
    for was, now in zip(rows(old), rows(again), strict=True):
        assert was.keys() == now.keys()
        for name in was.keys() - {*SCORES, *OF_THE_RUN}:
            assert was[name] == now[name], name
        within = 0.0 if alike else OTHER_MACHINE
        assert [now[name] for name in SCORES] == pytest.approx(
            [was[name] for name in SCORES], rel=within, abs=within
        )
    if alike:
        for was, now in zip(rows(old, "samples"), rows(again, "samples"), strict=True):
            assert was["sample_id"] == now["sample_id"]
            assert was["video_sha256"] == now["video_sha256"]


def test_a_store_of_before_is_read(before: Path) -> None:
    store = SampleStore.open(before / "store")
    assert len(store.set_ids()) == 4
    assert store.verify(ids=True) == []
    table = store.query("label = 'jam'", "apd desc")
    assert table["mode"].to_pylist() == ["reconstruction", "transfer"]
    jam = store.load(table["set_id"][0].as_py())
    assert jam.videos.shape == (2, 2, 64, 64, 3)
    assert jam.masks is not None
    assert jam.mae.min() == pytest.approx(table["best_mae"][0].as_py())


def test_a_store_of_before_is_written_to(before: Path) -> None:
    store = SampleStore.open(before / "store", "a")
    ids = store.set_ids()
    sample = rows(store, "samples")[0]["sample_id"]
    store.review(sample, "rejected", "", "Ada")
    store.compact()
    assert store.set_ids() == ids
    assert store.query("review = 'rejected'", rows="samples")["sample_id"].to_pylist() == [sample]
    assert store.verify(ids=True) == []


def test_the_same_clips_make_the_same_sets(before: Path, clips: Path, tmp_path: Path) -> None:
    model, store = load_model(shipped_model()), SampleStore.open(tmp_path / "again", "a")
    settings = GenerateSettings(past=2, future=2, samples=4, keep=2)
    read, modes = model.clip_settings(), ("reconstruction", "transfer")
    plan = plan_sets(clips, None, modes, settings, read, model.weights_id, 1, masks=True)
    for item in plan.sets:
        store.commit(make_set(item, model, SetRequest(settings, read, "run-0", "0")))
    expect_the_same_sets(before, store)


@pytest.mark.slow
def test_the_same_command_makes_the_same_sets(
    before: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = json.loads((before / "made.json").read_text())["command"].split()
    monkeypatch.chdir(tmp_path)
    assert clips == tmp_path / "clips"
    done = run(*command[1:])
    assert done.returncode == 0, done.stderr
    expect_the_same_sets(before, SampleStore.open("store"))
    again = run(*command[1:], "--store", "before/store", "--json")  # the last store counts
    assert json.loads(again.stdout)["present"] == 4  # nothing is made anew
