"""What pieces of work tell while they work, and who takes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from flawcast.storage import SampleSet

MESSAGES_PER_SET = 10
OnEvent = Callable[[object], None]


@dataclass(frozen=True)
class FuturesDone:
    """How many futures of the set that a shard is at are rendered or ruled out."""

    shard: int
    set_id: str
    futures: int


@dataclass(frozen=True)
class SetDone:
    """A set is in the store.

    Args:
        shard: Which shard made it.
        set_id: The set.
        line: One line for the log.
        fresh: False if the store had it already.
    """

    shard: int
    set_id: str
    line: str
    fresh: bool

    @staticmethod
    def describe(
        shard: int, title: str, made: SampleSet, fresh: bool, seconds: float, drawn: int
    ) -> "SetDone":
        """Describe a set that was just made, for which so many frames were rendered."""
        kept = made.mae[made.indices].mean()
        line = (
            f"{made.id}  {title}  MAE {kept:.4f} (hold {made.hold_mae:.4f})  "
            f"APD {made.apd:.4f}  SSIM {made.ssim.mean():.3f}  {seconds:.1f} s, "
            f"{drawn / (made.keypoints.shape[0] * made.keypoints.shape[1]):.0%} rendered"
        )
        return SetDone(shard, made.id, line, fresh)


@dataclass(frozen=True)
class SetFailed:
    """A set could not be made; the line says which and why."""

    shard: int
    line: str


def _ignore(event: object) -> None:
    """Take an event that nobody listens to."""
    del event


_RECEIVER: ContextVar[OnEvent] = ContextVar("RECEIVER", default=_ignore)


def current_receiver() -> OnEvent:
    """Who takes what the piece at work tells; ask in its own thread, call from any."""
    return _RECEIVER.get()


@contextmanager
def receiving(on_event: OnEvent) -> Iterator[None]:
    """Let somebody take what pieces tell in this context."""
    token = _RECEIVER.set(on_event)
    try:
        yield
    finally:
        _RECEIVER.reset(token)


class FuturesCount:
    """Tells of rendered futures, in every tenth part of a set alone.

    Args:
        tell: Takes the events.
        shard: Number of the shard.
        samples: N, futures per set.
    """

    def __init__(self, tell: OnEvent, shard: int, samples: int) -> None:
        self._tell, self._shard = tell, shard
        self._every = max(1, samples // MESSAGES_PER_SET)
        self._told = ("", 0)

    def futures(self, set_id: str, done: int) -> None:
        """Tell that `done` futures of a set are rendered or ruled out."""
        last, told = self._told
        if set_id != last or done - told >= self._every:
            self._tell(FuturesDone(self._shard, set_id, done))
            self._told = set_id, done
