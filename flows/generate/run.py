"""The main job: plan the sets, make them in a Prefect flow on Ray workers, sum up."""

import secrets
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from prefect import flow
from prefect_ray.context import remote_options
from prefect_ray.task_runners import RayTaskRunner

from flawcast.configs.errors import FlawcastError
from flawcast.configs.model_card import read_card
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.request import GenerateRequest, as_trained
from flawcast.flows.generate.sample_set import SetRequest
from flawcast.flows.generate.shards import Shard, ShardError, cut_shards, make_shard
from flawcast.flows.generate.summary import RunSummary, summarise, write_sheet
from flawcast.flows.running.display import Display
from flawcast.flows.running.progress import inbox
from flawcast.flows.running.ray_tasks import failures, literal
from flawcast.flows.running.services import run_services, stop_on_sigterm
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.precision import check_precision
from flawcast.storage import SampleStore


@dataclass(frozen=True)
class Job:
    """What the flow works on beside its parameters, which Prefect sends along with every task."""

    shards: tuple[Shard, ...]
    on_event: Callable[[object], None]


JOB: ContextVar[Job] = ContextVar("JOB")


def current_job() -> Job:
    """The job of this run; a function, since Prefect pickles a flow with the globals it names."""
    return JOB.get()


def generate(request: GenerateRequest, display: Display | None = None) -> RunSummary:
    """Make all sample sets of a folder of clips that the store does not have yet.

    Starts a Prefect server and Ray workers where none are configured, and stops them at the end,
    also when it is interrupted. A set that was committed stays; the next run makes the others.

    Args:
        request: Clips, model, store, modes and settings.
        display: Shows progress; None shows nothing.

    Returns:
        What was made, what was there already, and which clips were left out.

    Raises:
        FlawcastError: If clips, model, store or settings cannot be used, or a shard failed.
    """
    display = display or Display.silent()
    began = time.perf_counter()
    model = load_model(find_model(request.model))
    request = as_trained(request, model.card)
    model.predictor.forecaster.check_samples()
    model.backbone.check_transfer(request.settings.transfer)
    if request.ray_address is None:  # other machines may have other devices
        check_precision(request.settings.precision, pick_device(request.device))
    clips = model.clip_settings(request.size)
    with display.reading() as on_clip:
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
    store = SampleStore.open(request.store, "a")
    run_id, settings = _run_id(), request.model_dump(mode="json")
    with store.ledger.run(run_id, settings, len(plan.sets), version("flawcast")) as entry:
        entry.reject((item.name, item.reason) for item in plan.rejects)
        missing = [item for item in plan.sets if not store.has(item.set_id)]
        try:
            if missing:
                set_request = SetRequest(request.settings, clips, run_id, version("flawcast"))
                shards = cut_shards(missing, request, set_request, model.predictor.name)
                with stop_on_sigterm(), display.making(shards, request.settings.samples) as show:
                    run_on_ray(shards, request, show)
        finally:
            made = sum(store.has(item.set_id) for item in missing)
            entry.count(made, len(plan.sets) - len(missing), len(missing) - made)
    summary = summarise(store, plan, missing, run_id, time.perf_counter() - began)
    return write_sheet(summary, store) if missing else summary


def run_on_ray(
    shards: Sequence[Shard], request: GenerateRequest, on_event: Callable[[object], None]
) -> None:
    """Run shards on Ray workers as one Prefect flow run, with services of our own where needed."""
    with run_services(request.ray_address, request.workers):
        named = {"task_runner": RayTaskRunner(), "flow_run_name": literal(run_name(request))}
        run = make_all_shards.with_options(**named)
        token = JOB.set(Job(tuple(shards), on_event))
        try:
            run(request)
        finally:
            JOB.reset(token)


def run_name(request: GenerateRequest) -> str:
    """What a run is called in Prefect: clips, modes and forecaster."""
    forecaster = read_card(find_model(request.model)).settings.forecaster.name
    return f"{request.clips.name}, {'+'.join(request.modes)}, {forecaster}"


@flow(name="flawcast-generate", validate_parameters=False, persist_result=False)
def make_all_shards(request: GenerateRequest) -> None:
    """Run the current job's shards as tasks and pass on what they report.

    Args:
        request: What the run is for; what a task needs of cores and GPUs.

    Raises:
        FlawcastError: If a shard failed; the others were finished first.
    """
    job = current_job()
    with stop_on_sigterm(), inbox(job.shards[0].inbox) as messages:  # a flow has Prefect's handler
        # A Ray of our own has one core for each worker, however many the machine has.
        cores = 1 if request.ray_address is None else request.task_cpus
        with remote_options(num_cpus=cores, num_gpus=request.gpus_per_worker()):
            futures = [make_shard.submit(shard) for shard in job.shards]

        def pass_on(done: int) -> None:
            for event in messages.drain():
                job.on_event(event)

        _raise_first(failures(futures, pass_on), len(futures))


def _raise_first(broken: Sequence[BaseException], shards: int) -> None:
    """Turn failed sets and shards into one error; what was committed stays."""
    if not broken:
        return
    sets = [item for error in broken if isinstance(error, ShardError) for item in error.failures]
    lost = [error for error in broken if not isinstance(error, ShardError)]
    what = [f"{len(sets)} sets"] * bool(sets)
    what += [f"{len(lost)} of {shards} shards"] * bool(lost)
    first = broken[0]
    reason = str(first) if isinstance(first, FlawcastError) else f"{type(first).__name__}: {first}"
    raise FlawcastError(
        f"{' and '.join(what)} failed, the first with: {reason}; "
        "finished sets are in the store, run the same command again for the others"
    ) from first


def _run_id() -> str:
    """A name for this run that sorts by time."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"run-{now}-{secrets.token_hex(2)}"
