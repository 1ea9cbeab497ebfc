"""`flawcast uplift`: every arm, K, seed and detector is a cell; what is done is not done again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from configs.errors import SettingsError
from configs.identity import content_id, derive_seed, hash_files
from configs.settings import Settings, TrainSettings
from flows.uplift.arms import ARMS
from flows.uplift.data import (
    Material,
    Videos,
    choose_real,
    pick,
    read_material,
    training_set,
    usable,
)
from flows.uplift.detectors import DETECTORS, Lesson
from flows.uplift.folder import claim, once
from flows.uplift.line import NAME, draw_material
from flows.uplift.making import Maker, Making
from flows.uplift.report import write_report
from flows.uplift.stored import read_samples, store_reading
from generators.backbones import load_backbone
from generators.backbones.base import BACKBONE_FILE
from generators.model import find_model, read_card

VALIDATION_EVERY = 3  # one in so many training clips is scored where no test clip may be
OnCell = Callable[[int, int], None]
# of forecaster, modes, K, seed, real clips
Samples = Callable[[str, tuple[str, ...], int, int, list[int]], Videos]


class UpliftRequest(Settings):
    """What is compared.

    Args:
        clips: Folder of real clips, with the splits "train" and "test" in its labels.csv; "line"
            for the built-in line.
        out: Folder for clips of the line, samples, cells and report; an interrupted run goes on
            there.
        store: Samples of those clips; None makes some for every K and seed.
        model: Model folder, or name of a shipped model; its motion model makes the samples.
        line_seed: Of the built-in line.
        k: Numbers of real defect clips of each label, in the order in which they are done.
        seeds: How many draws of those clips.
        arms: Which of `ARMS`.
        steps: Training steps, the same in all arms.
        share: Of what is drawn in training, how much is synthetic.
        normal: The label of good clips.
        validation: Score on held-out training clips instead of test clips, which are not read.
        making: How samples are made.
    """

    clips: Path
    out: Path
    store: str | None = None
    model: str = "demo"
    line_seed: int = Field(7, ge=0)
    k: tuple[int, ...] = (1, 3, 5, 10)
    seeds: int = Field(5, ge=1)
    arms: tuple[str, ...] = tuple(ARMS)
    steps: int = Field(1000, ge=1)
    share: float = Field(0.5, gt=0, lt=1)
    normal: str = "normal"
    validation: bool = False
    making: Making = Making()


@dataclass(frozen=True)
class Cell:
    """One detector trained with one arm's data."""

    k: int
    seed: int
    arm: str
    detector: str

    @property
    def id(self) -> str:
        """Names its file."""
        return content_id("cell", k=self.k, seed=self.seed, arm=self.arm, detector=self.detector)


def uplift(
    request: UpliftRequest,
    on_clip: OnCell = lambda done, total: None,
    on_cell: OnCell = lambda done, total: None,
) -> dict[str, Any]:
    """Train and test the same detectors with each arm's data, and write report.md.

    Args:
        request: What is compared.
        on_clip: Called with the number of the line's clips drawn and of all.
        on_cell: Called with the number of cells done and of all.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If clips, store or model cannot be used, or the folder holds another
            experiment.
    """
    unknown = sorted(set(request.arms) - set(ARMS))
    if unknown:
        raise SettingsError(f"arm: expected some of {'; '.join(ARMS)}; got {unknown[0]!r}")
    if all(ARMS[arm].synthetic for arm in request.arms):
        raise SettingsError(
            "arm: expected one without samples to compare with, got none; add --arm real"
        )
    folder = request.clips
    if str(folder) == NAME:
        folder = draw_material(request.out / "clips", request.line_seed, on_clip)
    material, samples = _prepare(request, folder)
    cells = [
        Cell(k, seed, arm, detector)
        for k in request.k
        for arm in request.arms
        for seed in range(request.seeds)
        for detector in DETECTORS.names()
    ]
    results = []
    for done, cell in enumerate(cells, start=1):
        path = request.out / "cells" / f"{cell.id}.json"
        results.append(once(path, partial(_run_cell, request, material, samples, cell)))
        on_cell(done, len(cells))
    return write_report(results, material, request.steps, request.out, request.validation)


def _prepare(request: UpliftRequest, folder: Path) -> tuple[Material, Samples]:
    """Real clips, and where samples come from; claims the folder of results."""
    validation = VALIDATION_EVERY if request.validation else None
    if request.store is None:
        model = find_model(request.model)
        trained = TrainSettings.model_validate(read_card(model)["settings"])
        read, past, future = trained.clips, trained.forecast.past, trained.forecast.future
    else:
        read, past, future = store_reading(request.store)
    material = read_material(folder, read, past, future, request.normal, validation)
    about = request.model_dump(
        mode="json", exclude={"out", "clips", "k", "seeds", "arms", "line_seed"}
    )
    about |= {"train": sorted(material.train.clips), "scored": list(material.scored.clips)}
    if request.store is None:
        claim(request.out, about | {"weights": hash_files([model / BACKBONE_FILE])})
        (request.out / "samples").mkdir(exist_ok=True)
        backbone = load_backbone(model / BACKBONE_FILE)
        maker = Maker(backbone, (past, future), material, request.out / "samples", request.making)
        return material, maker.of
    stored = read_samples(request.store, material, future)
    claim(request.out, about | {"samples": len(stored.labels)})
    return material, lambda name, modes, k, seed, real: usable(stored, material, real)


def _run_cell(
    request: UpliftRequest, material: Material, samples: Samples, cell: Cell
) -> dict[str, Any]:
    """Train one detector and let it judge the clips that are scored."""
    about = {"k": cell.k, "seed": cell.seed, "arm": cell.arm, "detector": cell.detector}
    arm, real = ARMS[cell.arm], choose_real(material, cell.k, cell.seed)
    seed = derive_seed(cell.seed, "uplift", cell.k) % 2**31
    mine = pick(material.train, real)
    made = pick(mine, [])
    if arm.synthetic:
        made = samples(arm.forecaster, arm.modes, cell.k, cell.seed, real)
    try:
        data = training_set(mine, made, arm, seed, request.share)
    except SettingsError as error:
        return about | {"skipped": str(error)}
    lesson = Lesson(
        data.videos.videos,
        data.videos.labels.astype(np.int64),
        data.chances,
        arm.augmented,
        len(material.names),
        request.steps,
        seed,
    )
    found = DETECTORS[cell.detector](lesson, material.scored.videos)
    return about | {
        "real": len(real),
        "synthetic": data.synthetic,
        "loss": found.loss,
        "suspicion": found.suspicion.round(6).tolist(),
        "said": None if found.said is None else found.said.tolist(),
    }
