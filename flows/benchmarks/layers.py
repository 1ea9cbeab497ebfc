"""What a set of a clip's own parts costs at 512x512: looked at, chosen, scored and committed."""

import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError, FlawcastError
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report
from flawcast.flows.benchmarks.detail import read_native
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.generate.compared import Compared
from flawcast.flows.generate.layered import chosen
from flawcast.generators.backbones.layers import LayersBackbone
from flawcast.generators.backbones.layers.backbone import LayersConfig, LayersContext
from flawcast.generators.backbones.layers.stored import to_arrays
from flawcast.generators.clips import list_clips
from flawcast.generators.line.clips import draw_clip
from flawcast.selection.metrics.by_frame import score_by_frame
from flawcast.storage import Layers
from flawcast.storage.drawn import layer_arrays

SIDE = 512
PAST, FUTURE = 12, 24
DRIFT = 0.004  # of the frame: how far a future leaves the clip's own motion in each frame
WHOLE = 24  # frames that are drawn whole, for comparison

LOOK, CHOOSE, SCORE, KEEP, PLAINLY = (
    "look at the clip: plate, parts, tracks",
    "choose: compare the parts' boxes",
    "score those that are kept",
    "pack what is stored",
    "plainly",
)

Video = NDArray[np.uint8]


@BENCHMARKS.register("layers")
def layers(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Seconds for each stage of a set, and what drawing every frame whole would take."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    name, frames = _clip(request)
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    stages: dict[str, list[float]] = {}
    drawn = 0
    for done in range(request.repeats):
        drawn = _make_set(frames, request, stages)
        on_done(done + 1, request.repeats)
    count = request.samples * FUTURE
    seconds = {stage: float(np.median(took)) for stage, took in stages.items()}
    plainly = seconds.pop(PLAINLY) / WHOLE * count
    rows = [_row(stage, took, count) for stage, took in seconds.items()]
    rows.append(_row("the set", sum(seconds.values()), count))
    rows.append(_row("for comparison: all futures drawn whole, and compared", plainly, count))
    return Report(
        title=f"layers: {request.samples} futures of {FUTURE} frames at {size}, "
        f"{_keep(request)} kept, {request.repeats} repetitions",
        rows=tuple(rows),
        note=f"CPU time of one thread, without fitting a forecaster; {name}, {PAST} frames seen; "
        f"futures follow the clip's own motion and drift away from it; boxes of {drawn} of "
        f"{count} frames were drawn to choose. The comparison is of {WHOLE} frames. {machine()}",
    )


def _make_set(frames: Video, request: BenchmarkRequest, stages: dict[str, list[float]]) -> int:
    """Make one set and note how long each stage took; how many frames were drawn to choose."""

    def timed(stage: str, work: Callable[[], object]) -> None:
        began = time.process_time()
        work()
        stages.setdefault(stage, []).append(time.process_time() - began)

    made: dict[str, Layers] = {}
    timed(LOOK, lambda: made.update(all=_layers(frames, request)))
    compared = Compared(made["all"], frames[PAST:])
    guess = np.abs(made["all"].keypoints - made["all"].keypoints.mean(0)).mean((1, 2))
    rankings = []
    timed(CHOOSE, lambda: rankings.append(compared.closest(guess, _keep(request))))
    indices = rankings[0].indices.tolist()
    timed(SCORE, lambda: score_by_frame(compared.by_time(indices), frames[PAST:]))
    timed(KEEP, lambda: layer_arrays(chosen(made["all"], indices, indices)))

    def plainly() -> None:
        for time_of in range(WHOLE):
            at = time_of % FUTURE
            frame = made["all"].draw("videos", time_of % request.samples, [at])[0]
            cv2.norm(frame.reshape(-1), frames[PAST + at].reshape(-1), cv2.NORM_L1)

    timed(PLAINLY, plainly)
    return int(rankings[0].drawn)


def _row(stage: str, seconds: float, frames: int) -> Mapping[str, str | float]:
    """Seconds for a set, and milliseconds for each frame of its futures."""
    return {"stage": stage, "s per set": seconds, "ms per frame": 1e3 * seconds / frames}


def _keep(request: BenchmarkRequest) -> int:
    """How many futures are kept."""
    return max(2, request.samples // 5)


def _layers(frames: Video, request: BenchmarkRequest) -> Layers:
    """Look at the past of a clip; futures that drift away from its own motion."""
    context = _look(frames)
    truth = context.keypoints()[PAST:].numpy()
    way = truth.reshape(1, FUTURE, -1, 6).repeat(request.samples, axis=0)
    random = np.random.default_rng(request.seed)
    drift = random.normal(0, DRIFT, (request.samples, 1, 1, 2)).astype(np.float32)
    way[..., :2] += drift * np.arange(1, FUTURE + 1, dtype=np.float32)[:, None, None]
    return Layers(
        renderer="layers",
        size=(frames.shape[1], frames.shape[2]),
        source=to_arrays(context.appearance(PAST - 1).look),
        keypoints=way.reshape(request.samples, FUTURE, -1),
        seeds=np.full(request.samples, -1, np.int64),
    )


def _look(frames: Video) -> LayersContext:
    """What the past of a clip shows.

    Raises:
        ClipError: If it shows no part that can be followed.
    """
    return LayersBackbone(LayersConfig()).observe(frames, PAST)


def _clip(request: BenchmarkRequest) -> tuple[str, Video]:
    """A clip at the wanted size, and what it is: the first that can be followed.

    Raises:
        ClipError: If there is none.
    """
    length = PAST + FUTURE
    if request.clips is None:
        drawn = draw_clip("normal", request.seed, length, SIDE * 3 // 2, "textured")
        return "the built-in line", _sized(drawn.frames)
    for entry in list_clips(request.clips):
        try:
            frames = read_native(entry, length)
            if len(frames) == length:
                frames = _sized(frames)
                _look(frames)
                return f"{entry.name}, enlarged", frames
        except FlawcastError:
            continue
    raise ClipError(
        f"clips: expected one of {length} frames with a part that can be followed, found none"
    )


def _sized(frames: Video) -> Video:
    """Square frames of the size that is measured."""
    way = cv2.INTER_CUBIC if frames.shape[1] < SIDE else cv2.INTER_AREA
    return np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=way) for one in frames])
