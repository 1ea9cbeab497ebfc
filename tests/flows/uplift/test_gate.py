"""The gate: what was scored is what is exported, and useless samples never pass."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flawcast import SampleSetDataset
from flawcast.configs.errors import SettingsError, StoreError
from flawcast.configs.identity import content_id
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.exports import export
from flawcast.flows.uplift import UpliftRequest, uplift
from flawcast.flows.uplift.data import Material, Videos
from flawcast.flows.uplift.gate import gate_lines, gate_of
from flawcast.generators.clips import list_clips
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.storage import SampleStore
from flawcast.storage.gate import AVOID, UNCLEAR, USE, Gate
from tests.flows.commands.running import run as flawcast

ARMS = ("real", "real, augmented", "+ transfer, augmented", "+ transfer, labels shuffled")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of two labels with all three splits: four to train on, two of each other split."""
    folder = tmp_path_factory.mktemp("gate") / "clips"
    write_line(folder, draw_line(8, seed=3, frames=8, states=("normal", "jam")), test_every=2)
    table = folder / "labels.csv"
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    for label in ("normal", "jam"):
        tested = [row for row in rows if (row["split"], row["label"]) == ("test", label)]
        for row in tested[::2]:
            row["split"] = "val"
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def store(clips: Path, tiny_model: Path) -> str:
    """A store that was augmented from the clips to train on."""
    store = str(clips.parent / "store")
    augment(AugmentRequest(clips=clips, model=tiny_model, store=store, per_label=8, workers=0))
    return store


def judged(clips: Path, out: Path, store: str, **changes: Any) -> dict[str, Any]:
    values = {"clips": clips, "out": out, "store": store, "k": (10,), "seeds": 2, "steps": 30}
    values |= {"arms": ARMS, "detectors": ("tiny",), "validation": True, "workers": 1}
    return uplift(UpliftRequest.model_validate(values | changes))


@pytest.fixture(scope="module")
def report(clips: Path, store: str) -> Path:
    """The report of an experiment on the clips of val."""
    judged(clips, clips.parent / "out", store)
    return clips.parent / "out" / "report.json"


@pytest.fixture
def hurting(report: Path, tmp_path: Path) -> Path:
    """The same report, as if the samples of jam hurt."""
    values = json.loads(report.read_text())
    values["gate"]["labels"]["jam"]["verdict"] = AVOID
    (tmp_path / "hurts.json").write_text(json.dumps(values))
    return tmp_path / "hurts.json"


def exported_ids(folder: Path) -> set[str]:
    with (folder / "samples.csv").open() as stream:
        return {row["sample_id"] for row in csv.DictReader(stream)}


def test_what_was_scored_is_what_is_exported(
    clips: Path, store: str, report: Path, tmp_path: Path
) -> None:
    made = {row["sample_id"] for row in SampleStore.open(store).query(rows="samples").to_pylist()}
    gate = Gate.read(report)
    assert gate.scored == made
    scored = [clip for clip in list_clips(clips) if clip.split == "val"]
    assert json.loads(report.read_text())["clips"]["scored"] == len(scored)
    done = export(store, "frames", tmp_path / "out", gate=report)
    rows = SampleStore.open(store).query(rows="samples").to_pylist()
    wanted = {row["sample_id"] for row in rows if row["label"] not in gate.left_out}
    assert exported_ids(tmp_path / "out") == wanted
    assert done.gated == len(made - wanted)


def test_export_and_loader_leave_out_what_hurts(store: str, hurting: Path, tmp_path: Path) -> None:
    hurts = Gate.read(hurting)
    assert hurts.left_out == ["jam", "normal"]  # no other defect is left to be told from good
    with pytest.raises(StoreError, match="--force exports them"):
        export(store, "frames", tmp_path / "none", gate=hurting)
    values = json.loads(hurting.read_text())
    values["gate"]["labels"]["dent"] = values["gate"]["labels"]["jam"] | {"verdict": USE}
    hurting.write_text(json.dumps(values))
    assert Gate.read(hurting).left_out == ["jam"]
    dataset = SampleSetDataset(store, gate=hurting)
    assert set(dataset.labels) == {"normal"}
    assert dataset.gated == 8
    options = ["--format", "frames", "--gate", hurting, "--json", "--out"]
    gated = json.loads(flawcast("export", store, *options, tmp_path / "gated").stdout)
    assert (gated["samples"], gated["gated"]) == (8, 8)
    forced = json.loads(flawcast("export", store, *options, tmp_path / "all", "--force").stdout)
    assert (forced["samples"], forced["gated"]) == (16, 0)


