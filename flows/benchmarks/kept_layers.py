"""What it costs to keep videos as layers: bytes, and time to draw them when they are read."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError, FlawcastError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.detail import read_native
from flawcast.flows.benchmarks.made_sets import made_set
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.backbones.layers import appearance, best_sources, observe
from flawcast.generators.backbones.layers.stored import to_arrays
from flawcast.generators.clips import list_clips
from flawcast.generators.line.clips import draw_line
from flawcast.storage import Layers, SampleSet, SampleSetDataset, SampleStore

SIDES = (256, 512, 1080)  # short sides that clips are enlarged to
HALF = 12  # frames of past and of future
MOST_CLIPS = 3
FEW, MANY = 2, 4  # videos of a set: the difference is what a further one costs

Video = NDArray[np.uint8]


@BENCHMARKS.register("kept-layers")
@alone("its table is about bytes")
def kept_layers(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Bytes of a set and of each further video, and time to draw a frame and to load one."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clips = _clips(request)
    rows: list[Row] = []
    for done, (name, frames) in enumerate(clips.items(), start=1):
        rows += [{"clip": name, **_measured(_enlarged(frames, side))} for side in SIDES]
        on_done(done, len(clips))
    return Report(
        title=f"sets kept as layers: {HALF} past and {HALF} future frames of {len(clips)} clips",
        rows=tuple(rows),
        note="set: everything but the kept videos. video: each further one of the same source. "
        "draw: one frame with sensor noise. loaded: frames per second of one worker, as float "
        f"tensors. Both are CPU time, drawn as a loader draws: whole videos. {machine()}",
    )


def _clips(request: BenchmarkRequest) -> dict[str, Video]:
    """The first clips that are long enough and show a part.

    Raises:
        ClipError: If there are none.
    """
    readers: dict[str, Callable[[], Video]]
    if request.clips is None:
        line = draw_line(1, request.seed, 2 * HALF, 64)
        readers = {clip.name: partial(np.copy, clip.frames) for clip in line}
    else:
        entries = list_clips(request.clips)
        readers = {entry.name: partial(read_native, entry, 2 * HALF) for entry in entries}
    found: dict[str, Video] = {}
    for name, read in readers.items():
        try:
            frames = read()
            if len(frames) == 2 * HALF and not observe(frames).failure:
                found[name] = frames
        except FlawcastError:
            continue
        if len(found) == MOST_CLIPS:
            break
    if not found:
        raise ClipError(
            f"clips: expected one of {2 * HALF} frames with a part that can be followed, found none"
        )
    return found


def _enlarged(frames: Video, side: int) -> Video:
    """Frames with a short side of so many pixels."""
    scale = side / min(frames.shape[1:3])
    size = round(frames.shape[2] * scale), round(frames.shape[1] * scale)
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in frames])


def _measured(frames: Video) -> dict[str, str | float]:
    """Figures of one clip at one size."""
    layers = _layers(frames)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {}
        for kind in ("layers", "pixels"):
            for count in (FEW, MANY):
                made = _set(frames, layers, kind, count)
                sizes[kind, count] = _stored(Path(folder) / f"{kind}-{count}", made)
        each = {
            kind: (sizes[kind, MANY] - sizes[kind, FEW]) / (MANY - FEW)
            for kind in ("layers", "pixels")
        }
        dataset = SampleSetDataset(Path(folder) / f"layers-{MANY}")
        dataset[0]
        loaded = _seconds(lambda: [dataset[index] for index in range(MANY)]) / (MANY * HALF)
    layers.draw("videos", 0, range(HALF))
    draw = _seconds(lambda: [layers.draw("videos", rank, range(HALF)) for rank in range(MANY)])
    return {
        "size": f"{frames.shape[2]}x{frames.shape[1]}",
        "set, MB": (sizes["layers", FEW] - FEW * each["layers"]) / 1e6,
        "video as layers, kB": each["layers"] / 1e3,
        "as pixels, kB": each["pixels"] / 1e3,
        "draw, ms": 1e3 * draw / (MANY * HALF),
        "loaded, 1/s": 1 / loaded,
    }


def _layers(frames: Video) -> Layers:
    """Futures that follow the clip's own motion, each somewhat elsewhere."""
    seen = observe(frames)
    look = appearance(seen, frames, best_sources(seen, 3))
    way = seen.keypoints[HALF:].reshape(1, HALF, -1, 6).repeat(MANY, axis=0)
    way[..., :2] += np.random.default_rng(0).normal(0, 0.02, (MANY, HALF, 1, 2))
    return Layers(
        renderer="layers",
        size=(frames.shape[1], frames.shape[2]),
        source=to_arrays(look),
        keypoints=way.reshape(MANY, HALF, -1).astype(np.float32),
        seeds=np.arange(MANY),
    )


def _set(frames: Video, layers: Layers, kind: str, count: int) -> SampleSet:
    """A set of the first videos, kept in one way."""
    some = replace(layers, keypoints=layers.keypoints[:count], seeds=layers.seeds[:count])
    videos = some.videos()
    return made_set(
        count,
        videos if kind == "layers" else np.asarray(videos),
        some.keypoints,
        (frames[:HALF], frames[HALF:]),
        np.zeros(count, np.float32),
        backbone="layers",
        settings=SetSettings().to_json(),
    )


def _stored(folder: Path, made: SampleSet) -> int:
    """Commit a set to a store of its own; the bytes of its arrays."""
    SampleStore.open(folder, "a").commit(made)
    return sum(path.stat().st_size for path in (folder / "arrays").rglob("*") if path.is_file())


def _seconds(work: Callable[[], object]) -> float:
    """CPU time of some work, the smallest of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)
