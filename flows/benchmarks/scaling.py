"""What Prefect and Ray cost beside a bare loop, and what a second worker brings."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import find_model, load_model
from flawcast.storage import SampleStore

PAST = FUTURE = 2
FRAMES = 24  # six windows of each clip; long clips would be read anew for every set
WAYS = ("bare loop", "Prefect and Ray, one worker", "Prefect and Ray, two workers")


@BENCHMARKS.register("scaling")
def scaling(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Seconds on the clock for the same tiny sets; the start of services stands apart.

    With `--clips-per-state 24` there are a thousand sets. The loop and the workers have one thread
    each.
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

        runs: list[Callable[[int | None, str], int]] = [
            lambda windows, name: _bare(asked(name, 1, windows)),
            lambda windows, name: generate(asked(name, 1, windows)).written,
            lambda windows, name: generate(asked(name, 2, windows)).written,
        ]
        took: dict[str, tuple[int, float, float]] = {}
        for number, (way, run) in enumerate(zip(WAYS, runs, strict=True)):
            on_done(number, len(WAYS))
            start = _clock(partial(run, 1, f"start {number}"))
            whole = _clock(partial(run, None, f"whole {number}"))
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
            "seconds over the bare loop's": seconds / first[1],
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
    )


def _bare(request: GenerateRequest) -> int:
    """The same sets in a loop of this process."""
    model = load_model(request.model)
    read = model.clip_settings()
    plan = plan_sets(
        request.clips,
        None,
        request.modes,
        request.settings,
        read,
        model.weights_id,
        request.windows,
    )
    store = SampleStore.open(request.store, "a")
    asked = SetRequest(request.settings, read, "benchmark", "0")
    return sum(store.commit(make_set(item, model, asked)) for item in plan.sets)


def _clock(run: Callable[[], int]) -> tuple[int, float]:
    """What a run made, and its seconds."""
    began = time.perf_counter()
    made = run()
    return made, time.perf_counter() - began
