"""A worker's share of a run: a few sets, each committed while the next one is made."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from flawcast.configs.errors import FlawcastError, ModelError, NothingToFollowError
from flawcast.flows.generate.plan import SetPlan, modes_of
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.running.deadline import time_limit
from flawcast.flows.running.logs import about
from flawcast.flows.running.pieces import Failure, PartsError
from flawcast.flows.running.progress import (
    FuturesCount,
    OnEvent,
    SetDone,
    SetFailed,
    SetLeftOut,
    current_receiver,
    log_event,
)
from flawcast.flows.running.stages import Stopwatch, timed
from flawcast.generators.defects import RefusedError
from flawcast.generators.model import Model, worker_model
from flawcast.storage import SampleSet, SampleStore
from flawcast.storage.address import whole_address

SHARDS_PER_WORKER = 4  # so that a slow shard at the end leaves no worker idle for long
RETRIES = 2
COMMIT = "commit"  # the last stage of a set; `make_set` names the others
FORGOTTEN = "it was forgotten while the run lasted"


@dataclass(frozen=True)
class Made:
    """A set that is not yet committed.

    Args:
        plan: The plan that it was made from.
        set: The sample set.
        seconds: How long it took.
        frames: The number of frames that were rendered for it.
        stages: Seconds of each stage.
    """

    plan: SetPlan
    set: SampleSet
    seconds: float
    frames: int
    stages: dict[str, float]


@dataclass(frozen=True)
class Shard:
    """A piece of a run: a few sets, made one after the other.

    Args:
        number: Counted from 1.
        plans: The sets.
        model: The model folder.
        weights_id: The id of the model that the sets were planned with.
        store: The store's path or URL.
        request: Settings and provenance.
        title: Clips, modes and forecaster, for people who look at the task.
        set_seconds: How long one set may take; None for no limit.
        threads: Torch threads of the worker.
        device: Where to render.
        in_worker: Whether it runs in a worker process, which is ended if it is stuck.
        again: Whether sets that were forgotten are made.
    """

    number: int
    plans: Sequence[SetPlan]
    model: Path
    weights_id: str
    store: str
    request: SetRequest
    title: str
    set_seconds: float | None
    threads: int
    device: str
    in_worker: bool
    again: bool = False

    def work(self) -> None:
        """Make and commit the sets, except those that the store already has.

        If a set fails, the others are still made. One whose clip shows no part that can be
        followed, or whose defect cannot be made, is left out and is no failure.

        Raises:
            ModelError: If the model was replaced since the sets were planned.
            PartsError: If some sets could not be made.
        """
        with about(run_id=self.request.run_id):
            self._work(current_receiver())

    def _work(self, receive: OnEvent) -> None:
        """Make and commit the sets; `receive` takes the events."""

        def tell(event: object, at: str | None = None) -> None:
            log_event(event, at)
            receive(event)

        store, writer = (SampleStore.open(self.store, "a") for _ in range(2))  # one per thread
        model = worker_model(self.model, self.threads, self.device)
        if model.weights_id != self.weights_id:
            raise ModelError(
                f"model: {self.model} changed since the run was planned; run the same command again"
            )
        failures: list[Failure] = []
        errors: list[Exception] = []

        def fail(plan: SetPlan, error: Exception, at: str | None = COMMIT) -> None:
            errors.append(error)
            failures.append(_failure(plan, error))
            line = f"{failures[-1].title}: {failures[-1].reason}"
            tell(SetFailed(self.number, line, plan.set_id), at)

        count = FuturesCount(receive, self.number, self.request.settings.samples)
        with Committer(self, writer, partial(tell, at=COMMIT), fail) as committer:
            for plan in self.plans:
                if store.has(plan.set_id):
                    tell(SetDone(self.number, plan.set_id, f"{plan.set_id}  was there", False))
                    continue
                if not self.again and store.is_forgotten(plan.set_id):
                    tell(SetLeftOut(self.number, plan.set_id, plan.title, FORGOTTEN))
                    continue
                watch = Stopwatch()
                try:
                    made = self._make(plan, model, count, watch)
                except (NothingToFollowError, RefusedError) as error:
                    name = f"{plan.entry.name} @ {plan.window.start}"
                    why = error.reason if isinstance(error, RefusedError) else ""
                    tell(SetLeftOut(self.number, plan.set_id, name, str(error), why), watch.at)
                except Exception as error:
                    fail(plan, error, watch.at)
                else:
                    committer.put(made)
            committer.settle()
        if failures:
            raise PartsError(failures) from errors[0]

    def _make(self, plan: SetPlan, model: Model, count: FuturesCount, watch: Stopwatch) -> Made:
        """Make one set within its time limit."""
        began = time.perf_counter()
        with time_limit(self.set_seconds, plan.title, self.in_worker) as deadline:

            def on_futures(done: int) -> None:
                deadline.check()
                count.futures(plan.set_id, done)

            frames: list[int] = []
            with timed(watch):
                made = make_set(plan, model, self.request, on_futures, frames.append)
        return Made(plan, made, time.perf_counter() - began, sum(frames), watch.seconds)


class Committer:
    """Commits sets in a thread of its own, each while the next one is made.

    A commit waits for a disk or a bucket. Each commit waits for the one before it, so at most two
    sets are in memory.

    Args:
        shard: The shard that the sets belong to.
        store: The store to commit to; no other thread uses this object.
        tell: Called in that thread with a `SetDone` for every set.
        fail: Called with the plan of a set that could not be committed, and the error.
    """

    def __init__(
        self,
        shard: Shard,
        store: SampleStore,
        tell: OnEvent,
        fail: Callable[[SetPlan, Exception], None],
    ) -> None:
        self._shard, self._store, self._tell, self._fail = shard, store, tell, fail
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._under_way: tuple[SetPlan, Future[None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()  # a commit under way is finished, even after Ctrl-C

    def put(self, made: Made) -> None:
        """Start to commit a set as soon as the one before it is committed."""
        self.settle()
        commit = copy_context().run  # the thread logs for the same run
        self._under_way = made.plan, self._thread.submit(commit, self._commit, made)

    def settle(self) -> None:
        """Wait until the last set passed to `put` is committed or has failed."""
        if self._under_way is None:
            return
        plan, commit = self._under_way
        self._under_way = None
        try:
            commit.result()
        except Exception as error:
            self._fail(plan, error)

    def _commit(self, made: Made) -> None:
        """Commit one set within its own time limit, and report it."""
        shard, title, began = self._shard, made.plan.title, time.perf_counter()
        with time_limit(shard.set_seconds, title, shard.in_worker):
            fresh = self._store.commit(made.set, shard.again)
        took = time.perf_counter() - began
        seconds, stages = made.seconds + took, {**made.stages, COMMIT: took}
        done = SetDone.describe(shard.number, title, made.set, fresh, seconds, made.frames, stages)
        self._tell(done)


def cut_shards(
    plans: Sequence[SetPlan],
    request: GenerateRequest,
    set_request: SetRequest,
    forecaster: str,
    weights_id: str,
) -> list[Shard]:
    """Divide sets into shards of nearly equal length, a few for each worker.

    Neighbours stay together, so a worker decodes a clip once for all its windows. The number of
    tasks in Ray and Prefect does not grow with the number of sets. If a worker is lost, the sets
    that its shard has committed stay.
    """
    count = max(1, min(len(plans), request.workers * SHARDS_PER_WORKER))
    bounds = [len(plans) * number // count for number in range(count + 1)]
    shares = [plans[bounds[number] : bounds[number + 1]] for number in range(count)]
    return [
        Shard(
            number=number,
            plans=share,
            model=request.folder,
            weights_id=weights_id,
            store=whole_address(request.store),
            request=set_request,
            title=_title(number, share, forecaster),
            set_seconds=request.set_seconds,
            threads=request.threads,
            device=request.device,
            in_worker=request.workers > 0,
            again=request.again,
        )
        for number, share in enumerate(shares, start=1)
    ]


def _title(number: int, plans: Sequence[SetPlan], forecaster: str) -> str:
    """A shard's clips, modes and forecaster, for people."""
    first, last = plans[0].entry.name, plans[-1].entry.name
    clips = first if first == last else f"{first} to {last}"
    modes = "+".join(sorted(modes_of(plans)))
    return f"{number}: {len(plans)} sets, {clips}, {modes}, {forecaster}"


def _failure(plan: SetPlan, error: Exception) -> Failure:
    """Describe what went wrong with a set.

    An error of our own would happen again; a disk or a bucket that failed may recover soon.
    """
    expected = isinstance(error, FlawcastError)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    lasting = expected and not isinstance(error.__cause__, OSError)
    return Failure(plan.title, " ".join(reason.split()), lasting)
