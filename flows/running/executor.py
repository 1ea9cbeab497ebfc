"""Does a job's pieces of work: in this process, or on Ray workers within a Prefect flow."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from flawcast.configs.errors import FlawcastError, SettingsError
from flawcast.flows.running.progress import OnEvent, receiving
from flawcast.flows.running.services import silence_telemetry, stop_on_sigterm

OnDone = Callable[[str, int, int], None]


class Piece(Protocol):
    """A share of the work that leaves its result where it belongs, and can travel to a worker."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    def work(self) -> None:
        """Do it; `progress.current_receiver` takes what there is to tell meanwhile.

        Raises:
            PartsError: If some of its parts failed; the others are done.
        """


@dataclass(frozen=True)
class Failure:
    """A part of a piece that could not be done.

    Args:
        title: The part, for people.
        reason: Why, in one line.
        lasting: Whether trying again would end the same way.
    """

    title: str
    reason: str
    lasting: bool


class PartsError(FlawcastError):
    """Some parts of a piece could not be done; all others are."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(f"{failures[0].title}: {failures[0].reason}")
        self.failures = tuple(failures)

    def __reduce__(self) -> tuple[type["PartsError"], tuple[tuple[Failure, ...]]]:
        return PartsError, (self.failures,)

    @property
    def lasting(self) -> bool:
        """Whether trying again would end the same way for all of them."""
        return all(item.lasting for item in self.failures)


@dataclass(frozen=True)
class Stage:
    """Pieces that need what the stages before them left.

    Args:
        name: What the pieces are, for people.
        pieces: Called when the stages before are done; lists what is not done yet.
        parts: What the parts of a piece are, for people; empty if pieces have none.
        retries: How often Prefect tries a failed piece again, unless its failure is lasting.
        task: What a piece's task is called in Prefect.
        threads: Torch threads for each piece: small models slow down where several threads share
            busy cores.
    """

    name: str
    pieces: Callable[[], Sequence[Piece]]
    parts: str = ""
    retries: int = 0
    task: str = "measure"
    threads: int = 1


@dataclass(frozen=True)
class Job:
    """Stages to be done in order, and what they are called in Prefect.

    Args:
        stages: The work.
        name: This run of it.
        flow: The kind of job.
        request: What it is for; Prefect shows it as the flow's parameter.
        on_done: Called with a stage's name, the number of its pieces done, and of all.
        on_event: Called with what pieces tell; None if nobody listens.
    """

    stages: Sequence[Stage]
    name: str
    flow: str = "flawcast-measure"
    request: object = None
    on_done: OnDone = lambda stage, done, total: None
    on_event: OnEvent | None = None


class Place(Protocol):
    """Where a job is done."""

    def run(self, job: Job) -> None:
        """Do all stages in order; a failed piece does not keep the others of its stage from it.

        Raises:
            FlawcastError: If a piece failed; what others left stays.
        """


@dataclass(frozen=True)
class Here:
    """This process, one piece after the other: neither Prefect nor Ray is even imported.

    Every piece has one try: who works here is there to see it fail, and may run it again.
    """

    def run(self, job: Job) -> None:
        """Do all stages in order."""
        turn = threading.Lock()  # pieces may tell from a thread of theirs

        def take(event: object) -> None:
            with turn:
                if job.on_event is not None:
                    job.on_event(event)

        with stop_on_sigterm(), receiving(take):
            for stage in job.stages:
                _do_here(stage, job.on_done)


@dataclass(frozen=True)
class OnRay:
    """Ray workers, as the tasks of one Prefect flow run.

    Prefect and Ray are started where none are configured, and stopped at the end.

    Args:
        address: A running cluster; None starts Ray on this machine.
        workers: Worker processes, where Ray is started.
        cpus: Cores that a running cluster keeps for each task.
        gpus: GPUs that Ray keeps for each task.
    """

    address: str | None
    workers: int
    cpus: float = 1
    gpus: float = 0

    def run(self, job: Job) -> None:
        """Do all stages in order."""
        silence_telemetry()  # before Prefect and Ray are imported
        from flawcast.flows.running.on_ray import run_flow

        with stop_on_sigterm():
            run_flow(job, self)


def place_of(workers: int, address: str | None, fewest: int = 1) -> Here | OnRay:
    """Where work is done that is asked of so many workers.

    Args:
        workers: Ray worker processes; 0 for this process.
        address: A running Ray cluster; None for this machine.
        fewest: Fewer workers than this are this process too, unless an address is given.

    Raises:
        SettingsError: If an address is given, and no workers.
    """
    if address is None:
        return Here() if workers < max(fewest, 1) else OnRay(None, workers)
    if workers == 0:
        raise SettingsError(
            f"workers: expected at least 1 on the Ray cluster at {address}, got 0, which works in "
            "this process; leave out one of the two"
        )
    return OnRay(address, workers)


def _do_here(stage: Stage, on_done: OnDone) -> None:
    """Do a stage in this process."""
    pieces = stage.pieces()
    on_done(stage.name, 0, len(pieces))
    failed: list[BaseException] = []
    for done, piece in enumerate(pieces, start=1):
        try:
            with torch_threads(stage.threads):
                piece.work()
        except Exception as error:
            failed.append(error)
        on_done(stage.name, done, len(pieces))
    raise_failed(stage, failed, len(pieces))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Work with so many torch threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def raise_failed(stage: Stage, failed: Sequence[BaseException], total: int) -> None:
    """Turn what failed in a stage into one error; without failures do nothing."""
    if not failed:
        return
    parts = sum(len(error.failures) for error in failed if isinstance(error, PartsError))
    whole = sum(not isinstance(error, PartsError) for error in failed)
    what = [f"{parts} {stage.parts}"] * bool(parts)
    what += [f"{whole} of {total} {stage.name}"] * bool(whole)
    first = failed[0]
    reason = str(first) if isinstance(first, FlawcastError) else f"{type(first).__name__}: {first}"
    raise FlawcastError(
        f"{' and '.join(what)} failed, the first with: {reason}; what is finished is kept, run "
        "the same command again for the rest"
    ) from first
