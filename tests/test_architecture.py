"""Imports point one way, and the store needs neither torch nor Ray."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.paths import ROOT

FOLDERS = ("configs", "generators", "selection", "storage", "flows")
ALLOWED = {
    "configs": {"configs"},
    "generators": {"configs", "generators"},
    "selection": {"configs", "selection"},
    "storage": {"configs", "storage"},
    "flows": set(FOLDERS),
}
MOST_ROOMS = {"flows": 20, "generators": 12}  # files and folders that a listing shows


def modules() -> dict[str, Path]:
    """Every module of the project by the name that it is imported as."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    names = {}
    for path in files:
        parts = ("flawcast", *path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


def imported(path: Path, known: Iterable[str]) -> set[str]:
    """Modules of the project that a file imports; `from a import b` is `a.b` where that is one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return found & set(known)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder: str) -> None:
    known = modules()
    for path in (ROOT / folder).rglob("*.py"):
        ours = {name.split(".")[1] for name in imported(path, known)}
        assert ours <= ALLOWED[folder], f"{path} imports {ours - ALLOWED[folder]}"


def test_imports_have_no_circle() -> None:
    known = modules()
    arrows = {name: imported(path, known) - {name} for name, path in known.items()}
    for name in known:  # a package's face imports what is inside, which may not ask it back
        assert not _way_back(name, arrows), " -> ".join(_way_back(name, arrows))


def _way_back(start: str, arrows: dict[str, set[str]]) -> list[str]:
    """The modules of a way from one module back to itself; none if there is no such way."""
    before = dict.fromkeys(arrows[start], start)
    waiting = list(before)
    while waiting:
        here = waiting.pop()
        if here == start:
            way = [start]
            while (here := before[here]) != start:
                way.append(here)
            return [start, *reversed(way)]
        for name in arrows[here] - set(before):
            before[name] = here
            waiting.append(name)
    return []


@pytest.mark.parametrize(("folder", "most"), MOST_ROOMS.items())
def test_a_listing_is_read_at_a_glance(folder: str, most: int) -> None:
    rooms = [
        path.name
        for path in (ROOT / folder).iterdir()
        if not path.name.startswith("_") and (path.is_dir() or path.suffix == ".py")
    ]
    assert len(rooms) <= most, sorted(rooms)


@pytest.mark.parametrize("name", ["", ".configs", ".selection", ".storage"])
def test_import_needs_neither_torch_nor_ray(name: str) -> None:
    code = (
        f"import sys, flawcast{name}; assert not {{'torch', 'ray', 'prefect'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_are_read_in_one_sitting(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path
