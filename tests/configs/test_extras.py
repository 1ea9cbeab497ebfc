"""Extras: every package that the code imports is one of the base or of a named extra."""

import ast
import itertools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer

import flawcast
from flawcast.configs.errors import MissingExtraError
from flawcast.configs.extras import COMMAND_EXTRAS, EXTRAS, SIZES, named_if_missing
from flawcast.flows.commands.line import app
from tests.flows.commands.running import mistake
from tests.paths import ROOT

FOLDERS = ("configs", "flawcast", "flows", "generators", "selection", "storage")
OF_OTHERS = {"IPython"}  # shown to, if it runs; never imported for its own sake
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> set[str]:
    """Names of the distributions in requirements, with those of our own extras."""
    names = set()
    for line in lines:
        if ours := re.match(r"flawcast\[(.*)\]", line):
            for extra in ours[1].split(","):
                names |= required(PROJECT["optional-dependencies"][extra])
        else:
            names.add(normal(re.split(r"[<>=\[ ]", line)[0]))
    return names


def imported(path: Path) -> set[str]:
    """Packages from elsewhere that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"flawcast"}


def test_every_package_belongs_to_the_base_or_to_an_extra() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    packages = set().union(*map(imported, files)) - OF_OTHERS
    holders = packages_distributions()
    base = required(PROJECT["dependencies"])
    for package in packages - set(EXTRAS):
        assert base & set(map(normal, holders[package])), package
    for package, extra in EXTRAS.items():
        held = required(PROJECT["optional-dependencies"][extra])
        assert held & set(map(normal, holders[package])), package


def test_each_extra_holds_the_one_before() -> None:
    held = [required(PROJECT["optional-dependencies"][extra]) for extra in (*SIZES, "dev")]
    for smaller, larger in itertools.pairwise(held):
        assert smaller < larger


def test_commands_with_an_extra_of_their_own_exist() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(COMMAND_EXTRAS) <= set(commands)


@pytest.mark.parametrize("extra", SIZES)
def test_a_missing_package_is_one_line_with_its_extra(extra: str) -> None:
    line = rf"^thing: .* cv2, .*pip install 'flawcast\[{extra}\]'$"
    with pytest.raises(MissingExtraError, match=line), named_if_missing("thing", extra):
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2.dnn")


def test_a_broken_package_of_somebody_else_is_not_called_missing() -> None:
    with pytest.raises(ModuleNotFoundError, match="theirs"), named_if_missing("thing"):
        raise ModuleNotFoundError("theirs", name="theirs")


@pytest.mark.parametrize(
    ("line", "extra"),
    [("query STORE", "torch"), ("runs STORE", "generate"), ("uplift-images P", "all")],
    ids=["torch", "generate", "all"],
)
def test_a_command_says_which_extra_it_needs(
    line: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking() -> None:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr("flawcast.flows.commands.line.app", lacking)
    told = mistake(*line.split())
    assert told.startswith(f"flawcast: {line.split()[0]}: expected the package cv2")
    assert told.endswith(f"pip install 'flawcast[{extra}]'")


def test_the_public_face_says_which_extra_a_name_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(flawcast), "SampleSetDataset", raising=False)
    monkeypatch.delitem(sys.modules, "flawcast.storage.dataset", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"flawcast\.SampleSetDataset: .*\[torch\]"):
        _ = flawcast.SampleSetDataset
