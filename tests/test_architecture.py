"""Imports point one way, and the store needs neither torch nor Ray."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("configs", "generators", "selection", "storage", "flows")
ALLOWED = {
    "configs": {"configs"},
    "generators": {"configs", "generators"},
    "selection": {"configs", "selection"},
    "storage": {"configs", "storage"},
    "flows": set(FOLDERS),
}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    froms = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0
    }
    return {name.split(".")[0] for name in names | froms}


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        ours = imported(path) & set(FOLDERS)
        assert ours <= ALLOWED[folder], f"{path} imports {ours - ALLOWED[folder]}"


@pytest.mark.parametrize("folder", ["configs", "selection", "storage"])
def test_import_needs_neither_torch_nor_ray(folder: str) -> None:
    code = f"import sys, {folder}; assert not {{'torch', 'ray', 'prefect'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_are_read_in_one_sitting(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path
