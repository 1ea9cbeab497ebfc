"""The README's commands do what it says, in its order, in one folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flawcast.generators.video_features.pictures.pretrained import weights_file
from tests.flows.commands.running import run
from tests.paths import ROOT

BIN = Path(sys.executable).parent
MAKE = ("make", "-n", "--no-print-directory")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
FEWER = ["--samples", "2", "--keep", "2", "--workers", "0"]
SMALLER = {
    "demo": ["--clips-per-state", "1", "--textured", "0", *FEWER],
    "generate": FEWER,
    "augment": ["--per-label", "2", "--workers", "0"],
}


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every command, with `make demo` spelled out as what it runs after installing."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    found = [shlex.split(line, comments=True) for line in lines]
    assert found[:2] == [["make", "demo"], ["make", "test"]]
    planned = subprocess.run(
        [*MAKE, "demo"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    demo = planned.stdout.strip().splitlines()[-1]
    return [shlex.split(demo), *found[2:]]


def test_make_test_lints_and_runs_pytest() -> None:
    planned = subprocess.run(
        [*MAKE, "test"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    for step in ("ruff format --check", "ruff check", "mypy", "pytest"):
        assert step in planned.stdout


def test_commands_run_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer clips and futures, in this process; the training script is for more clips.

    `tests/flows/test_training.py` runs that one.
    """
    monkeypatch.chdir(tmp_path)
    for command in commands():
        done = run(*command[1:], *SMALLER.get(command[1], []))
        assert done.returncode == 0, (command, done.stderr)
    for code in blocks("python"):
        if "optim" not in code:
            exec(code, {})  # noqa: S102 - that it runs is what is tested


@pytest.mark.slow
def test_commands_run_as_written(tmp_path: Path) -> None:
    for command in commands():
        assert command[0] == ".venv/bin/flawcast"
        full = [str(BIN / "flawcast"), *command[1:]]
        done = subprocess.run(full, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    for code in blocks("python"):
        if "frame_features" in code and weights_file() is None:
            continue  # the extra `detectors` is not installed
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_pictures_exist() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / picture).is_file(), picture
