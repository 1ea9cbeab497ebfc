"""A detector of parts, adapted to the first half of each clip and judged on the second."""

import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.errors import FlawcastError, one_line
from flawcast.configs.settings import Choice, TrainSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.detail import read_native
from flawcast.flows.benchmarks.detail_sheet import write_strips
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.train.adapting import start_detector
from flawcast.flows.train.second_half import (
    Video,
    drawn_second_half,
    errors,
    moving_second_half,
)
from flawcast.generators.backbones.layers.detected import PartFinder
from flawcast.generators.backbones.layers.observation import observe
from flawcast.generators.clips import Reject, list_clips
from flawcast.generators.line.clips import TEXTURED, draw_line
from flawcast.generators.training.self_made.learners import DetectorLearner
from flawcast.generators.training.self_made.objects import ClipStock, objects_of
from flawcast.generators.training.self_made.training import error_on_pairs, train_on_pairs

FRAMES = 48  # of a clip, its first ones: half of them are learnt from
WAYS = ("tracking", "zero-shot", "adapted")
COLUMNS = (
    *("tracks cover", "copy", *WAYS),
    *("part, copy", *(f"part, {way}" for way in WAYS)),
    *("pairs, before", "pairs, after", "s"),
)


@BENCHMARKS.register("adapt")
@alone("its table is about clips")
def adapt(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """How well the second half of a clip is drawn by a detector adapted to its first half.

    `model` is what the detector starts from.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)  # times are those of one core
    rejects: list[Reject] = []
    clips: dict[str, Callable[[], Video]]
    if request.clips is None:
        line = draw_line(request.clips_per_state, request.seed, FRAMES, look=TEXTURED)
        clips = {clip.name: partial(np.copy, clip.frames) for clip in line}
    else:
        entries = list_clips(request.clips, rejects.append)
        clips = {entry.name: partial(read_native, entry, FRAMES) for entry in entries}
    rows: list[Row] = []
    found: list[dict[str, float]] = []
    for done, (name, read) in enumerate(clips.items(), start=1):
        try:
            numbers, remark = _measured(name, read(), request), ""
            found.append(numbers)
        except (FlawcastError, cv2.error, np.linalg.LinAlgError) as error:
            numbers, remark = {}, one_line(error).removeprefix(f"{name}: ")
        rows.append(_row(name, numbers, remark))
        on_done(done, len(clips))
    rows += [_row(reject.name, {}, reject.reason) for reject in rejects]
    if found:
        means = {column: float(np.mean([one[column] for one in found])) for column in COLUMNS}
        rows.append(_row(f"mean of {len(found)}", means, ""))
    return Report(
        title=f"adapt: {len(found)} clips, from {request.model}",
        rows=tuple(rows),
        note=f"{_how_to_read()} {machine()}",
    )


def _measured(name: str, truth: Video, request: BenchmarkRequest) -> dict[str, float]:
    """Figures of one clip."""
    past = (len(truth) + 1) // 2
    later, part = truth[past:], moving_second_half(truth)
    seen = observe(truth, past)
    settings = AdaptTraining()
    start = TrainSettings(
        backbone=Choice(name="layers"), start=request.model, adapt=settings, seed=request.seed
    )
    detector = start_detector(start).eval()
    learner = DetectorLearner(detector, settings.losses)
    stock = ClipStock([objects_of(seen, truth[:past], learner.side)])
    drawn = {"tracking": drawn_second_half(truth, None)}
    drawn["zero-shot"] = drawn_second_half(truth, PartFinder(detector))
    before = error_on_pairs(learner, stock, settings, request.seed)
    began = time.process_time()
    train_on_pairs(learner, stock, settings, request.seed)
    seconds = time.process_time() - began
    after = error_on_pairs(learner, stock, settings, request.seed)
    drawn["adapted"] = drawn_second_half(truth, PartFinder(detector))
    drawn["copy"] = np.broadcast_to(truth[past - 1], later.shape)
    if request.pictures is not None:
        request.pictures.mkdir(parents=True, exist_ok=True)
        rows = {"real second half": later, **drawn}
        write_strips(request.pictures / f"adapt-{name.replace('/', '-')}.png", rows)
    whole = {way: errors(video, later) for way, video in drawn.items()}
    parts = {f"part, {way}": errors(video, later, part) for way, video in drawn.items()}
    return {
        "tracks cover": seen.coverage,
        **whole,
        **parts,
        "pairs, before": before,
        "pairs, after": after,
        "s": seconds,
    }


def _row(name: str, found: dict[str, float], remark: str) -> Row:
    """A row of the report; figures that a clip does not have are empty."""
    return {"clip": name, **{column: found.get(column, "") for column in COLUMNS}, "remark": remark}


def _how_to_read() -> str:
    """What the columns say."""
    return (
        f"MAE on the [0, 1] scale of the second half of the first {FRAMES} frames. Plate, cut-outs "
        "and what a detector learns are of the first half alone; frames of the second half say "
        "only where the part is. copy: the last frame of the first half. tracking: corners are "
        "followed; where that finds no part, the plate. zero-shot, adapted: the detector before "
        f"and after {AdaptTraining().steps} steps on self-made pairs of this clip. part: what "
        "differs from the whole clip's background. tracks cover: share of the first half's moving "
        "area. pairs: error of the motion on other pairs of the same clip, share of the frame. "
        "s: CPU time of adapting."
    )
