"""Samples that are useless on purpose, on the built-in line: the gate says not to use them."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.identity import content_id
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.uplift import UpliftRequest, uplift
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import find_model
from flawcast.storage import SampleStore
from flawcast.storage.gate import AVOID

STATES = ("normal", "jam", "wobble", "topple")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small line, half of which is to validate on."""
    folder = tmp_path_factory.mktemp("useless") / "clips"
    write_line(folder, draw_line(12, seed=21, states=STATES), test_every=2)
    table = folder / "labels.csv"
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "split": row["split"].replace("test", "val")} for row in rows)
    return folder


@pytest.fixture(scope="module")
def store(line: Path) -> str:
    """Samples of the clips to train on."""
    store, model = str(line.parent / "store"), find_model("demo")
    augment(AugmentRequest(clips=line, model=model, store=store, per_label=12, workers=0))
    return store


@pytest.mark.slow
@pytest.mark.parametrize("how", ["shifted", "shuffled"])
def test_useless_samples_are_not_to_be_used(
    line: Path, store: str, tmp_path: Path, how: str
) -> None:
    opened, useless = SampleStore.open(store), SampleStore.open(tmp_path / "store", "a")
    set_ids = opened.query().column("set_id").to_pylist()
    labels = [opened.load(set_id).provenance.label for set_id in set_ids]
    shuffled = np.random.default_rng(0).permutation(labels).tolist()
    after = dict(zip(STATES, (*STATES[1:], STATES[0]), strict=True))
    for set_id, label, other in zip(set_ids, labels, shuffled, strict=True):
        one = opened.load(set_id)
        wrong = after[label] if how == "shifted" else other
        provenance = replace(one.provenance, label=wrong)
        useless.commit(replace(one, id=content_id("set", of=set_id), provenance=provenance))
    request = {
        "clips": line,
        "out": tmp_path / "out",
        "store": str(tmp_path / "store"),
        "k": (6,),
        "seeds": 3,
        "steps": 250,
        "detectors": ("tiny", "tiny-one-class"),
        "validation": True,
        "workers": 1,
    }
    values = uplift(UpliftRequest.model_validate(request))
    verdicts = {name: found["verdict"] for name, found in values["gate"]["labels"].items()}
    assert verdicts == dict.fromkeys(STATES[1:], AVOID), values["gate"]
