"""Waits for tasks that Prefect runs on Ray workers."""

from collections.abc import Callable, Sequence
from typing import Any

import ray
from prefect_ray.task_runners import PrefectRayFuture

POLL_SECONDS = 0.5  # between looks at the workers; on few cores looking costs them time


def literal(name: str) -> str:
    """A name as Prefect's templates of names have it; clips may have braces in theirs."""
    return name.replace("{", "{{").replace("}", "}}")


def failures(
    futures: Sequence[PrefectRayFuture[Any]], on_look: Callable[[int], None]
) -> list[BaseException]:
    """Wait until all tasks have ended; what the failed ones raised.

    Args:
        futures: Of submitted tasks.
        on_look: Called at every look with the number of tasks that have ended.
    """
    waiting = [future.wrapped_future for future in futures]
    while waiting:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL_SECONDS)
        on_look(len(futures) - len(waiting))
    results: list[object] = [future.result(raise_on_failure=False) for future in futures]
    return [result for result in results if isinstance(result, BaseException)]
