"""How long the stages of a set take: each says its name, whoever makes the set adds them up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """The stages of one set.

    Args:
        seconds: By stage, in the order in which they began.
        at: The stage that began last; where an error came from.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    at: str | None = None


_WATCH: ContextVar[Stopwatch | None] = ContextVar("WATCH", default=None)


@contextmanager
def timed(watch: Stopwatch) -> Iterator[None]:
    """Time the stages in this context."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Call what happens in this context a stage; without a stopwatch this does nothing."""
    watch, began = _WATCH.get(), time.perf_counter()
    if watch is not None:
        watch.at = name
    try:
        yield
    finally:
        if watch is not None:
            took = time.perf_counter() - began
            watch.seconds[name] = watch.seconds.get(name, 0.0) + took
