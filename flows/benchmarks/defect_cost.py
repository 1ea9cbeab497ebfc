"""What defects of looks cost, from the clip to the store, and whether their masks fit."""

import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.mask_renderings import rendered_agreements
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.generate.defects.orders import with_defects
from flawcast.flows.generate.own_model import own_model
from flawcast.flows.generate.plan import Plan, plan_sets
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.clips.kept import forget_clips
from flawcast.generators.defects import DEFECT_TYPES, RefusedError
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import Model, load_model
from flawcast.storage import SampleStore

FRAMES, SIZE = 24, 256
STATES = ("normal", "slip", "wobble")


@BENCHMARKS.register("defect-cost")
@alone("it is about defects")
def defect_cost(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """CPU time per sample of sets without defects, with placebos, and with defects."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = GenerateSettings(
        past=12, future=12, samples=request.samples, keep=max(2, request.samples // 5)
    )
    clips = ClipSettings(size=SIZE, fit="keep")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = draw_line(request.clips_per_state, request.seed, FRAMES, SIZE, STATES)
        line = write_line(folder / "line", drawn)
        asked = GenerateRequest(
            clips=line, store=str(folder / "store"), size=SIZE, settings=settings
        )
        model = load_model(own_model(asked, lambda line: None))
        without = plan_sets(line, None, ("reconstruction",), settings, clips, model.weights_id, 1)
        all_types = DefectSettings(types=tuple(DEFECT_TYPES.names()), share=1)
        half = all_types.model_copy(update={"share": 0.5})
        ways: dict[str, tuple[Plan, DefectSettings | None]] = {
            "without": (without, None),
            "half with a defect, half with a placebo": (
                with_defects(without, half, settings, clips, model.weights_id),
                half,
            ),
            "all with a defect": (
                with_defects(without, all_types, settings, clips, model.weights_id),
                all_types,
            ),
        }
        total = request.repeats * len(ways) * len(without.sets)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        refused: dict[str, Counter[str]] = {way: Counter() for way in ways}
        done = 0
        for repeat in range(request.repeats):
            for way, (plan, defects) in ways.items():
                asked_of = SetRequest(settings, clips, "benchmark", "0", None, defects)
                store = SampleStore.open(folder / f"{repeat} {way}", "a")
                seconds[way].append(_seconds(plan, model, asked_of, store, refused[way]))
                done += len(plan.sets)
                on_done(done, total)
        agreement = _agreement(*ways["all with a defect"], model, settings, clips)
    rows = [
        {
            **_row(way, np.median(taken), np.median(seconds["without"]), refused[way], without),
            "IoU": agreement if way == "all with a defect" else "",
        }
        for way, taken in seconds.items()
    ]
    return Report(
        title=f"defect-cost: {len(without.sets)} sets of the built-in line at {SIZE}x{SIZE}, "
        f"{settings.samples} futures of {settings.future} frames, {settings.keep} kept",
        rows=tuple(rows),
        note="CPU time from the clip's file to the committed set, of one core, median of "
        f"{request.repeats}; ratio: to that without defects. IoU: masks in all frames of the kept "
        "futures, against the pixels that the defect changes there when it is drawn in one colour. "
        f"{machine()}",
    )


def _seconds(
    plan: Plan, model: Model, asked: SetRequest, store: SampleStore, refused: Counter[str]
) -> float:
    """CPU time to make and commit all sets of a plan."""
    forget_clips()
    started = time.process_time()
    for one in plan.sets:
        try:
            made = make_set(one, model, asked)
        except RefusedError as error:
            refused[error.reason] += 1
            continue
        store.commit(made)
    return time.process_time() - started


def _agreement(
    plan: Plan,
    defects: DefectSettings | None,
    model: Model,
    settings: GenerateSettings,
    clips: ClipSettings,
) -> float:
    """Mean agreement of masks and renderings over the sets of a plan, with few futures."""
    few = settings.model_copy(update={"samples": 4, "keep": 2})
    asked = SetRequest(few, clips, "benchmark", "0", "layers", defects)
    agreements: list[float] = []
    for one in plan.sets:
        try:
            layers = make_set(one, model, asked).layers
        except RefusedError:
            continue
        if layers is not None:
            agreements += rendered_agreements(layers)
    return float(np.mean(agreements)) if agreements else float("nan")


def _row(way: str, taken: float, without: float, refused: Counter[str], plan: Plan) -> Row:
    """A line of the table."""
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    return {
        "sets": way,
        "s per set": float(taken / len(plan.sets)),
        "ratio": float(taken / without),
        "rejected": said or "0",
    }