def test_a_report_on_test_clips_has_no_gate(clips: Path, store: str, tmp_path: Path) -> None:
    values = judged(clips, tmp_path / "out", store, validation=False, seeds=1, steps=2)
    assert "gate" not in values
    with pytest.raises(SettingsError, match="only `flawcast uplift --validation` gives them"):
        SampleSetDataset(store, gate=tmp_path / "out")
    with pytest.raises(SettingsError, match="expected the report"):
        Gate.read(tmp_path)


def test_samples_with_shifted_labels_are_never_used(
    clips: Path, store: str, tmp_path: Path
) -> None:
    shifted, other = SampleStore.open(tmp_path / "store", "a"), {"normal": "jam", "jam": "normal"}
    opened = SampleStore.open(store)
    for set_id in opened.query().column("set_id").to_pylist():
        one = opened.load(set_id)
        provenance = replace(one.provenance, label=other[one.provenance.label])
        shifted.commit(replace(one, id=content_id("set", of=set_id), provenance=provenance))
    values = judged(clips, tmp_path / "out", str(tmp_path / "store"))
    verdicts = {found["verdict"] for found in values["gate"]["labels"].values()}
    assert USE not in verdicts


def material(labels: list[int]) -> Material:
    """Clips that nobody looks at."""
    ids = tuple(f"clip-{number}" for number in range(len(labels)))
    kinds = (("", ""),) * len(ids)
    videos = Videos(torch.zeros(len(ids), 1), np.array(labels), ids, ids, kinds, ids)
    return Material(("normal", "jam", "slip"), videos, videos)


def cells(arm: str, scores: list[np.ndarray], detector: str = "tiny") -> dict[Any, Any]:
    """Finished cells of one arm, one for each seed."""
    made = {"samples": ["a", "b"], "sample_labels": [1, 2]} if arm.startswith("+") else {}
    empty = {"samples": [], "sample_labels": []}
    group = [{**empty, **made, "suspicion": one.tolist()} for one in scores]
    return {(detector, 3, arm): group}


def test_verdicts_follow_the_scores(rng: np.random.Generator) -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 30
    truth = np.array(labels)

    def scores(jam: float, slip: float) -> list[np.ndarray]:
        return [
            jam * (truth == 1) + slip * (truth == 2) + rng.standard_normal(len(truth))
            for _ in range(3)
        ]

    plain = cells("real", scores(0.5, 2.5))
    made = cells("+ transfer, augmented", scores(3, 0.5))
    gate = gate_of({**plain, **made}, material(labels))
    assert gate is not None
    verdicts = {label: found["verdict"] for label, found in gate["labels"].items()}
    assert verdicts == {"jam": USE, "slip": AVOID}
    assert gate["labels"]["jam"]["samples"] == ["a"]
    said = "\n".join(gate_lines(gate))
    assert "jam: use the samples. They gain +" in said
    assert "slip: do not use the samples. They lose -" in said

    control = cells("+ transfer, labels shuffled", scores(3, 0.5))
    gate = gate_of({**plain, **made, **control}, material(labels))
    assert gate is not None
    assert gate["labels"]["jam"]["verdict"] == UNCLEAR
    assert "shuffled labels do not help less for sure" in gate["labels"]["jam"]["text"]

    useless = cells("+ transfer, augmented", scores(0.4, 2.4))
    same = cells("+ transfer, labels shuffled", scores(0.4, 2.4))
    gate = gate_of({**cells("real", scores(0.6, 2.6)), **useless, **same}, material(labels))
    assert gate is not None
    assert {found["verdict"] for found in gate["labels"].values()} == {AVOID}

    stronger = cells("real", scores(3, 3), "memory")
    gate = gate_of({**plain, **made, **stronger}, material(labels))
    assert gate is not None
    assert gate["labels"]["jam"]["verdict"] != USE  # another detector needs no samples
    assert gate["labels"]["jam"]["against"]["detector"] == "memory"
    assert gate_of(plain, material(labels)) is None


def test_a_gate_that_knows_too_little_says_so(rng: np.random.Generator) -> None:
    labels = [0] * 4 + [1] * 2 + [2] * 2
    same = [rng.standard_normal(len(labels)) for _ in range(2)]
    gate = gate_of({**cells("real", same), **cells("+ transfer", same)}, material(labels))
    assert gate is not None
    for found in gate["labels"].values():
        assert found["verdict"] == UNCLEAR
        assert "cannot tell" in found["text"]
