"""Events that pieces of work send while they run, and their receivers."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from flawcast.flows.running.logs import log
from flawcast.storage import SampleSet

MESSAGES_PER_SET = 10
OnEvent = Callable[[object], None]


@dataclass(frozen=True)
class FuturesDone:
    """How many futures of a shard's current set are rendered or ruled out."""

    shard: int
    set_id: str
    futures: int


@dataclass(frozen=True)
class SetDone:
    """A set is in the store.

    Args:
        shard: The number of the shard that made it.
        set_id: The set's id.
        line: One line for the log.
        fresh: False if the store had it already.
        stages: Seconds of each stage of making it.
    """

    shard: int
    set_id: str
    line: str
    fresh: bool
    stages: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def describe(
        shard: int,
        title: str,
        made: SampleSet,
        fresh: bool,
        seconds: float,
        drawn: int,
        stages: Mapping[str, float],
    ) -> "SetDone":
        """Describe a set that was just made; `drawn` frames were rendered for it."""
        kept = made.mae[made.indices].mean()
        line = (
            f"{made.id}  {title}  MAE {kept:.4f} (hold {made.hold_mae:.4f})  "
            f"APD {made.apd:.4f}  SSIM {made.ssim.mean():.3f}  {seconds:.1f} s, "
            f"{drawn / (made.keypoints.shape[0] * made.keypoints.shape[1]):.0%} rendered"
        )
        return SetDone(shard, made.id, line, fresh, stages)


@dataclass(frozen=True)
class SetFailed:
    """A set could not be made; `line` names the set and the reason."""

    shard: int
    line: str
    set_id: str | None = None


@dataclass(frozen=True)
class SetLeftOut:
    """A set that cannot be made of its clip, though the others of the shard can.

    Args:
        shard: The shard's number.
        set_id: The set's id.
        name: Clip and window, for people.
        reason: Why not, and what to do.
        defect: The word for the ledger of defects, if it is the set's defect that cannot be made.
    """

    shard: int
    set_id: str
    name: str
    reason: str
    defect: str = ""


def log_event(event: object, stage: str | None = None) -> None:
    """Log what became of a set; progress within a set is not logged.

    Args:
        event: What a piece tells.
        stage: The stage of the set that it came from.
    """
    if isinstance(event, SetDone):
        took = {name: round(seconds, 4) for name, seconds in event.stages.items()}
        log(
            event.line,
            set_id=event.set_id,
            stage=stage,
            shard=event.shard,
            fresh=event.fresh,
            seconds=took,
        )
    elif isinstance(event, SetLeftOut):
        line = f"left out: {event.name}: {event.reason}"
        log(line, logging.WARNING, set_id=event.set_id, stage=stage, shard=event.shard)
    elif isinstance(event, SetFailed):
        log(event.line, logging.ERROR, set_id=event.set_id, stage=stage, shard=event.shard)


def _ignore(event: object) -> None:
    """Discard an event that has no receiver."""
    del event


_RECEIVER: ContextVar[OnEvent] = ContextVar("RECEIVER", default=_ignore)


def current_receiver() -> OnEvent:
    """Return the receiver of the current piece's events.

    Call this in the piece's own thread; the receiver may be called from any.
    """
    return _RECEIVER.get()


@contextmanager
def receiving(on_event: OnEvent) -> Iterator[None]:
    """Send the events of pieces in this context to `on_event`."""
    token = _RECEIVER.set(on_event)
    try:
        yield
    finally:
        _RECEIVER.reset(token)


class FuturesCount:
    """Sends an event of rendered futures after every tenth of a set.

    Args:
        tell: Takes the events.
        shard: Number of the shard.
        samples: N, futures per set.
    """

    def __init__(self, tell: OnEvent, shard: int, samples: int) -> None:
        self._tell, self._shard = tell, shard
        self._every = max(1, samples // MESSAGES_PER_SET)
        self._reported = ("", 0)

    def futures(self, set_id: str, done: int) -> None:
        """Report that `done` futures of a set are rendered or ruled out."""
        last_set, reported = self._reported
        if set_id != last_set or done - reported >= self._every:
            self._tell(FuturesDone(self._shard, set_id, done))
            self._reported = set_id, done
