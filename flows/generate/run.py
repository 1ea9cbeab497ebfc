"""The main job: plan the sets, make them here or on Ray workers, sum up."""

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, DefectError, one_line
from flawcast.flows.generate.defects.inputs import check_defects
from flawcast.flows.generate.defects.ledger import DefectLedger, count_defects
from flawcast.flows.generate.defects.orders import with_defects
from flawcast.flows.generate.layered import expect_renderer
from flawcast.flows.generate.own_model import with_model
from flawcast.flows.generate.plan import Plan, PlannedSets, SetPlan, ids_of, plan_sets
from flawcast.flows.generate.request import GenerateRequest, as_trained
from flawcast.flows.generate.sample_set import SetRequest
from flawcast.flows.generate.seconds import request_in_frames
from flawcast.flows.generate.shards import RETRIES, cut_shards
from flawcast.flows.generate.summary import RunSummary, summarise, write_sheet
from flawcast.flows.inspection import show_folder
from flawcast.flows.running.display import Display
from flawcast.flows.running.executor import Here, OnRay, place_of
from flawcast.flows.running.logs import about, log
from flawcast.flows.running.pieces import Job, Stage
from flawcast.flows.running.progress import SetDone, SetLeftOut
from flawcast.generators.clips import Reject
from flawcast.generators.model import Model, load_model, worker_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.precision import check_precision
from flawcast.storage import SampleStore

STAGE_SECONDS = "stage_seconds"  # key of a run's settings: what its sets took, by stage
Planner = Callable[[GenerateRequest, Model, ClipSettings, Callable[[str], None]], Plan]
"""Takes a request, its model, how clips are read and a receiver of their names; lists the sets."""


def plan_request(
    request: GenerateRequest, model: Model, clips: ClipSettings, on_clip: Callable[[str], None]
) -> Plan:
    """Plan every window of every clip, in each mode, and the defects that sets get."""
    plan = plan_sets(
        request.clips,
        request.sources,
        request.modes,
        request.settings,
        clips,
        model.weights_id,
        request.windows,
        on_clip,
        request.masks,
    )
    if request.defects is None:
        return plan
    return with_defects(plan, request.defects, request.settings, clips, model.weights_id)


def generate(
    request: GenerateRequest, display: Display | None = None, planner: Planner = plan_request
) -> RunSummary:
    """Make all sample sets of a folder of clips that the store does not have yet.

    Starts a Prefect server and Ray workers if none are configured, and stops them at the end,
    also after an interruption. With 0 workers it makes the sets in this process, without Prefect
    and Ray. A committed set stays; the next run makes the others.

    Args:
        request: Clips, model, store, modes and settings.
        display: Shows progress; None shows nothing.
        planner: Lists the sets.

    Returns:
        The sets that were made, those that the store already had, and the clips left out.

    Raises:
        FlawcastError: If clips, model, store or settings cannot be used, or a shard failed.
    """
    run_id = _run_id()
    with about(run_id=run_id, stage="plan"):
        summary = _generate(request, display or Display.silent(), planner, run_id)
        log(
            f"run ended: {summary.written} sets written, {summary.present} were there",
            stage="end",
            store=summary.store,
            written=summary.written,
            present=summary.present,
            left_out=len(summary.rejects),
            seconds=round(summary.seconds, 3),
        )
    return summary


