"""One set from clip to store: ours beside the reference way, in both modes."""

import resource
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks import on_device
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.on_device import Sizes
from flawcast.flows.benchmarks.timing import Way, alternately, compared, machine
from flawcast.flows.generate.plan import SetPlan, plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.generate.sampled import observe, sample_futures, sample_set_futures
from flawcast.generators.backbones import MotionBackbone, load_backbone
from flawcast.generators.clips.frames import to_tensor, to_video
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import Model, find_model, load_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.storage import SampleSet, SampleStore

FRAMES = 24
STATE = "topple"  # which clip of the line
REFERENCE = "reference: every frame from its source, all futures, float loops"
OURS = "ours"


@BENCHMARKS.register("pipeline")
def pipeline(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Time per set, the share of frames that were rendered, and the memory that a worker takes."""
    if request.device != "cpu":
        return on_device.pipeline(pick_device(request.device), Sizes.of(request))
    torch.set_num_threads(1)
    model, plain = load_model(find_model(request.model)), load_backbone(find_model(request.model))
    size, horizon = model.clip_settings().size, model.card.settings.forecast
    settings = GenerateSettings(
        past=horizon.past,
        future=horizon.future,
        samples=request.samples,
        keep=max(2, request.samples // 5),
    )
    set_request = SetRequest(settings, ClipSettings(size=size), "benchmark", "0")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        line = write_line(Path(folder) / "line", draw_line(2, request.seed, FRAMES, size, (STATE,)))
        store = SampleStore.open(str(Path(folder) / "store"), "a")
        modes = ("reconstruction", "transfer")
        read = set_request.clips
        plans = plan_sets(line, None, modes, settings, read, model.weights_id, 1).sets[:2]
        before = _peak()
        frames_by_mode: dict[str, int] = {}
        for number, plan in enumerate(plans):
            ways = _ways(plan, model, plain, set_request, store, frames_by_mode)

            def on_round(done: int, total: int, number: int = number) -> None:
                on_done(number * total + done, len(plans) * total)

            timings = alternately(ways, request.repeats, on_round)
            for row in compared(timings, REFERENCE, dict.fromkeys(ways, 1.0), "set"):
                share = frames_by_mode[plan.mode] / (settings.samples * settings.future)
                frames = {REFERENCE: 1.0, OURS: share}.get(str(row["way"]), "")
                rows.append({"mode": plan.mode, **row, "frames": frames})
    return Report(
        title=f"pipeline: {request.model} at {size}x{size}, {settings.samples} futures of "
        f"{settings.future} frames, {settings.keep} kept, {request.repeats} repetitions",
        rows=tuple(rows),
        note="from the clip's file to the committed set; frames: share that was rendered; peak "
        f"memory grew by {(_peak() - before) / 2**20:.0f} MiB over the process with its models, "
        f"both ways together. {machine()}",
    )


def _ways(
    plan: SetPlan,
    model: Model,
    plain: MotionBackbone,
    set_request: SetRequest,
    store: SampleStore,
    frames_by_mode: dict[str, int],
) -> dict[str, Way]:
    """Both ways of making one set, and two parts of ours."""

    def commit(made: SampleSet) -> None:
        store.commit(replace(made, id=f"set-{uuid4().hex}"))  # never there already

    def make() -> SampleSet:
        return make_set(
            plan, model, set_request, on_frames=lambda new: frames_by_mode.update({plan.mode: new})
        )

    made = make()
    past = observe(plan, model.backbone, set_request.settings, set_request.clips).keypoints
    past = past[: set_request.settings.past]
    return {
        REFERENCE: lambda: _as_reference(plan, model, plain, set_request),
        OURS: lambda: commit(make()),
        "of it: sampling": lambda: sample_futures(
            plan, model.predictor, past, set_request.settings
        ),
        "of it: committing": lambda: commit(made),
    }


@torch.no_grad()
def _as_reference(
    plan: SetPlan, model: Model, plain: MotionBackbone, set_request: SetRequest
) -> list[float]:
    """Futures drawn one at a time, all frames of all futures, errors and APD on floats."""
    one = replace(set_request, settings=set_request.settings.model_copy(update={"samples": 2}))
    observed = sample_set_futures(plan, model, one)
    past = observed.keypoints[: set_request.settings.past]
    noise = torch.Generator().manual_seed(set_request.settings.seed)
    source = to_tensor(observed.source[None])[0]
    carry = observed.scene.place
    reference = observed.truth
    if plan.mode == "transfer":
        true = carry(observed.keypoints[set_request.settings.past :])
        reference = _frames(plain, source, true)
    videos = []
    for _ in range(set_request.settings.samples):
        future = model.predictor.sample(past, set_request.settings.future, 1, noise)[0]
        videos.append(_frames(plain, source, carry(future)))
    errors = [float(np.abs(video / 255 - reference / 255).mean()) for video in videos]
    kept = [videos[index] for index in np.argsort(errors)[: set_request.settings.keep]]
    apart = [np.abs(left / 255 - right / 255).mean() for left, right in combinations(kept, 2)]
    return [*errors, float(np.mean(apart))]


def _frames(
    plain: MotionBackbone, source: torch.Tensor, vectors: torch.Tensor
) -> NDArray[np.uint8]:
    """Frames as the reference programs draw them: one by one, the source encoded for each."""
    frames = [plain.render(plain.appearance(source), vector[None]) for vector in vectors]
    return to_video(torch.cat(frames))


def _peak() -> int:
    """Most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
