"""A run does the same in every environment that users were seen to have."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flawcast.storage import SampleStore
from tests.cases.environments import FILES, HOSTILE

COMMAND = (str(Path(sys.executable).with_name("flawcast")), "generate")
FEW = ("--model", "demo", "--windows", "1", "--samples", "4", "--keep", "2", "--quiet")
HORIZON = ("--past", "4", "--future", "4")
FEWEST_FILES = 256
PROXIES = {name: value for name, value in HOSTILE.items() if "proxy" in name.lower()}


def few_files() -> None:
    """What `ulimit -S -n 256` does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_FILES, most))


@dataclass(frozen=True)
class Place:
    """Where a command is typed, and what it inherits."""

    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    theirs: tuple[str, ...] = ()
    before: Callable[[], object] | None = None
    inside: tuple[str, ...] = ()


SMALL_SHM = 'mount -t tmpfs -o size=1m none /dev/shm && exec "$@"'
THEIRS = (*(f"{name}/__init__.py" for name in ("configs", "flows", "generators")), "storage.py")
PLACES = {
    "proxies": Place(PROXIES),
    "hostile variables": Place(HOSTILE),
    "no home": Place({"HOME": "/no/such/folder"}),
    "another locale": Place({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
    "files for the owner alone": Place(before=lambda: os.umask(0o077)),
    "files for everybody": Place(before=lambda: os.umask(0)),
    "a folder that cannot be written to": Place(folder="/proc"),
    "our names": Place({"PYTHONPATH": "."}, theirs=THEIRS),
    "few files": Place(before=few_files),
    "little shared memory": Place(inside=("unshare", "-m", "sh", "-c", SMALL_SHM, "sh")),
}


def run_in(place: Place, clips: Path, store: Path, workers: int, folder: Path) -> None:
    """Run a command there; it must succeed, and say nothing."""
    for name in place.theirs:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("raise RuntimeError('the user has a module of this name')\n")
    command = [*place.inside, *COMMAND, str(clips), *FEW, *HORIZON, "--store", str(store)]
    done = subprocess.run(
        [*command, "--workers", str(workers), "--json"],
        cwd=place.folder or folder,
        env=os.environ | dict(place.variables),
        preexec_fn=place.before,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def same(one: Path, other: Path) -> None:
    """Two stores hold the same sets, byte for byte."""
    ours, theirs = SampleStore.open(one), SampleStore.open(other)
    assert ours.verify() == []
    assert ours.set_ids() == theirs.set_ids() != []
    for set_id in ours.set_ids():
        assert (ours.load(set_id).videos == theirs.load(set_id).videos).all()


@pytest.fixture(scope="module")
def usual(line_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run makes here."""
    folder = tmp_path_factory.mktemp("usual")
    run_in(Place(), line_folder, folder / "store", 0, folder)
    return folder / "store"


@pytest.mark.slow
@pytest.mark.parametrize("name", PLACES)
def test_a_run_in_this_process_makes_the_same_sets_there(
    name: str, usual: Path, line_folder: Path, tmp_path: Path
) -> None:
    place = PLACES[name]
    if place.inside and subprocess.run([*place.inside, "true"], check=False).returncode:
        pytest.skip("this user may not mount a file system")
    run_in(place, line_folder, tmp_path / "store", 0, tmp_path)
    same(tmp_path / "store", usual)


@pytest.mark.slow
def test_a_run_with_services_makes_the_same_sets_in_all_of_them(
    usual: Path, line_folder: Path, tmp_path: Path
) -> None:
    """At once, but for the shared memory, of which Ray needs more than 1 MB."""

    def strict() -> None:
        os.umask(0o077)
        few_files()

    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    place = Place({**HOSTILE, "LC_ALL": "C"}, theirs=THEIRS, before=strict)
    run_in(place, line_folder, tmp_path / "store", 1, tmp_path)
    same(tmp_path / "store", usual)
