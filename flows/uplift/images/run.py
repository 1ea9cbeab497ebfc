"""`flawcast uplift-images`: every seed and arm is a cell, and finished cells are kept."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.identity import content_id, derive_seed, hash_files
from flawcast.configs.model_card import read_card
from flawcast.flows.uplift.folder import check_experiment, read_or_compute
from flawcast.flows.uplift.images.arms import ARMS, ImageArm
from flawcast.flows.uplift.images.frames import read_motions
from flawcast.flows.uplift.images.report import write_report
from flawcast.flows.uplift.images.request import ImagesRequest
from flawcast.flows.uplift.images.scorer import Pixels, judge, train
from flawcast.flows.uplift.images.stills import Still, read_stills
from flawcast.flows.uplift.images.tables import Table, Tables
from flawcast.generators.backbones import load_backbone
from flawcast.generators.backbones.base import BACKBONE_FILE
from flawcast.generators.model import find_model
from flawcast.selection.folds import deal_folds

OnCell = Callable[[int, int], None]


def uplift_images(
    request: ImagesRequest, on_cell: OnCell = lambda done, total: None
) -> dict[str, Any]:
    """Train and test the same mask scorer with each arm's data, and write report.md.

    Args:
        request: What is compared.
        on_cell: Called with the number of finished steps and of all; a step is a picture or a cell.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If pictures, clips or model cannot be used, or the folder holds another
            experiment.
    """
    model = find_model(request.model)
    size = read_card(model).settings.clips.size
    stills = read_stills(request.images, size, request.number, request.gap)
    backbone = load_backbone(model / BACKBONE_FILE)
    motions = read_motions(request.driving, backbone, size)
    weights = hash_files([model / BACKBONE_FILE])
    check_experiment(request.out, _about(request, stills, motions) | {"weights": weights})
    (request.out / "stills").mkdir(exist_ok=True)
    maker = Tables(request.out / "stills", backbone, motions, request.copies, seed=0)
    cells = [(seed, name) for seed in range(request.seeds) for name in ARMS]
    total, tables = len(stills) + len(cells), []
    for still in stills:
        tables.append(maker.read_or_make(still))
        on_cell(len(tables), total)
    results = []
    for seed, name in cells:
        path = request.out / "cells" / f"{content_id('cell', arm=name, seed=seed)}.json"
        results.append(
            read_or_compute(path, partial(_run_cell, request, stills, tables, name, seed))
        )
        on_cell(len(stills) + len(results), total)
    return write_report(results, stills, request, len(motions))


def _about(
    request: ImagesRequest, stills: Sequence[Still], motions: Sequence[Tensor]
) -> dict[str, Any]:
    """What decides the results, apart from the weights; pictures and clips by their content."""
    return request.model_dump(mode="json", exclude={"out", "images", "driving", "model"}) | {
        "pictures": {still.name: _digest(still.picture, still.mask) for still in stills},
        "motions": _digest(*(motion.numpy() for motion in motions)),
    }


def _digest(*arrays: NDArray[np.generic]) -> str:
    """A short hash of the values of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _run_cell(
    request: ImagesRequest, stills: list[Still], tables: list[Table], name: str, seed: int
) -> dict[str, Any]:
    """Run one arm and seed: no scorer is trained on the item of a picture that it judges."""
    items = np.array([still.item for still in stills])
    defective = np.array([still.defective for still in stills], np.int64)
    fold = deal_folds(items, defective, request.folds, seed)
    judgements: dict[int, dict[str, Any]] = {}
    for number in range(request.folds):
        learned = [tables[index] for index in np.flatnonzero(fold != number)]
        pixels, chances = _lesson(learned, ARMS[name], request.share, seed)
        scorer_seed = derive_seed(seed, "scorer", number) % 2**31
        trained = train(pixels, chances, request.steps, scorer_seed)
        for index in np.flatnonzero(fold == number):
            judgement = judge(trained, tables[index].features, tables[index].mask)
            judgements[int(index)] = {
                "score": round(judgement.score, 5),
                "inside": judgement.inside.tolist(),
                "outside": judgement.outside.tolist(),
            }
    return {"arm": name, "seed": seed, "found": [judgements[index] for index in range(len(stills))]}


def _lesson(
    tables: list[Table], arm: ImageArm, share: float, seed: int
) -> tuple[list[Pixels], NDArray[np.float64]]:
    """An arm's training pixels, and how often each picture is drawn."""
    parts = [[item for table in tables for item in table.pixels[kind]] for kind in arm.kinds]
    if arm.shuffled:
        parts[1] = _shuffled(parts[1], np.random.default_rng(seed))
    chances = [_chances([item.bad for item in part], arm.balanced) for part in parts]
    if arm.synthetic:
        chances = [(1 - share) * chances[0], share * chances[1]]
    return list(chain.from_iterable(parts)), np.concatenate(chances)


def _chances(bad: list[bool], balanced: bool) -> NDArray[np.float64]:
    """How often each picture is drawn, summing to 1."""
    kinds = np.array(bad, np.int64)
    weights = 1 / np.bincount(kinds)[kinds] if balanced else np.ones(len(kinds))
    return np.asarray(weights / weights.sum())


def _shuffled(pixels: list[Pixels], rng: np.random.Generator) -> list[Pixels]:
    """The same pixels with their defect labels shuffled: the control."""
    called = rng.permutation(np.concatenate([item.defective for item in pixels]))
    parts = np.split(called, np.cumsum([len(item.defective) for item in pixels])[:-1])
    return [Pixels(item.features, part, item.bad) for item, part in zip(pixels, parts, strict=True)]
