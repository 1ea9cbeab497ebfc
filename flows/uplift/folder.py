"""An experiment's folder: what it is about, and cells that are done once."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.errors import SettingsError


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Make the folder, or see that it is this experiment's.

    Args:
        folder: Of the experiment.
        about: What decides its results, as plain JSON values.

    Raises:
        SettingsError: If it holds another experiment.
    """
    path = folder / "experiment.json"
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write(path, about)
        return
    held = json.loads(path.read_text())
    other = sorted(key for key in held | about if held.get(key) != about.get(key))
    if other:
        raise SettingsError(
            f"out: {folder} holds an experiment with another {other[0]}; name another folder"
        )


def once(path: Path, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a cell's result, or do it and keep the result; it is there whole or not."""
    if not path.is_file():
        _write(path, do())
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def _write(path: Path, values: dict[str, Any]) -> None:
    """Write plain values in one step."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_text(json.dumps(values))
    draft.replace(path)
