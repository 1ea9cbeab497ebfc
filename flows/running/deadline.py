"""A time limit of our own for each set: neither Ray nor Prefect on Ray enforces one."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flawcast.configs.errors import FlawcastError

STUCK = 3.0  # times the limit after which a worker that does not answer is ended
EXIT_STUCK = 75  # the exit status of a stuck worker


class SetTimeoutError(FlawcastError):
    """A set took longer than its limit."""


class Deadline:
    """Checked between two renderings; raises once the time is over.

    Args:
        seconds: How long the set may take; None for no limit.
        title: The set's title, for the message.
    """

    def __init__(self, seconds: float | None, title: str) -> None:
        self.seconds, self.title = seconds, title
        self._began = time.monotonic()

    def check(self) -> None:
        """Do nothing while there is time left.

        Raises:
            SetTimeoutError: If there is none.
        """
        if self.seconds is not None and time.monotonic() - self._began > self.seconds:
            raise SetTimeoutError(
                f"{self.title}: took longer than set_seconds = {self.seconds:g}; "
                "raise the limit or draw fewer samples"
            )


@contextmanager
def time_limit(seconds: float | None, title: str, ends_process: bool = True) -> Iterator[Deadline]:
    """Limit one set's time.

    Work that checks the deadline ends with an error. Work that hangs, for instance in a file
    system, never checks it: after three times the limit the worker process is ended, and Ray
    starts the shard again on another worker.

    Args:
        seconds: How long the set may take; None for no limit.
        title: The set's title, for the message.
        ends_process: Whether this is a worker process, which may be ended.
    """
    watch = None
    if seconds is not None and ends_process:
        watch = threading.Timer(STUCK * seconds, os._exit, args=(EXIT_STUCK,))
        watch.daemon = True
        watch.start()
    try:
        yield Deadline(seconds, title)
    finally:
        if watch is not None:
            watch.cancel()
