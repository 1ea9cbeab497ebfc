"""Keeping and reading videos: ours beside mp4, PNG tars, HDF5 and raw arrays, all without loss."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.containers import CONTAINERS, Container
from flawcast.flows.benchmarks.timing import Way, alternately, compared, machine
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.clips import iter_clips
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import draw_line
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.scene import Scene

FRAMES, MOST = 24, 16
REFERENCE = "mp4, H.264 without loss"


@BENCHMARKS.register("store")
def store(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Writing all videos, and their size on disk."""
    videos, what = _videos(request)
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[str, Container] = {}

        def writing(name: str, count: list[int]) -> Way:
            def write() -> None:
                count.append(0)
                kept[name] = CONTAINERS[name](Path(folder) / f"{name} {len(count)}")
                kept[name].write(videos)

            return write

        ways = {name: writing(name, []) for name in CONTAINERS}
        timings = alternately(ways, request.repeats, on_done)
        sizes = {name: container.size() for name, container in kept.items()}
    work = dict.fromkeys(timings, videos.nbytes / 2**20)
    rows: list[Row] = [
        {
            **row,
            "size": sizes[str(row["way"])] / videos.nbytes,
            "size of mp4": sizes[str(row["way"])] / sizes[REFERENCE],
        }
        for row in compared(timings, REFERENCE, work, "MiB")
    ]
    return _report("store: writing", what, rows, request)


@BENCHMARKS.register("loader")
def loader(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Random kept videos as float tensors, as a training loop takes them."""
    torch.set_num_threads(1)
    videos, what = _videos(request)
    order = np.random.default_rng(request.seed).permutation(len(videos)).tolist()
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {}
        sizes: dict[str, int] = {}
        for number, name in enumerate(CONTAINERS):
            container = CONTAINERS[name](Path(folder) / str(number))
            container.write(videos)
            sizes[name] = container.size()
            _check(container, videos)
            ways[name] = _reading(container, order)
        timings = alternately(ways, request.repeats, on_done)
    work = dict.fromkeys(timings, float(len(order)))
    rows: list[Row] = [
        {**row, "size": sizes[str(row["way"])] / videos.nbytes}
        for row in compared(timings, REFERENCE, work, "video")
    ]
    return _report("loader: reading at random", what, rows, request)


def _reading(container: Container, order: list[int]) -> Callable[[], object]:
    """Read videos in this order, each as a float tensor (F, 3, H, W)."""
    return lambda: [to_tensor(container.read(index)).sum() for index in order]


def _check(container: Container, videos: NDArray[np.uint8]) -> None:
    """A container that loses anything is not comparable."""
    if not np.array_equal(container.read(1), videos[1]):
        raise ClipError(f"{type(container).__name__}: expected the bytes that were written")


def _report(what: str, content: str, rows: list[Row], request: BenchmarkRequest) -> Report:
    """The table of one of the two subjects."""
    return Report(
        title=f"{what}, {content}, {request.repeats} repetitions",
        rows=tuple(rows),
        note=f"size: bytes on disk over bytes of pixels. {machine()}",
    )


def _videos(request: BenchmarkRequest) -> tuple[NDArray[np.uint8], str]:
    """Videos (K, F, H, W, 3): of the clips that were given, or renders of the line."""
    if request.clips is not None:
        read = ClipSettings(size=256, max_frames=FRAMES)
        clips = iter_clips(request.clips, read, FRAMES, lambda reject: None)
        found = [clip.frames[:FRAMES] for clip, _ in zip(clips, range(MOST), strict=False)]
        return np.stack(found), f"{len(found)} real clips of {FRAMES} frames at 256x256"
    model = load_model(find_model(request.model))
    size = model.clip_settings().size
    drawn = [
        _rendered(model.backbone, clip.frames)
        for clip in draw_line(request.clips_per_state, request.seed, FRAMES, size)
    ]
    return np.stack(drawn), f"{len(drawn)} renders of {FRAMES} frames at {size}x{size}"


@torch.no_grad()
def _rendered(backbone: MotionBackbone, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A clip's first frame moved as the clip moves."""
    return Scene.encode(backbone, frames[0]).render(backbone.keypoints(to_tensor(frames)))