def _generate(
    request: GenerateRequest, display: Display, planner: Planner, run_id: str
) -> RunSummary:
    """Plan the sets, make those that are missing, sum up; arguments as in `generate`."""
    began = time.perf_counter()
    place = _place(request)
    request = with_model(request, display.say)
    model = load_model(request.folder)
    request = request_in_frames(request, model.card.settings.clips.stride)
    request = as_trained(request, model.card)
    model.predictor.forecaster.check_samples()
    model.backbone.check_transfer(request.settings.transfer)
    expect_renderer(model.backbone, request.keep_as)
    if request.ray_address is None:  # other machines may have other devices
        check_precision(request.settings.precision, pick_device(request.device))
    clips = request.as_said(model.clip_settings(request.size, request.detail))
    if request.defects is not None:
        check_defects(request.defects, request.settings.future)
    show_folder(request.clips, display)
    with display.reading() as on_clip:
        plan = planner(request, model, clips, on_clip)
    for note in plan.notes:
        display.note(note)
    store = SampleStore.open(request.store, "a")
    settings = request.model_dump(mode="json") | dict(plan.about)
    log(f"run begins: {len(plan.sets)} sets planned", store=store.url, planned=len(plan.sets))
    with store.ledger.run(run_id, settings, len(plan.sets), version("flawcast")) as entry:
        entry.reject((item.name, item.reason) for item in plan.rejects)
        missing, forgotten = missing_sets(store.pinned(), plan, request.again)
        left_out: dict[str, Reject] = {}
        refused: dict[str, str] = {}
        seconds_of: dict[str, float] = {}
        try:
            if missing:
                set_request = SetRequest(
                    request.settings,
                    clips,
                    run_id,
                    version("flawcast"),
                    request.keep_as,
                    request.defects,
                )
                forecaster, weights_id = model.predictor.name, model.weights_id
                shards = cut_shards(missing, request, set_request, forecaster, weights_id)
                shares = Stage(
                    "shards",
                    lambda: shards,
                    parts="sets",
                    retries=RETRIES,
                    task="make-sets",
                    threads=request.threads,
                )
                worker_model.cache_clear()  # of a run before this one in the same process
                with display.making(shards, request.settings.samples) as show:
                    name, flow = run_name(request, forecaster), "flawcast-generate"

                    def on_event(event: object) -> None:
                        if isinstance(event, SetDone):
                            for at, took in event.stages.items():
                                seconds_of[at] = seconds_of.get(at, 0.0) + took
                        if isinstance(event, SetLeftOut):
                            left_out[event.set_id] = Reject(event.name, event.reason)
                            refused[event.set_id] = event.defect
                        show(event)

                    job = Job([shares], name, flow, request, on_event=on_event)
                    _run(
                        place,
                        job,
                        lambda: _count(store, missing) + len(left_out) >= len(missing),
                    )
        finally:
            entry.reject((item.name, item.reason) for item in left_out.values())
            written = _count(store, missing)
            present = len(plan.sets) - len(missing) - len(forgotten)
            failed = len(missing) - written - len(left_out)
            entry.count(written, present, max(0, failed))
            if seconds_of:
                entry.note(STAGE_SECONDS, {one: round(took, 3) for one, took in seconds_of.items()})
            ledger = _counted(store, plan, refused)
            if ledger is not None:
                entry.note("defect_ledger", ledger.to_json())
    if left_out and len(left_out) == len(plan.sets):
        first = next(iter(left_out.values()))
        if all(refused.values()):
            raise DefectError(
                f"defects: expected a part with room for them, all {len(left_out)} sets were left "
                f"out, for instance {first.name}: {first.reason}"
            )
        raise ClipError(
            f"clips: expected a part that can be followed in the past of a window, found none in "
            f"{len(left_out)} windows, for instance {first.name}: {first.reason}"
        )
    rejects = (*plan.rejects, *left_out.values())
    seconds = time.perf_counter() - began
    summary = summarise(store, replace(plan, rejects=rejects), missing, run_id, seconds)
    summary = replace(summary, defects=ledger, forgotten=forgotten)
    return write_sheet(summary, store) if summary.fresh else summary


def _count(store: SampleStore, plans: Sequence[SetPlan]) -> int:
    """How many of some sets the store has."""
    there = store.ids()
    return sum(int(there.holds(ids).sum()) for ids in ids_of(plans))


def _counted(store: SampleStore, plan: Plan, refused: Mapping[str, str]) -> DefectLedger | None:
    """What became of the plan's orders."""
    if isinstance(plan.sets, PlannedSets):  # which have none
        return None
    rows = {
        one.set_id: store.row(one.set_id)
        for one in plan.sets
        if one.order is not None and store.has(one.set_id)
    }
    return count_defects(plan.sets, rows, refused)


def missing_sets(
    store: SampleStore, plan: Plan, again: bool
) -> tuple[Sequence[SetPlan], tuple[str, ...]]:
    """The plan's sets that are to be made, and ids of those that are left out as forgotten.

    Args:
        store: The store, in which what is forgotten does not change meanwhile.
        plan: All sets.
        again: Whether forgotten sets are made again.
    """
    there, known = store.ids(), {} if again else store.versions.by_set
    wanted: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    forgotten: list[str] = []
    for ids in ids_of(plan.sets):
        missing = ~there.holds(ids)
        for place in np.flatnonzero(missing).tolist() if known else ():
            if ids[place] in known:
                forgotten.append(ids[place])
                missing[place] = False
        wanted.append(missing)
    chosen = np.concatenate(wanted)
    if isinstance(plan.sets, PlannedSets):
        return plan.sets[chosen], tuple(forgotten)
    return list(compress(plan.sets, chosen.tolist())), tuple(forgotten)


def _run(place: Here | OnRay, job: Job, is_done: Callable[[], bool]) -> None:
    """Do the job; if all its sets are in the store, a service that was lost after is no failure."""
    try:
        place.run(job)
    except Exception as error:
        if not is_done():
            raise
        print(  # the display shows it above its bars
            f"flawcast: all sets are in the store, but the records of the run in Prefect are not "
            f"whole: {one_line(error)}",
            file=sys.stderr,
        )


def _place(request: GenerateRequest) -> Here | OnRay:
    """Choose where a request's sets are made.

    Raises:
        SettingsError: If a cluster is named but the number of workers is 0.
    """
    place = place_of(request.workers, request.ray_address)
    if isinstance(place, Here):
        return place
    return replace(place, cpus=request.task_cpus, gpus=request.gpus_per_worker())


def run_name(request: GenerateRequest, forecaster: str) -> str:
    """The name of a run in Prefect: clips, modes and forecaster."""
    return f"{request.clips.name}, {'+'.join(request.modes)}, {forecaster}"


def _run_id() -> str:
    """A name for this run that sorts by time."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"run-{now}-{secrets.token_hex(2)}"
