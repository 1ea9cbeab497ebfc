"""The paper's real-time table: each stage timed, and frames, operations and bits per second."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from flawcast.flows.benchmarks import on_device
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.on_device import Sizes
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.backbones import MotionBackbone, build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.forecasters.base import Forecaster, build_forecaster
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference

FRAMES, BLOCK = 36, 6  # blocks of six seen and six predicted frames
SHOWN = 30  # frames that the time is scaled to: one second of video
VIDEO_KBPS = 500  # what the paper sets as the video's own rate
BITS, OPERATIONS = 32, 0.6e12
PUBLISHED = {"fomm": 53.765e9}  # multiply-adds of the generator, as the paper counts them
SIZE = 256
MODELS: dict[str, dict[str, Any]] = {"fomm": {}, "tps": {}, "vid2vid": {}}
TIMED = 1  # frames timed at once; every frame costs the same


def kilobits(length: int, forecasting: bool) -> float:
    """Bandwidth of keypoint vectors of length D; with forecasting every second block is not sent.

    Example:
        >>> [round(kilobits(length, True), 2) for length in (60, 100, 51)]
        [28.8, 48.0, 24.48]
    """
    return BITS * length * SHOWN / 1000 / (2 if forecasting else 1)


def saving(length: int) -> float:
    """How many times less than the video itself is sent, with forecasting.

    Example:
        >>> [round(saving(length), 2) for length in (60, 100, 51)]
        [17.36, 10.42, 20.42]
    """
    return VIDEO_KBPS / kilobits(length, forecasting=True)


def tera_operations(multiply_adds: float) -> float:
    """The paper's compute column: of a generator with so many multiply-adds per frame.

    Example:
        >>> round(tera_operations(53.765e9), 4)
        2.6883
    """
    return multiply_adds * SHOWN / OPERATIONS


@BENCHMARKS.register("realtime")
@torch.no_grad()
def realtime(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Keypoints of the seen frames, forecasts of the others, rendering of all, at 256x256."""
    if request.device != "cpu":
        return on_device.realtime(pick_device(request.device), Sizes.of(request))
    torch.set_num_threads(1)
    rows: list[Row] = []
    for done, (name, config) in enumerate(MODELS.items()):
        on_done(done, len(MODELS))
        plain = ready(build_backbone(name, config, request.seed))
        length = plain.layout.length
        vrnn = build_forecaster("vrnn", length, {"preset": "paper"}).eval()
        rows.append(_row(name, plain, vrnn, request))
    on_done(len(MODELS), len(MODELS))
    return Report(
        title=f"realtime: published sizes at {SIZE}x{SIZE} with VRNN, {FRAMES} frames in blocks of "
        f"{BLOCK} seen and {BLOCK} predicted, scaled to {SHOWN}; {request.repeats} repetitions",
        rows=tuple(rows),
        note="one thread, CPU time; kbps and saving with forecasting, against a video of "
        f"{VIDEO_KBPS} kbps; GMAC: multiply-adds of the generator's convolutions per frame, "
        f"source encoding included; TOPS = GMAC x {SHOWN} / 600, as in the paper, whose own count "
        f"of FOMM's generator, {PUBLISHED['fomm'] / 1e9} GMAC, has more than convolutions in "
        f"it. {machine()}",
        headlines={f"{row['backbone']}, fps": float(row["fps"]) for row in rows},
    )


def _row(
    name: str, plain: MotionBackbone, vrnn: Forecaster, request: BenchmarkRequest
) -> dict[str, str | float]:
    """Figures of one backbone."""
    draws = torch.Generator().manual_seed(request.seed)
    frames = torch.rand(TIMED, 3, SIZE, SIZE, generator=draws)
    multiply_adds = _generator_operations(plain, frames)
    backbone = for_inference(plain)
    appearance, keypoints = backbone.appearance(frames[0]), backbone.keypoints(frames)
    past = torch.randn(1, BLOCK, keypoints.shape[1], generator=draws)
    stages: dict[str, Callable[[], Tensor]] = {
        "keypoints": lambda: backbone.keypoints(frames),
        "forecast": lambda: vrnn.sample(past, BLOCK, 1, draws),
        "render": lambda: backbone.render(appearance, keypoints),
    }
    took = {stage: _median(way, request.repeats) for stage, way in stages.items()}
    blocks = FRAMES // (2 * BLOCK)
    seconds = {
        "keypoints": took["keypoints"] / TIMED * blocks * BLOCK,
        "forecast": took["forecast"] * blocks,
        "render": took["render"] / TIMED * FRAMES,
    }
    seconds = {stage: value * SHOWN / FRAMES for stage, value in seconds.items()}
    length = plain.layout.length
    return {
        "backbone": f"{name}, D = {length}",
        **{f"{stage} s": value for stage, value in seconds.items()},
        "fps": SHOWN / sum(seconds.values()),
        "kbps": kilobits(length, forecasting=True),
        "saving": saving(length),
        "GMAC": multiply_adds / 1e9,
        "TOPS": f"{tera_operations(multiply_adds):.4f}",
        "paper's TOPS": f"{tera_operations(PUBLISHED[name]):.4f}" if name in PUBLISHED else "",
    }


def _generator_operations(backbone: MotionBackbone, frames: Tensor) -> float:
    """Multiply-adds of the convolutions that draw a frame from a source and known keypoints."""
    keypoints = _convolutions(lambda: backbone.keypoints(frames[:1]))
    encode = _convolutions(lambda: backbone.appearance(frames[0]))
    appearance, vector = backbone.appearance(frames[0]), backbone.keypoints(frames[:1])
    draw = _convolutions(lambda: backbone.render(appearance, vector))
    return (encode - keypoints + draw) / 2


def _convolutions(work: Callable[[], object]) -> float:
    """Operations of all convolutions, two for a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        work()
    totals = counter.get_flop_counts()["Global"]
    return float(sum(count for kind, count in totals.items() if "conv" in str(kind)))


def _median(work: Callable[[], object], repeats: int) -> float:
    """Median CPU time, after a first round that does not count."""
    work()
    took = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return float(np.median(took))
