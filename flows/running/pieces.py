"""Pieces of work, the stages and jobs that they form, and their failures."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running.progress import OnEvent

OnDone = Callable[[str, int, int], None]


class Piece(Protocol):
    """A share of the work; it can be sent to a worker and stores its own result."""

    @property
    def title(self) -> str:
        """The piece's name, for people."""

    def work(self) -> None:
        """Do the piece; its events go to `progress.current_receiver`.

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
    """Pieces that need the results of the stages before.

    Args:
        name: What the pieces are, for people.
        pieces: Called when the stages before are done; lists the pieces that are not done yet.
        parts: What the parts of a piece are, for people; empty if pieces have none.
        retries: How often Prefect tries a failed piece again, unless its failure is lasting.
        task: The name of a piece's task in Prefect.
        threads: Torch threads for each piece: small models slow down if several threads share
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
    """Stages to be done in order, and their names in Prefect.

    Args:
        stages: The work.
        name: The name of this run.
        flow: The name of this kind of job.
        request: The user's request; Prefect shows it as the flow's parameter.
        on_done: Called with a stage's name, the number of its finished pieces, and of all pieces.
        on_event: Called with each event of a piece; None ignores events.
    """

    stages: Sequence[Stage]
    name: str
    flow: str = "flawcast-measure"
    request: object = None
    on_done: OnDone = lambda stage, done, total: None
    on_event: OnEvent | None = None


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use `count` torch threads inside the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def raise_failed(stage: Stage, failed: Sequence[BaseException], total: int) -> None:
    """Raise one error for all failures of a stage; do nothing if there are none."""
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
