"""A job as one Prefect flow run whose tasks run on Ray workers.

Only this module runs work on Prefect and Ray, and only `executor.OnRay` imports it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.tasks import exponential_backoff
from prefect_ray.context import remote_options
from prefect_ray.task_runners import PrefectRayFuture, RayTaskRunner

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running import logs
from flawcast.flows.running.inbox import Inbox, Outbox, open_inbox
from flawcast.flows.running.pieces import (
    Job,
    PartsError,
    Piece,
    Stage,
    raise_failed,
    torch_threads,
)
from flawcast.flows.running.progress import SetFailed, receiving
from flawcast.flows.running.services import lost_of_ray, run_services, stop_on_sigterm

POLL_SECONDS = 0.5  # between checks of the workers; on few cores a check costs them time


@dataclass(frozen=True)
class Current:
    """The flow's job and resources; not parameters, since Prefect sends those with every task."""

    job: Job
    cpus: float
    gpus: float


CURRENT: ContextVar[Current] = ContextVar("CURRENT")


def current() -> Current:
    """Return this run's job. A function, because Prefect pickles the globals that a flow names."""
    return CURRENT.get()


def run_flow(
    job: Job, address: str | None, workers: int, cpus: float, gpus: float, folder: Path
) -> None:
    """Do a job; start Prefect and Ray if none are configured.

    Args:
        job: The work.
        address: A running Ray cluster; None starts Ray on this machine.
        workers: Worker processes, if Ray is started.
        cpus: Cores that Ray keeps for each task.
        gpus: GPUs that Ray keeps for each task.
        folder: For the files of services of our own.

    Raises:
        FlawcastError: If a piece failed, or a service does not start.
    """
    with run_services(address, workers, folder):
        run = do_stages.with_options(
            name=job.flow, flow_run_name=_literal(job.name), task_runner=RayTaskRunner()
        )
        token = CURRENT.set(Current(job, cpus, gpus))
        try:
            run(job.request)
        finally:
            CURRENT.reset(token)


@flow(name="flawcast", validate_parameters=False, persist_result=False)
def do_stages(request: object) -> None:
    """Run the current job's pieces as tasks, stage by stage.

    Args:
        request: The user's request; Prefect shows it to people who look at the run.

    Raises:
        FlawcastError: If a piece failed; the others of its stage were finished first.
    """
    del request
    job = current().job
    with (
        stop_on_sigterm(),  # a flow has Prefect's handler
        _inbox_of(job) as inbox,
        remote_options(num_cpus=current().cpus, num_gpus=current().gpus),
    ):
        for stage in job.stages:
            _do_on_ray(stage, job, inbox)


@contextmanager
def _inbox_of(job: Job) -> Iterator[Inbox | None]:
    """Open an inbox if the job has a receiver of events, or lines of workers are logged."""
    if job.on_event is None and not logs.is_on():
        yield None
    else:
        with open_inbox() as inbox:
            yield inbox


def _do_on_ray(stage: Stage, job: Job, inbox: Inbox | None) -> None:
    """Run one stage's pieces as tasks of the current flow."""
    pieces = stage.pieces()
    job.on_done(stage.name, 0, len(pieces))
    named = do_piece.with_options(
        name=stage.task,
        retries=stage.retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
    )
    name = None if inbox is None else inbox.name
    futures = [named.submit(piece, stage.threads, name, logs.is_on()) for piece in pieces]

    def on_look(done: int) -> None:
        lost = lost_of_ray()
        if lost:
            raise FlawcastError(
                f"Ray: its process {lost} ended in the middle of the run, as if it was killed (for "
                "want of memory?); what is finished is kept, run the same command again"
            )
        for event in inbox.drain() if inbox is not None else ():
            if isinstance(event, logs.Logged):
                logs.replay(event)
            elif job.on_event is not None:
                job.on_event(event)
        job.on_done(stage.name, done, len(pieces))

    failed = _failures(futures, on_look)
    on_look(len(futures))  # what was told last may have arrived after the last look
    raise_failed(stage, failed, len(pieces))


def _failures(
    futures: Sequence[PrefectRayFuture[Any]], on_look: Callable[[int], None]
) -> list[BaseException]:
    """Wait until all tasks have ended; return what the failed ones raised.

    Args:
        futures: The futures of the submitted tasks.
        on_look: Called at every check with the number of tasks that have ended.
    """
    waiting = [future.wrapped_future for future in futures]
    while waiting:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL_SECONDS)
        on_look(len(futures) - len(waiting))
    results = map(_result, futures)
    return [result for result in results if isinstance(result, BaseException)]


def _result(future: PrefectRayFuture[Any]) -> object:
    """A task's result or error, or Ray's error for a lost task."""
    try:
        return future.result(raise_on_failure=False)
    except Exception as error:  # of many kinds
        return error


def _worth_another_try(task: object, run: object, state: State[None]) -> bool:
    """Whether to try a failed piece again: not if all its failures are lasting."""
    del task, run
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, PartsError) and error.lasting)


@task(
    name="piece",
    task_run_name="{piece.title}",
    persist_result=False,
    retry_condition_fn=_worth_another_try,
)
def do_piece(piece: Piece, threads: int, inbox: str | None, logged: bool = False) -> None:
    """Do one piece on a worker; its events go to the log and to the run's inbox.

    So does what it logs for programs, if the run writes that.
    """
    logger, outbox = get_run_logger(), Outbox(inbox)

    def tell(event: object) -> None:
        line = getattr(event, "line", "")
        if line:
            level = logging.WARNING if isinstance(event, SetFailed) else logging.INFO
            logger.log(level, "%s", line)
        outbox.send(event)

    with torch_threads(threads), receiving(tell), logs.forwarded(outbox.send, logged):
        piece.work()


def _literal(name: str) -> str:
    """Escape a name for Prefect's name templates; clip names may contain braces."""
    return name.replace("{", "{{").replace("}", "}}")
