"""What a worker holds beyond its model while it makes one large set of the published FOMM."""

import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import sample_diversity, ssim
from flawcast.selection.pruning import keep_closest
from flawcast.storage.arrays import write_arrays
from flawcast.storage.local import LocalPlace

SIZE, FUTURE, KEEP = 256, 24, 20
REALLY_DRAWN = 100  # one batch in so many
STATUS, PEAK_FROM_NOW = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@BENCHMARKS.register("memory")
@torch.no_grad()
def memory(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Peak memory by stage; every frame is kept and scored, as many as possible at once.

    One batch in a hundred is really drawn. All other frames are copies, of each future nearer to
    the reference than of the one before, so that none is ruled out: what is held is the most that
    can be, without half an hour of drawing.
    """
    if not PEAK_FROM_NOW.exists():
        raise SettingsError("memory: expected Linux, which knows a process's peak; measure there")
    torch.set_num_threads(1)
    keep = min(KEEP, request.samples)
    backbone = for_inference(ready(build_backbone("fomm", {}, request.seed)))
    rng = np.random.default_rng(request.seed)
    source = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    reference = rng.integers(0, 256, (FUTURE, SIZE, SIZE, 3), np.uint8)
    on_done(1, 2)
    PEAK_FROM_NOW.write_text("5")
    begun, peaks = _mib("VmRSS"), {"the process with its model": _mib("VmRSS")}

    def peak_of(stage: str) -> None:
        peaks[stage] = _mib("VmHWM") - begun

    scene = Scene.encode(backbone, source)
    own = backbone.keypoints(to_tensor(source[None]))
    moved = own + 0.02 * torch.randn(scene.batch, own.shape[1])
    scene.draw(moved)
    peak_of("source encoded, a batch drawn")
    kept = keep_closest(
        _pretend(lambda: scene.draw(moved), reference, request.samples),
        reference,
        np.arange(request.samples, dtype=np.float32),
        keep,
        scene.batch,
    )
    peak_of("all futures drawn, the closest kept")
    ssim(kept.videos, reference)
    sample_diversity(kept.videos)
    peak_of("scored")
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(LocalPlace(Path(folder)), "set", {"videos": kept.videos})
    peak_of("written")
    on_done(2, 2)
    rows: list[Row] = [{"up to": stage, "MiB": value} for stage, value in peaks.items()]
    return Report(
        title=f"memory: FOMM, published sizes at {SIZE}x{SIZE}, {request.samples} futures of "
        f"{FUTURE} frames, {keep} kept",
        rows=tuple(rows),
        note="most memory up to the end of each stage, beyond what the first row says; "
        f"{kept.drawn} of {request.samples * FUTURE} frames were needed. {machine()}",
        headlines={
            f"MiB beyond the model, {request.samples} futures": max(
                float(row["MiB"]) for row in rows[1:]
            )
        },
    )


def _pretend(
    draw: Callable[[], NDArray[np.uint8]], reference: NDArray[np.uint8], samples: int
) -> Callable[[Sequence[tuple[int, int]]], NDArray[np.uint8]]:
    """Draws a batch now and then; later futures are nearer to the reference."""
    drawn, calls = draw(), count(1)

    def pretend(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        really = next(calls) % REALLY_DRAWN == 0
        frames = (draw() if really else drawn)[: len(pairs)].copy()
        for frame, (future, place) in zip(frames, pairs, strict=True):
            rows = SIZE * (future + 1) // (samples + 1)
            frame[:rows] = reference[place, :rows]
        return frames

    return pretend


def _mib(what: str) -> float:
    """Memory of this process: VmRSS now, VmHWM at its peak."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) / 1024
