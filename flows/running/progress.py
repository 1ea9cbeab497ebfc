"""What workers tell the run while they work: messages through one small Ray actor."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from flawcast.storage import SampleSet

NAMESPACE = "flawcast"
MESSAGES_PER_SET = 10


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


Event = FuturesDone | SetDone


class _Inbox:
    """Runs as a Ray actor: keeps messages until they are fetched."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def send(self, event: Event) -> None:
        """Add a message."""
        self._events.append(event)

    def drain(self) -> list[Event]:
        """Fetch all messages and forget them."""
        events, self._events = self._events, []
        return events


@contextmanager
def inbox(name: str) -> Iterator["Inbox"]:
    """Open the inbox of a run, in the process that shows its progress.

    Its actor lives on that process's own node: another one may be lost.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor: Any = (
        ray.remote(_Inbox)
        .options(name=name, namespace=NAMESPACE, num_cpus=0, scheduling_strategy=here)
        .remote()
    )
    try:
        yield Inbox(actor)
    finally:
        with contextlib.suppress(Exception):  # Ray may be gone already
            ray.kill(actor)


class Inbox:
    """The receiving side."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def drain(self) -> list[Event]:
        """Fetch what has arrived since the last call; nothing where the actor is lost.

        Progress is a courtesy: the store knows what was made.
        """
        try:
            return list(ray.get(self._actor.drain.remote()))
        except RayActorError:
            return []


class Outbox:
    """The sending side, in a worker, for one shard.

    Progress is a courtesy: a message that cannot be delivered never stops the work.

    Args:
        name: Of the run's inbox.
        shard: Number of the shard.
        samples: N, futures per set.
    """

    def __init__(self, name: str, shard: int, samples: int) -> None:
        self._shard = shard
        self._every = max(1, samples // MESSAGES_PER_SET)
        self._sent = ("", 0)
        self._actor: Any = None
        with contextlib.suppress(ValueError):  # the run is gone
            self._actor = ray.get_actor(name, namespace=NAMESPACE)

    def futures(self, set_id: str, done: int) -> None:
        """Report that `done` futures of a set are behind us; sends every tenth part."""
        last, sent = self._sent
        if set_id != last or done - sent >= self._every:
            self._send(FuturesDone(self._shard, set_id, done))
            self._sent = set_id, done

    def set_done(self, event: SetDone) -> None:
        """Report a committed set."""
        self._send(event)

    def _send(self, event: Event) -> None:
        if self._actor is not None:
            self._actor.send.remote(event)
