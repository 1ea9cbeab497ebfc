"""`flawcast uplift`: every arm, K, seed and detector is a cell; what is done is not done again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.configs.errors import SettingsError
from flawcast.configs.identity import content_id, derive_seed
from flawcast.flows.running.executor import place_of
from flawcast.flows.running.pieces import Job, OnDone, Stage
from flawcast.flows.uplift.arms import ARMS
from flawcast.flows.uplift.data import choose_real, pick, training_set
from flawcast.flows.uplift.detectors import DETECTORS, Detector, Lesson, default_detectors
from flawcast.flows.uplift.experiment import load_experiment
from flawcast.flows.uplift.folder import check_experiment, make_folder, read, read_or_compute
from flawcast.flows.uplift.line import LOOKS, NAME, draw_material
from flawcast.flows.uplift.report import write_report
from flawcast.flows.uplift.request import OWN_PARTS, UpliftRequest
from flawcast.flows.uplift.scores import write_best_scores
from flawcast.generators.model import find_model


@dataclass(frozen=True)
class SamplesPiece:
    """The samples of one forecaster, K and seed, in all modes that arms take."""

    request: UpliftRequest
    forecaster: str
    modes: tuple[str, ...]
    k: int
    seed: int

    @property
    def title(self) -> str:
        """The piece's name, for people."""
        return f"samples by {self.forecaster}, K = {self.k}, seed {self.seed}"

    def work(self) -> None:
        """Make the samples, unless they exist."""
        load_experiment(self.request).make(self.forecaster, self.modes, self.k, self.seed)


@dataclass(frozen=True)
class CellPiece:
    """One detector trained with one arm's data."""

    request: UpliftRequest
    k: int
    seed: int
    arm: str
    detector: str

    @property
    def title(self) -> str:
        """The piece's name, for people."""
        return f"{self.detector}, {self.arm}, K = {self.k}, seed {self.seed}"

    @property
    def path(self) -> Path:
        """The file for its result."""
        name = content_id("cell", k=self.k, seed=self.seed, arm=self.arm, detector=self.detector)
        return self.request.out / "cells" / f"{name}.json"

    def work(self) -> None:
        """Train the detector and store its verdict on the scored clips."""
        read_or_compute(self.path, partial(_judge, self))


