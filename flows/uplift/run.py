"""`flawcast uplift`: every arm, K and seed is a cell; cells that are done are not done again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from configs.errors import SettingsError
from configs.identity import content_id, derive_seed
from configs.settings import Settings
from flows.uplift.arms import ARMS
from flows.uplift.classifier import Drawing, probabilities, train
from flows.uplift.data import Material, draw_training, read_material
from flows.uplift.report import write_report


class UpliftRequest(Settings):
    """What is compared.

    Args:
        clips: Folder of real clips, with the splits "train" and "test" in its labels.csv.
        store: Samples of those clips, in one or both modes.
        out: Folder for cells and report; an interrupted run goes on there.
        k: Numbers of real defect clips of each label.
        seeds: How many draws of those clips.
        steps: Training steps, the same in all arms.
        normal: The label of good clips.
    """

    clips: Path
    store: str
    out: Path
    k: tuple[int, ...] = (1, 3, 5, 10)
    seeds: int = Field(5, ge=1)
    steps: int = Field(300, ge=1)
    normal: str = "normal"


def uplift(
    request: UpliftRequest, on_cell: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Train and test the same classifier with each arm's data, and write report.md.

    Args:
        request: What is compared.
        on_cell: Called with the number of cells done and of all.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If clips or store cannot be used, or the folder holds another experiment.
    """
    material = read_material(request.clips, request.store, request.normal)
    _claim(request, material)
    arms = [name for name, arm in ARMS.items() if _has_samples(material, name) or not arm.synthetic]
    cells = [(name, k, seed) for k in request.k for seed in range(request.seeds) for name in arms]
    results = []
    for done, (name, k, seed) in enumerate(cells, start=1):
        path = request.out / "cells" / f"{content_id('cell', arm=name, k=k, seed=seed)}.json"
        if not path.is_file():
            draft = path.with_suffix(".part")
            draft.write_text(json.dumps(_run_cell(material, name, k, seed, request.steps)))
            draft.replace(path)
        results.append(json.loads(path.read_text()))
        on_cell(done, len(cells))
    return write_report(results, material, request.steps, request.out)


def _has_samples(material: Material, name: str) -> bool:
    """Whether the store holds any samples of an arm."""
    return any(ARMS[name].takes(*kind) for kind in material.made.kinds)


def _run_cell(material: Material, name: str, k: int, seed: int, steps: int) -> dict[str, Any]:
    """Train one classifier and score the test clips."""
    arm = ARMS[name]
    try:
        data = draw_training(material, arm, k, seed)
    except SettingsError as error:
        return {"arm": name, "k": k, "seed": seed, "skipped": str(error)}
    model = train(
        data.videos,
        torch.from_numpy(data.labels),
        len(material.names),
        Drawing(data.chances, arm.augmented),
        steps,
        derive_seed(seed, "uplift", k) % 2**31,
    )
    found = probabilities(model, material.test.videos)
    return {
        "arm": name,
        "k": k,
        "seed": seed,
        "real": len(data.labels) - data.synthetic,
        "synthetic": data.synthetic,
        "probabilities": np.round(found, 6).tolist(),
    }


def _claim(request: UpliftRequest, material: Material) -> None:
    """Make the folder, or see that it is this experiment's."""
    about = {
        "steps": request.steps,
        "labels": list(material.names),
        "train": sorted(material.train.clips),
        "test": list(material.test.clips),
        "samples": len(material.made.clips),
    }
    path = request.out / "experiment.json"
    (request.out / "cells").mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(about))
    elif json.loads(path.read_text()) != about:
        raise SettingsError(
            f"out: {request.out} holds an experiment with other clips, samples or steps; "
            "name another folder"
        )
