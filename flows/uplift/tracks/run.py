"""`flawcast uplift-tracks`: every K, seed and arm is a cell, and finished cells are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from flawcast.configs.errors import ClipError
from flawcast.configs.identity import content_id, derive_seed
from flawcast.flows.uplift.detectors.features import network_id
from flawcast.flows.uplift.few.scorer import judge
from flawcast.flows.uplift.few.training import Lesson, train_arm
from flawcast.flows.uplift.folder import check_experiment, read_or_compute
from flawcast.flows.uplift.tracks.arms import ARMS
from flawcast.flows.uplift.tracks.following import MaskedClip, read_masked
from flawcast.flows.uplift.tracks.making import TrackMaker, augment, real_frames
from flawcast.flows.uplift.tracks.report import write_report
from flawcast.flows.uplift.tracks.request import TracksRequest
from flawcast.generators.video_features.pictures import check_pretrained

OnCell = Callable[[int, int], None]


@dataclass(frozen=True)
class ClipDraw:
    """Numbers of the clips of one K and seed.

    Args:
        bad: With anomalies, to learn from.
        good: Without, to learn from.
        tested: All others.
    """

    bad: tuple[int, ...]
    good: tuple[int, ...]
    tested: tuple[int, ...]


def uplift_tracks(
    request: TracksRequest, on_cell: OnCell = lambda done, total: None
) -> dict[str, Any]:
    """Train and test the same detector with each arm's pictures, and write report.md.

    Args:
        request: What is compared.
        on_cell: Called with the number of finished cells and of all.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If clips cannot be used, the features are not installed, or the folder holds
            another experiment.
    """
    check_pretrained()
    clips = read_masked(request.clips, request.normal)
    about = request.model_dump(mode="json", exclude={"out", "clips", "seeds"})
    ids = {clip.name: clip.id for clip in clips}
    check_experiment(request.out, about | {"videos": ids, "features": network_id()})
    cells = [(k, seed, name) for seed in range(request.seeds) for k in request.k for name in ARMS]
    results: list[dict[str, Any]] = []
    maker: tuple[tuple[int, int], TrackMaker] | None = None
    for k, seed, name in cells:
        draw = draw_clips(clips, k, request.good, seed, max(request.k))
        if maker is None or maker[0] != (k, seed):
            maker = (k, seed), _maker(request, clips, draw, k, seed)
        same = 0 if ARMS[name].of_good_alone else k  # it knows no anomaly, so K does not matter
        cell = f"{content_id('cell', k=same, seed=seed, arm=name)}.json"
        compute = partial(_run_cell, request, clips, draw, maker[1], (k, seed, name))
        results.append(read_or_compute(request.out / "cells" / cell, compute) | {"k": k})
        on_cell(len(results), len(cells))
    return write_report(results, clips, request)


def draw_clips(clips: Sequence[MaskedClip], k: int, good: int, seed: int, most: int) -> ClipDraw:
    """Draw clips to learn from; for one seed, those of a smaller K are among those of a larger.

    Args:
        clips: All clips.
        k: Number of clips with anomalies.
        good: Number of clips without.
        seed: The draw.
        most: The largest K: the others are tested on, the same for every K.

    Raises:
        ClipError: If too few are left to test on.
    """
    order = np.random.default_rng(derive_seed(seed, "clips")).permutation(len(clips)).tolist()
    bad, fine = ([i for i in order if clips[i].anomalous == kind] for kind in (True, False))
    if len(bad) <= most or len(fine) <= good:
        raise ClipError(
            f"clips: expected more than {most} with anomalies and {good} without, found "
            f"{len(bad)} and {len(fine)}; lower --k or --good"
        )
    return ClipDraw(tuple(bad[:k]), tuple(fine[:good]), tuple(sorted(bad[most:] + fine[good:])))


def _maker(
    request: TracksRequest, clips: Sequence[MaskedClip], draw: ClipDraw, k: int, seed: int
) -> TrackMaker:
    """Makes pictures of the clips of one draw."""
    bad, good = ([clips[index] for index in side] for side in (draw.bad, draw.good))
    seed = derive_seed(seed, "tracks", k)
    return TrackMaker(bad, good, request.made, request.past, request.future, seed)


def _run_cell(
    request: TracksRequest,
    clips: Sequence[MaskedClip],
    draw: ClipDraw,
    maker: TrackMaker,
    key: tuple[int, int, str],
) -> dict[str, Any]:
    """Train with one arm's pictures, and judge frames of the other clips."""
    k, seed, name = key
    arm = ARMS[name]
    made = [frame for kind in arm.made for frame in maker.make(kind)]
    good = [one.picture for one in real_frames(maker.good, request.every)]
    real = real_frames([*maker.bad, *maker.good], request.every)
    scores = train_arm(arm, Lesson(good, real, made, augment, 1, request.share), seed)
    found = []
    for index in draw.tested:
        for number, frame in enumerate(real_frames([clips[index]], request.every)):
            said = judge(scores, frame.picture, frame.mask)
            found.append(
                {
                    "clip": index,
                    "number": number,
                    "anomalous": frame.defective,
                    "score": round(said.score, 5),
                    "inside": said.inside.tolist(),
                    "outside": said.outside.tolist(),
                }
            )
    return {
        "k": k,
        "seed": seed,
        "arm": name,
        "learnt": [clips[index].name for index in (*draw.bad, *draw.good)],
        "tracks": len(maker.tracks),
        "made": len(made),
        "rejected": dict(maker.rejected),
        "found": found,
    }
