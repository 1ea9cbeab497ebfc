"""flawcast in the folder of a user whose own packages have our folders' names."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pytest

from flawcast.flows.running.job_config import OwnCodeOnly
from flawcast.generators.line.clips import draw_line, write_line
from tests.paths import ROOT

THEIRS = (
    "configs/__init__.py",
    "flows/__init__.py",
    "generators/__init__.py",
    "selection.py",
    "storage.py",
)
COMMAND = str(Path(sys.executable).parent / "flawcast")
SMALL = ("--past", "2", "--future", "2", "--samples", "4", "--keep", "2", "--windows", "1")


def occupy(folder: Path, *names: str) -> None:
    """Put a user's modules into a folder; whatever imports one of them fails."""
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise ImportError('this module is the user's')\n")


def start(folder: Path, *words: str, paths: str = ".") -> "subprocess.Popen[str]":
    """Start a command as a user with that PYTHONPATH does, after this clone."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), paths])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(folder: Path, *words: str, paths: str = ".") -> str:
    """What a command prints that must succeed."""
    with start(folder, *words, paths=paths) as process:
        printed, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return printed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's project with a store that release 0.1 made."""
    with tarfile.open(ROOT / "tests" / "fixtures" / "store-0.1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    occupy(tmp_path, *THEIRS)
    return tmp_path


def test_their_modules_are_the_ones_that_they_import(folder: Path) -> None:
    code = "import storage"
    with start(folder, sys.executable, "-c", code) as process:
        assert "this module is the user's" in process.communicate(timeout=60)[1]


def test_the_public_face_beside_them(folder: Path) -> None:
    code = "import flawcast; print(len(flawcast.SampleStore.open('store').set_ids()))"
    assert output(folder, sys.executable, "-c", code) == "4\n"


def test_query_beside_them(folder: Path) -> None:
    assert len(json.loads(output(folder, COMMAND, "query", "store", "--json"))) == 4


def test_browse_beside_them(folder: Path) -> None:
    with start(folder, COMMAND, "browse", "store", "--port", "0", "--json") as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(url, timeout=60) as page:  # noqa: S310 - ours, on loopback
            assert "jam" in page.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.slow
def test_doctor_beside_them(folder: Path) -> None:
    output(folder, COMMAND, "doctor")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "paths"), [((), "."), (("queue.py",), "")], ids=["our names", "a name of Python's"]
)
def test_generate_on_ray_beside_them(more: tuple[str, ...], paths: str, folder: Path) -> None:
    """The workers and the Prefect server do not see the folder that the command was typed in."""
    write_line(folder / "clips", draw_line(1, seed=3, frames=8, states=("jam",)))
    occupy(folder, *more)
    paths = paths or str(ROOT)
    options = ["--model", "demo", "--store", "made", "--workers", "1", *SMALL, "--json"]
    printed = output(folder, COMMAND, "generate", "clips", *options, paths=paths)
    assert json.loads(printed)["written"] == 1


def test_a_job_names_no_folder_but_where_flawcast_is(tmp_path: Path) -> None:
    (tmp_path / "flawcast").mkdir()  # somebody else's
    job = OwnCodeOnly(_py_driver_sys_path=[str(tmp_path), str(ROOT), "/usr/bin"])
    assert list(job._get_proto_job_config().py_driver_sys_path) == [str(ROOT)]
