"""The README's training script and the commands of docs/training.md: they run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.generators.clips.dataset import ClipDataset
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import shipped_model
from flawcast.storage import SampleSetDataset
from flawcast.storage.dataset import PROVENANCE
from tests.paths import ROOT

FLAWCAST = Path(sys.executable).with_name("flawcast")
READ = ClipSettings(size=64)
SMALLER = {
    "uplift": shlex.split("--k 1 --seeds 1 --steps 2 --making per_label=2 --making epochs=1")
}


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with demo/clips and demo/store, smaller than `flawcast demo` makes them."""
    folder = tmp_path_factory.mktemp("training")
    clips = folder / "demo" / "clips"
    write_line(clips, draw_line(2, seed=3, states=("normal", "jam")))
    settings = GenerateSettings(samples=4, keep=3)
    values = {"clips": clips, "model": shipped_model(), "store": str(folder / "demo" / "store")}
    values |= {"settings": settings, "masks": True, "windows": 1, "workers": 0}
    generate(GenerateRequest.model_validate(values))
    return folder


def the_script() -> str:
    """The training script of the README."""
    (script,) = [code for code in blocks("README.md", "python") if "optim" in code]
    return script


def test_the_script_is_short() -> None:
    assert len(the_script().splitlines()) <= 25


def test_the_script_runs(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, store = demo / "demo" / "clips", str(demo / "demo" / "training")
    values = {"clips": clips, "model": shipped_model(), "store": store, "workers": 0}
    augment(AugmentRequest.model_validate(values | {"per_label": 2}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(demo / "cache"))
    script = the_script()
    asked = [sys.executable, "-c", script]
    done = subprocess.run(asked, cwd=demo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[012] of 2 held-out clips right\n", done.stdout)


def test_real_clips_have_the_fields_of_samples(demo: Path) -> None:
    fields = ("video", "label", "mask", "valid", "provenance")
    real = ClipDataset(demo / "demo" / "clips", READ, 12, "train", fields)
    made = SampleSetDataset(demo / "demo" / "store", fields=fields, on_test="leave_out")
    one, other = real[0], made[0]
    assert set(one) == set(other)
    assert set(one["provenance"]) == set(PROVENANCE)
    for name in ("video", "mask", "valid"):
        assert (one[name].dtype, one[name].shape) == (other[name].dtype, other[name].shape)
    assert {type(value) for value in one["provenance"].values()} == {str, int}
    assert one["mask"].any()


def test_clips_of_no_split_are_missed(demo: Path) -> None:
    with pytest.raises(ClipError, match="some of split 'validation'"):
        ClipDataset(demo / "demo" / "clips", READ, 12, "validation")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_run_as_written(demo: Path) -> None:
    for line in (line for block in blocks("docs/training.md", "sh") for line in block.splitlines()):
        command = shlex.split(line)
        assert command[0] == "flawcast"
        if {"PICTURES", "CLIPS", "--gate"} & set(command):
            continue  # of what is not here; tests/flows/uplift has some
        full = [str(FLAWCAST), *command[1:], *SMALLER.get(command[1], [])]
        done = subprocess.run(full, cwd=demo, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
