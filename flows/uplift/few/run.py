"""`flawcast uplift-images --k`: every K, seed and arm is a cell, and finished cells are kept."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from flawcast.configs.identity import content_id, derive_seed
from flawcast.flows.uplift.detectors.features import network_id
from flawcast.flows.uplift.few.arms import ARMS
from flawcast.flows.uplift.few.drawing import Draw, draw_stills
from flawcast.flows.uplift.few.making import Maker, real_frames
from flawcast.flows.uplift.few.report import write_report
from flawcast.flows.uplift.few.request import FewRequest
from flawcast.flows.uplift.few.scorer import judge
from flawcast.flows.uplift.few.training import Lesson, train_arm
from flawcast.flows.uplift.folder import check_experiment, read_or_compute
from flawcast.flows.uplift.images.frames import augment
from flawcast.flows.uplift.images.stills import Still, read_stills
from flawcast.generators.video_features.pictures import check_pretrained

OnCell = Callable[[int, int], None]


def uplift_few(request: FewRequest, on_cell: OnCell = lambda done, total: None) -> dict[str, Any]:
    """Train and test the same detector with each arm's pictures, and write report.md.

    Args:
        request: What is compared.
        on_cell: Called with the number of finished cells and of all.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If pictures cannot be used, the features are not installed, or the folder
            holds another experiment.
    """
    check_pretrained()
    stills = read_stills(request.images, None, request.number, request.gap)
    check_experiment(request.out, _about(request, stills))
    cells = [(k, seed, name) for seed in range(request.seeds) for k in request.k for name in ARMS]
    results: list[dict[str, Any]] = []
    maker: tuple[tuple[int, int], Maker] | None = None
    for k, seed, name in cells:
        draw = draw_stills(stills, k, request.good, seed, max(request.k))
        if maker is None or maker[0] != (k, seed):
            maker = (k, seed), _maker(request, stills, draw, k, seed)
        cell = f"{content_id('cell', k=k, seed=seed, arm=name)}.json"
        compute = partial(_run_cell, request, stills, draw, maker[1], (k, seed, name))
        results.append(read_or_compute(request.out / "cells" / cell, compute))
        on_cell(len(results), len(cells))
    return write_report(results, stills, request)


def _about(request: FewRequest, stills: list[Still]) -> dict[str, Any]:
    """What decides the results; pictures by their content."""
    free = {"out", "images", "seeds"}
    return request.model_dump(mode="json", exclude=free) | {
        "pictures": {still.name: _digest(still) for still in stills},
        "features": network_id(),
    }


def _digest(still: Still) -> str:
    """A short hash of a picture and its mask."""
    digest = hashlib.sha256(np.ascontiguousarray(still.picture).tobytes())
    digest.update(np.ascontiguousarray(still.mask).tobytes())
    return digest.hexdigest()[:16]


def _maker(request: FewRequest, stills: list[Still], draw: Draw, k: int, seed: int) -> Maker:
    """Makes pictures of the stills of one draw."""
    bad, good = ([stills[index] for index in side] for side in (draw.bad, draw.good))
    return Maker(bad, good, request.copies, derive_seed(seed, "few", k))


def _run_cell(
    request: FewRequest,
    stills: list[Still],
    draw: Draw,
    maker: Maker,
    key: tuple[int, int, str],
) -> dict[str, Any]:
    """Train with one arm's pictures, and judge the stills of other items."""
    k, seed, name = key
    arm = ARMS[name]
    made = [frame for kind in arm.made for frame in maker.make(kind)]
    good = [still.picture for still in maker.good]
    real = real_frames([*maker.bad, *maker.good])
    lesson = Lesson(good, real, made, augment, request.augmented, request.share)
    scores = train_arm(arm, lesson, seed)
    found = {}
    for index in draw.tested:
        said = judge(scores, stills[index].picture, stills[index].mask)
        found[str(index)] = {
            "score": round(said.score, 5),
            "inside": said.inside.tolist(),
            "outside": said.outside.tolist(),
        }
    return {
        "k": k,
        "seed": seed,
        "arm": name,
        "made": len(made),
        "rejected": dict(maker.rejected),
        "found": found,
    }
