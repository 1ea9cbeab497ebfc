"""Stages of a long measurement, done in this process or by Ray workers within a Prefect flow."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import torch
from prefect import flow, task
from prefect_ray.task_runners import RayTaskRunner

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running.ray_tasks import failures, literal
from flawcast.flows.running.services import run_services, stop_on_sigterm

OnDone = Callable[[str, int, int], None]


class Piece(Protocol):
    """A share of the work that leaves its result in a file, and can travel to a worker."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    def work(self) -> None:
        """Do it."""


@dataclass(frozen=True)
class Stage:
    """Pieces that need what the stages before them left.

    Args:
        name: What they are, for people.
        pieces: Called when the stages before are done; lists what is not done yet.
    """

    name: str
    pieces: Callable[[], Sequence[Piece]]


@dataclass(frozen=True)
class Job:
    """What the flow works on."""

    stages: tuple[Stage, ...]
    on_done: OnDone


JOB: ContextVar[Job] = ContextVar("STAGES")


def current_job() -> Job:
    """The job of this run; a function, since Prefect pickles a flow with the globals it names."""
    return JOB.get()


def do_all(
    stages: Sequence[Stage],
    workers: int,
    ray_address: str | None,
    name: str,
    on_done: OnDone = lambda stage, done, total: None,
) -> None:
    """Do all stages in order; a single worker on this machine is this process, without services.

    Args:
        stages: Each piece leaves its result where it belongs.
        workers: Ray worker processes, where Ray is started by the run.
        ray_address: A running Ray cluster; None for this machine.
        name: What the run is called in Prefect.
        on_done: Called with a stage's name, the number of its pieces done, and of all.

    Raises:
        FlawcastError: If a piece failed; what others left stays.
    """
    if ray_address is None and workers == 1:
        with stop_on_sigterm():
            for stage in stages:
                _do_here(stage, on_done)
        return
    with stop_on_sigterm(), run_services(ray_address, workers):
        token = JOB.set(Job(tuple(stages), on_done))
        try:
            do_stages.with_options(task_runner=RayTaskRunner(), flow_run_name=literal(name))()
        finally:
            JOB.reset(token)


def _do_here(stage: Stage, on_done: OnDone) -> None:
    """Do a stage in this process."""
    pieces = stage.pieces()
    on_done(stage.name, 0, len(pieces))
    for done, piece in enumerate(pieces, start=1):
        on_one_thread(piece)
        on_done(stage.name, done, len(pieces))


def on_one_thread(piece: Piece) -> None:
    """Work on one torch thread: small models slow down where several share busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        piece.work()
    finally:
        torch.set_num_threads(before)


@flow(name="flawcast-measure", persist_result=False)
def do_stages() -> None:
    """Run the current job's pieces as tasks, stage by stage, and count those that are done.

    Raises:
        FlawcastError: If one failed; the others of its stage were finished first.
    """
    job = current_job()
    with stop_on_sigterm():  # a flow has Prefect's handler
        for stage in job.stages:
            _do_on_ray(stage, job.on_done)


def _do_on_ray(stage: Stage, on_done: OnDone) -> None:
    """Run one stage's pieces as tasks of the current flow."""
    pieces = stage.pieces()
    on_done(stage.name, 0, len(pieces))
    futures = [do_piece.submit(one) for one in pieces]
    broken = failures(futures, lambda done: on_done(stage.name, done, len(futures)))
    _raise_first(broken, stage)


def _raise_first(broken: Sequence[BaseException], stage: Stage) -> None:
    """Turn failed pieces into one error."""
    if not broken:
        return
    first = broken[0]
    known = isinstance(first, FlawcastError)
    reason = str(first) if known else f"{type(first).__name__}: {first}"
    raise FlawcastError(
        f"{len(broken)} of the {stage.name} failed, the first with: {reason}; what is finished is "
        "kept, run the same command again for the rest"
    ) from first


@task(name="measure", task_run_name="{piece.title}", persist_result=False)
def do_piece(piece: Piece) -> None:
    """Do one piece on a worker."""
    on_one_thread(piece)
