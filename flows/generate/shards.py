"""A worker's share of a run: a few sets, each committed while the next one is made."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.tasks import exponential_backoff

from flawcast.configs.errors import FlawcastError
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.running.deadline import time_limit
from flawcast.flows.running.progress import Outbox, SetDone
from flawcast.generators.model import Model, worker_model
from flawcast.storage import SampleSet, SampleStore
from flawcast.storage.address import whole_address

SHARDS_PER_WORKER = 4  # so that a slow shard at the end leaves no worker idle for long
RETRIES = 2


@dataclass(frozen=True)
class Shard:
    """A task's share of a run: a few sets, made one after the other.

    Args:
        number: Counted from 1.
        plans: The sets.
        model: Model folder.
        store: Store.
        request: Settings and provenance.
        inbox: Where progress is reported to.
        title: Clips, modes and forecaster, for people who look at the task.
        set_seconds: How long one set may take; None for no limit.
        threads: Torch threads of the worker.
        device: Where to draw.
    """

    number: int
    plans: tuple[SetPlan, ...]
    model: Path
    store: str
    request: SetRequest
    inbox: str
    title: str
    set_seconds: float | None
    threads: int
    device: str


@dataclass(frozen=True)
class Failure:
    """A set that could not be made.

    Args:
        title: Of the set.
        reason: In one line.
        lasting: Whether trying again would end the same way.
    """

    title: str
    reason: str
    lasting: bool


class ShardError(FlawcastError):
    """Some of a shard's sets could not be made; all others are in the store."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(f"{failures[0].title}: {failures[0].reason}")
        self.failures = tuple(failures)

    def __reduce__(self) -> tuple[type["ShardError"], tuple[tuple[Failure, ...]]]:
        return ShardError, (self.failures,)


def cut_shards(
    plans: Sequence[SetPlan], request: GenerateRequest, set_request: SetRequest, forecaster: str
) -> list[Shard]:
    """Divide sets into shards of equal length, a few for each worker.

    However many sets there are, Ray and Prefect see only so many tasks at once; what a shard has
    committed stays when its worker is lost.
    """
    count = min(len(plans), request.workers * SHARDS_PER_WORKER)
    return [
        Shard(
            number=first + 1,
            plans=tuple(plans[first::count]),
            model=request.model,
            store=whole_address(request.store),
            request=set_request,
            inbox=f"inbox-{set_request.run_id}",
            title=_title(first + 1, plans[first::count], forecaster),
            set_seconds=request.set_seconds,
            threads=request.threads,
            device=request.device,
        )
        for first in range(count)
    ]


def _title(number: int, plans: Sequence[SetPlan], forecaster: str) -> str:
    """Which clips a shard is of, in which modes, by which forecaster."""
    first, last = plans[0].entry.name, plans[-1].entry.name
    clips = first if first == last else f"{first} to {last}"
    modes = "+".join(sorted({plan.mode for plan in plans}))
    return f"{number}: {len(plans)} sets, {clips}, {modes}, {forecaster}"


def _worth_another_try(task: object, run: object, state: State[int]) -> bool:
    """Whether a failed shard may do better: not where a set's failure would come again."""
    del task, run
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, ShardError) and all(item.lasting for item in error.failures))


@task(
    name="make-sets",
    task_run_name="{shard.title}",
    persist_result=False,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_condition_fn=_worth_another_try,
)
def make_shard(shard: Shard) -> int:
    """Make and commit a shard's sets; a set that the store has already is left as it is.

    A commit waits for a disk or a bucket, so a thread does it while the next set is made; that one
    waits for it, so two sets at most are in memory. A set that fails does not keep the others from
    being made.

    Returns:
        How many sets were written.

    Raises:
        ShardError: If some could not be made.
    """
    logger = get_run_logger()
    outbox = Outbox(shard.inbox, shard.number, shard.request.settings.samples)
    store, writer = (SampleStore.open(shard.store, "a") for _ in range(2))  # one for each thread
    model = worker_model(shard.model, shard.threads, shard.device)
    written, failures = 0, []

    def tell(event: SetDone) -> None:
        logger.info(event.line)
        outbox.set_done(event)

    def fail(plan: SetPlan, error: Exception) -> None:
        failures.append(_failure(plan, error))
        logger.warning("%s: %s", failures[-1].title, failures[-1].reason)

    def settle(plan: SetPlan, commit: Future[SetDone]) -> int:
        try:
            event = commit.result()
        except Exception as error:
            fail(plan, error)
            return 0
        return int(event.fresh)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit") as thread:
        commits: deque[tuple[SetPlan, Future[SetDone]]] = deque()
        for plan in shard.plans:
            if store.has(plan.set_id):
                was_there = f"{plan.set_id}  was there"
                outbox.set_done(SetDone(shard.number, plan.set_id, was_there, False))
                continue
            try:
                made = _make(plan, shard, model, outbox)
            except Exception as error:
                fail(plan, error)
                continue
            while commits:
                written += settle(*commits.popleft())
            commits.append((plan, thread.submit(_commit, plan, made, shard, writer, tell)))
        while commits:
            written += settle(*commits.popleft())
    if failures:
        raise ShardError(failures)
    return written


@dataclass(frozen=True)
class Made:
    """A set that is not yet committed.

    Args:
        set: What will be.
        seconds: It took.
        frames: That were rendered for it.
    """

    set: SampleSet
    seconds: float
    frames: int


def _make(plan: SetPlan, shard: Shard, model: Model, outbox: Outbox) -> Made:
    """Make one set."""
    began = time.perf_counter()
    with time_limit(shard.set_seconds, plan.title) as deadline:

        def on_futures(done: int) -> None:
            deadline.check()
            outbox.futures(plan.set_id, done)

        frames: list[int] = []
        made = make_set(plan, model, shard.request, on_futures, frames.append)
    return Made(made, time.perf_counter() - began, sum(frames))


def _commit(
    plan: SetPlan, made: Made, shard: Shard, store: SampleStore, tell: Callable[[SetDone], None]
) -> SetDone:
    """Commit one set, within a time limit of its own, and tell of it."""
    began = time.perf_counter()
    with time_limit(shard.set_seconds, plan.title):
        fresh = store.commit(made.set)
    seconds = made.seconds + time.perf_counter() - began
    done = SetDone.describe(shard.number, plan.title, made.set, fresh, seconds, made.frames)
    tell(done)
    return done


def _failure(plan: SetPlan, error: Exception) -> Failure:
    """Describe what went wrong with a set.

    A mistake will come again; a disk or a bucket that failed may have recovered soon.
    """
    known = isinstance(error, FlawcastError)
    reason = str(error) if known else f"{type(error).__name__}: {error}"
    lasting = known and not isinstance(error.__cause__, OSError)
    return Failure(plan.title, " ".join(reason.split()), lasting)
