"""What Prefect and Ray cost beside this process alone, and what a second worker brings."""

import tempfile
import time
from pathlib import Path

import torch

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import find_model, load_model

PAST = FUTURE = 2
FRAMES = 24  # six windows of each clip
WAYS = ("this process", "Prefect and Ray, one worker", "Prefect and Ray, two workers")


@BENCHMARKS.register("scaling")
def scaling(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Seconds on the clock for the same tiny sets; the start of services stands apart.

    With `--clips-per-state 24` there are a thousand sets. Each way has one torch thread a
    process.
    """
    torch.set_num_threads(1)
    folder_of = find_model(request.model)
    settings = GenerateSettings(past=PAST, future=FUTURE, samples=2, keep=2, seed=request.seed)
    size = load_model(folder_of).clip_settings().size
    with tempfile.TemporaryDirectory() as folder:
        line = write_line(
            Path(folder) / "line", draw_line(request.clips_per_state, request.seed, FRAMES, size)
        )

        def asked(name: str, workers: int, windows: int | None) -> GenerateRequest:
            return GenerateRequest(
                clips=line,
                model=folder_of,
                store=str(Path(folder) / name),
                settings=settings,
                workers=workers,
                windows=windows,
            )

        took: dict[str, tuple[int, float, float]] = {}
        for workers, way in enumerate(WAYS):
            on_done(workers, len(WAYS))
            start = _clock(asked(f"start {workers}", workers, 1))
            whole = _clock(asked(f"whole {workers}", workers, None))
            took[way] = (whole[0], whole[1], start[1])
        on_done(len(WAYS), len(WAYS))
    first = took[WAYS[0]]
    rows: list[Row] = [
        {
            "way": way,
            "sets": sets,
            "seconds": seconds,
            "of it starting": start,
            "sets/s": sets / seconds,
            "seconds over this process's": seconds / first[1],
            "without the start": max(seconds - start, 0) / max(first[1] - first[2], 1e-9),
        }
        for way, (sets, seconds, start) in took.items()
    ]
    return Report(
        title=f"scaling: {first[0]} sets of 2 futures of {FUTURE} frames, {request.model} at "
        f"{size}x{size}",
        rows=tuple(rows),
        note="by the clock, once; of it starting: the same with one window of each clip, which is "
        f"reading clips, services and the first sets. {machine()}",
        headlines={
            "cost of Prefect and Ray, one worker": took[WAYS[1]][1] / first[1],
            "two workers over one": took[WAYS[1]][1] / took[WAYS[2]][1],
        },
    )


def _clock(request: GenerateRequest) -> tuple[int, float]:
    """How many sets a run wrote, and its seconds."""
    began = time.perf_counter()
    written = generate(request).written
    return written, time.perf_counter() - began
