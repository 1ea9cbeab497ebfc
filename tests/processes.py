"""Processes that tests start, and often kill: forked by a server whose imports are done.

Each test process has one fork server for all its modules and for the workers of loaders; what it
imports is decided before it starts, so here and once.
"""

import multiprocessing
import os
from collections.abc import Callable

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "flawcast.storage.dataset",
        "flawcast.storage.query",
        "tests.storage.writers",
        "tests.flows.generate.test_kill",
    ]
)


def in_environment(
    environment: dict[str, str], action: Callable[..., object], *arguments: object
) -> None:
    """Do something with this environment, which leads to a bucket: the fork server is older."""
    os.environ.update(environment)
    action(*arguments)
