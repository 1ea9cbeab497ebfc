"""A file adds a thing under its name, and nothing else is edited."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flawcast.configs.errors import SettingsError
from flawcast.configs.registry import PLUGINS, Registry
from tests.paths import ROOT

EVERYTHING = (ROOT / "docs" / "extending.md").read_text()
USE = """
import torch
from flawcast.flows.evaluation.candidates import candidates
from flawcast.generators.backbones import build_backbone, keypoints_of
from flawcast.generators.forecasters import FORECASTERS
from flawcast.generators.forecasters.cross_validation import (
    Fold, Track, fit_candidate, forecast_windows
)
from flawcast.selection.metrics import METRICS
from flawcast.selection.selectors import SELECTORS
import numpy as np

(walk,) = (one for one in candidates("all") if one.name == "walk")
assert FORECASTERS["walk"].name == "walk"
tracks = tuple(Track(f"clip-{i}", str(i), torch.randn(30, 6).cumsum(dim=0)) for i in range(4))
fold = Fold("one", tracks[:2], tracks[2:3], tracks[3:])
predictor = fit_candidate(walk, fold, 5, 4)
assert len(next(forecast_windows(predictor, walk, fold, 5, 4, samples=7)).samples) == 7

shift = build_backbone("shift", {}, 0)
assert shift.name == "shift"
assert keypoints_of(shift, np.zeros((3, 16, 16, 3), np.uint8)).shape == (3, 2)
assert "evenly" in SELECTORS.names() and "worst_frame" in METRICS.names()
"""


def install(folder: Path, module: str, text: str) -> dict[str, str]:
    """Write a package with one module and an entry point; the environment that finds it."""
    (folder / f"{module}.py").write_text(text)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{PLUGINS}]\n{module} = {module}\n")
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "OMP_NUM_THREADS": "1"}


def test_one_file_of_another_package_adds_four_things(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", EVERYTHING, flags=re.DOTALL))
    found = install(tmp_path, "factory_things", code)
    subprocess.run([sys.executable, "-c", USE], check=True, env=found, cwd=tmp_path)


def test_a_broken_plugin_is_named(tmp_path: Path) -> None:
    found = install(tmp_path, "broken_things", "1 / 0\n")
    code = "from flawcast.selection.selectors import SELECTORS; SELECTORS.names()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env=found,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "SettingsError: plugin broken_things: " in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_class_learns_its_name_and_a_second_one_is_refused() -> None:
    shapes: Registry[type] = Registry("shape", "flawcast.configs")

    @shapes.register("circle")
    class Circle:
        name = ""

    assert Circle.name == "circle"
    shapes.register("circle")(Circle)  # the same again
    with pytest.raises(SettingsError, match=r"shape circle: expected a new name for .*int"):
        shapes.register("circle")(int)
