"""The wheel that users install: made from the sdist, with everything in it and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

FOLDERS = ("configs", "flows", "generators", "selection", "storage")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built as `make dist` builds it: first the sdist, then the wheel from that."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=folder / sdist.name.removesuffix(".tar.gz"),
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_it_has_one_package_and_the_command(wheel: zipfile.ZipFile) -> None:
    names = {name.split("/")[0] for name in wheel.namelist()}
    (facts,) = (name for name in names if name.endswith(".dist-info"))
    assert names == {"flawcast", facts}
    assert b"flawcast = flawcast.flows.cli:main" in wheel.read(f"{facts}/entry_points.txt")
    assert f"{facts}/licenses/LICENSE" in wheel.namelist()


def test_it_has_every_file_of_every_folder(wheel: zipfile.ZipFile) -> None:
    """Code, presets, templates, weights and marks for type checkers, as they are in the clone."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = {f"flawcast/{name}" for name in listed.stdout.splitlines()}
    packed = {name for name in wheel.namelist() if name.split("/")[1] in FOLDERS}
    assert wanted <= packed
    assert {name for name in packed - wanted if "__pycache__" in name} == set()


def test_what_is_unpacked_is_imported(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)  # noqa: S202 - we built it
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import flawcast, flawcast.configs, flawcast.flows.cli\n"
        "print(flawcast.__file__, flawcast.configs.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(tmp_path)) for path in done.stdout.split())
