"""An experiment's folder: what it is about, and cells that are done once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flawcast.configs.errors import SettingsError
from flawcast.configs.files import whole_file


def make_folder(folder: Path) -> None:
    """Make the folder of an experiment, if it is not there.

    Raises:
        SettingsError: If something else has its name.
    """
    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SettingsError(
            f"out: expected a folder, found a file at {folder}; name another"
        ) from None


def check_experiment(folder: Path, about: dict[str, Any]) -> None:
    """Make the folder, or check that it belongs to this experiment.

    Args:
        folder: The experiment's folder.
        about: Everything that decides its results, as plain JSON values.

    Raises:
        SettingsError: If it holds another experiment, or is not a folder.
    """
    path = folder / "experiment.json"
    make_folder(folder)
    if not path.exists():
        _write(path, about)
        return
    held = read(path)
    other = sorted(key for key in held | about if held.get(key) != about.get(key))
    if other:
        raise SettingsError(
            f"out: {folder} holds an experiment with another {other[0]}; name another folder"
        )


def read_or_compute(path: Path, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a cell's result, or compute and store it; the file appears whole."""
    if not path.is_file():
        _write(path, do())
    return read(path)


def read(path: Path) -> dict[str, Any]:
    """Read a stored result.

    Raises:
        SettingsError: If it was changed or damaged since.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise SettingsError(
            f"out: expected a result as it was written in {path}, found something else; "
            "remove the file, and the same command makes it again"
        )
    return values


def _write(path: Path, values: dict[str, Any]) -> None:
    """Write plain values in one step."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(values))