def uplift(
    request: UpliftRequest,
    on_clip: Callable[[int, int], None] = lambda done, total: None,
    on_done: OnDone = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Train and test the same detectors with each arm's data, and write report.md.

    Args:
        request: What is compared.
        on_clip: Called with the number of rendered clips of the line, and of all its clips.
        on_done: Called with a stage's name, the number of its finished pieces, and of all pieces.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If clips, store or model cannot be used, or the folder holds another
            experiment.
    """
    request = _resolved(request)
    for name in request.detectors:
        DETECTORS[name].check()
    unknown = sorted(set(request.arms) - set(ARMS))
    if unknown:
        raise SettingsError(f"arm: expected some of {'; '.join(ARMS)}; got {unknown[0]!r}")
    if all(ARMS[arm].synthetic for arm in request.arms):
        raise SettingsError(
            "arm: expected one without samples to compare with, got none; add --arm real"
        )
    if str(request.clips) == NAME:
        if request.clips.is_dir():
            raise SettingsError(
                f"clips: {NAME} is the built-in line, but a folder of that name is here; name the "
                "folder by its whole path, or go elsewhere for the line"
            )
        make_folder(request.out)
        folder = draw_material(request.out / "clips", request.line_seed, on_clip, request.line_size)
        making = request.making
        if making.looks is None:
            making = making.model_copy(update={"looks": LOOKS})
        request = request.model_copy(update={"clips": folder.resolve(), "making": making})
    load_experiment.cache_clear()
    experiment = load_experiment(request)
    check_experiment(request.out, experiment.about)
    cells = _cells(request)
    stages = [
        Stage("samples", lambda: _samples(request)),
        Stage("cells", lambda: [cell for cell in cells if not cell.path.is_file()]),
    ]
    if stages[1].pieces():
        place = place_of(request.workers, request.ray_address, fewest=2)
        place.run(Job(stages, "uplift", on_done=on_done))
    results = [read(cell.path) for cell in cells]
    values = write_report(results, experiment.material(), request)
    if request.validation:
        write_best_scores(values, results, experiment, request.out)
    return values


def _resolved(request: UpliftRequest) -> UpliftRequest:
    """Make paths absolute, for workers in other folders, and remove duplicates."""
    values: dict[str, Any] = {
        "out": request.out.resolve(),
        "k": tuple(dict.fromkeys(request.k)),
        "arms": tuple(dict.fromkeys(request.arms)),
        "detectors": tuple(dict.fromkeys(request.detectors or default_detectors())),
    }
    if str(request.clips) != NAME:
        values["clips"] = request.clips.resolve()
    if request.store is None:
        own = request.model == OWN_PARTS
        values["model"] = OWN_PARTS if own else str(find_model(request.model).resolve())
    elif "://" not in request.store:
        values["store"] = str(Path(request.store).resolve())
    return request.model_copy(update=values)


def _samples(request: UpliftRequest) -> list[SamplesPiece]:
    """Samples that the experiment makes itself."""
    modes: dict[str, set[str]] = {}
    for arm in map(ARMS.__getitem__, request.arms):
        if arm.modes and request.store is None:
            modes.setdefault(arm.forecaster, set()).update(arm.modes)
    return [
        SamplesPiece(request, forecaster, tuple(sorted(modes[forecaster])), k, seed)
        for k in request.k
        for forecaster in modes
        for seed in range(request.seeds)
    ]


def _cells(request: UpliftRequest) -> list[CellPiece]:
    """All cells, in the order in which they are done."""
    return [
        CellPiece(request, k, seed, arm, detector)
        for k in request.k
        for detector in request.detectors
        for arm in _arms_of(DETECTORS[detector], request.arms)
        for seed in range(request.seeds)
    ]


def _arms_of(detector: Detector, arms: tuple[str, ...]) -> list[str]:
    """The arms that differ for a detector; of arms that are equal to it, only the first."""
    if not detector.of_good_alone:
        return list(arms)
    firsts = {ARMS[arm].good_videos: arm for arm in reversed(arms)}
    return [arm for arm in arms if firsts[ARMS[arm].good_videos] == arm]


def _judge(cell: CellPiece) -> dict[str, Any]:
    """Train one detector and let it judge the scored clips."""
    request, experiment = cell.request, load_experiment(cell.request)
    detector = DETECTORS[cell.detector]
    material = experiment.material(detector.see)
    cell_key = {"k": cell.k, "seed": cell.seed, "arm": cell.arm, "detector": cell.detector}
    arm, real = ARMS[cell.arm], choose_real(material, cell.k, cell.seed)
    seed = derive_seed(cell.seed, "uplift", cell.k) % 2**31
    real_videos = pick(material.train, real)
    samples = pick(real_videos, [])
    if arm.synthetic:
        samples = experiment.samples(arm, cell.k, cell.seed, detector.see)
    try:
        data = training_set(real_videos, samples, arm, seed, request.share)
    except SettingsError as error:
        return cell_key | {"skipped": str(error)}
    lesson = Lesson(
        data.videos.videos,
        data.videos.labels.astype(np.int64),
        data.chances,
        arm.augmented,
        len(material.names),
        request.steps,
        seed,
    )
    verdict = detector.judge(lesson, material.scored.videos)
    return cell_key | {
        "real": len(real),
        "synthetic": data.synthetic,
        "samples": list(data.videos.ids[len(real) :]),
        "sample_labels": data.videos.labels[len(real) :].tolist(),
        "loss": verdict.loss,
        "suspicion": verdict.suspicion.round(6).tolist(),
        "said": None if verdict.said is None else verdict.said.tolist(),
    }
