"""A million sets: what a store does with their rows stays quick, and in bounded memory.

Rows are made by the store's own writer of parts, as compaction leaves them; there are no arrays.
SIMULATED_STORE names a folder that keeps the store for the next time; SIMULATED_SETS says how many
sets it has.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT
from tests.storage.at_scale import STEPS
from tests.storage.simulated import simulate

SETS = int(os.environ.get("SIMULATED_SETS", "1000000"))
SAMPLES = 3  # of each set


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_million_sets(tmp_path: Path) -> None:
    root = Path(os.environ.get("SIMULATED_STORE", tmp_path / "store"))
    if not root.exists():
        simulate(root, SETS, SAMPLES)
    figures = {step: measured(root, step) for step in STEPS}
    print("", *(f"{step}: {found}" for step, found in figures.items()), sep="\n")
    share = SETS / 1e6
    assert figures["all ids"]["sets"] >= SETS
    # CPU time, because other work on the machine makes no test fail.
    assert figures["open, one row"]["CPU s"] < 1
    for question in (step for step in STEPS if step.startswith("20 most")):
        assert figures[question]["again CPU s"] < 0.5, question
    assert figures["plan, nothing missing"]["missing"] == 0
    planned = figures["plan, 1 % missing"]
    assert planned["missing"] == planned["planned"] - SETS
    new = figures["1,000 new sets"]
    assert new["moved"] == 1000
    assert new["written MB"] < 0.05 * new["parts MB"] + 10
    few, many = (figures[f"run of a {size}"] for size in ("hundredth", "tenth"))
    assert many["grown MiB"] < few["grown MiB"] + 64
    for step, found in figures.items():
        limit = 3500 if step == "loader's index" else 400
        assert found["peak MiB beyond imports"] < 64 + limit * share, step


def measured(root: Path, step: str) -> dict[str, Any]:
    """Figures of a step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.at_scale", str(root), step, str(SETS)],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
