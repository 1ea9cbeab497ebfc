"""The README's commands do what it says, in its order, in one folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

BIN = Path(sys.executable).parent
MAKE = ("make", "-n", "--no-print-directory")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
SMALLER = {
    "demo": ["--samples", "4", "--keep", "2", "--workers", "0"],
    "train": ["--steps", "4"],
    "generate": ["--samples", "4", "--keep", "2", "--workers", "0"],
    "query": [],
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


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "smaller", [SMALLER, pytest.param({}, marks=pytest.mark.slow)], ids=["smaller", "as written"]
)
def test_commands_run_as_written(smaller: dict[str, list[str]], tmp_path: Path) -> None:
    for command in commands():
        assert command[0] == ".venv/bin/flawcast"
        full = [str(BIN / "flawcast"), *command[1:], *smaller.get(command[1], [])]
        done = subprocess.run(full, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    for code in blocks("python"):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_pictures_exist() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / picture).is_file(), picture
