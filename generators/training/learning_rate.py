"""How learning rates fall: functions of the share that is done, so that a resumed run agrees."""

import math
from collections.abc import Sequence
from typing import Literal


def rate_share(
    done: float, milestones: Sequence[float], schedule: Literal["steps", "cosine"] = "steps"
) -> float:
    """Learning rate as a share of the first.

    Args:
        done: Share of the training that is done, in [0, 1).
        milestones: Shares at which the rate falls tenfold, for "steps".
        schedule: "steps", or "cosine": half a wave, down to a hundredth.

    Example:
        >>> [rate_share(done, (0.6, 0.9)) for done in (0.5, 0.6)]
        [1.0, 0.1]
    """
    if schedule == "cosine":
        return max(0.5 * (1 + math.cos(math.pi * done)), 0.01)
    return float(0.1 ** sum(done >= milestone for milestone in milestones))
