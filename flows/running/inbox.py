"""How what workers tell reaches the run: messages through one small Ray actor."""

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

NAMESPACE = "flawcast"


class _Messages:
    """Runs as a Ray actor: keeps messages until they are fetched."""

    def __init__(self) -> None:
        self._events: list[object] = []

    def send(self, event: object) -> None:
        """Add a message."""
        self._events.append(event)

    def drain(self) -> list[object]:
        """Fetch all messages and forget them."""
        events, self._events = self._events, []
        return events


@contextmanager
def open_inbox() -> Iterator["Inbox"]:
    """Open the inbox of a run, in the process that shows its progress.

    Its actor lives on that process's own node: another one may be lost.
    """
    name = f"inbox-{secrets.token_hex(8)}"
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor: Any = (
        ray.remote(_Messages)
        .options(name=name, namespace=NAMESPACE, num_cpus=0, scheduling_strategy=here)
        .remote()
    )
    try:
        yield Inbox(name, actor)
    finally:
        with contextlib.suppress(Exception):  # Ray may be gone already
            ray.kill(actor)


class Inbox:
    """The receiving side.

    Args:
        name: What workers find it by.
        actor: Keeps the messages.
    """

    def __init__(self, name: str, actor: Any) -> None:
        self.name, self._actor = name, actor

    def drain(self) -> list[object]:
        """Fetch what has arrived since the last call; nothing where the actor is lost.

        Progress is a courtesy: the store knows what was made.
        """
        try:
            return list(ray.get(self._actor.drain.remote()))
        except RayActorError:
            return []


class Outbox:
    """The sending side, in a worker.

    Progress is a courtesy: a message that cannot be delivered never stops the work.

    Args:
        name: The run's inbox; None if nobody listens.
    """

    def __init__(self, name: str | None) -> None:
        self._actor: Any = None
        if name is not None:
            with contextlib.suppress(ValueError):  # the run is gone
                self._actor = ray.get_actor(name, namespace=NAMESPACE)

    def send(self, event: object) -> None:
        """Send a message; nobody waits for it."""
        if self._actor is not None:
            self._actor.send.remote(event)
