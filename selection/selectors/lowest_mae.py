"""Keep the futures that are closest to the reference: the paper's choice."""

import numpy as np
from numpy.typing import NDArray

from flawcast.selection.selectors.base import SELECTORS, Candidates, check_keep


@SELECTORS.register("lowest_mae")
def lowest_mae(candidates: Candidates, keep: int) -> NDArray[np.intp]:
    """Indices of the futures with the lowest MAE.

    Args:
        candidates: All sampled futures of a clip with their MAE.
        keep: Number of futures to keep, in [1, N].

    Returns:
        Indices, (keep,), best first; equal scores keep the order of the samples.

    Raises:
        SettingsError: If `keep` is not in [1, N].

    Example:
        >>> videos = np.zeros((4, 1, 8, 8, 3), np.uint8)
        >>> lowest_mae(Candidates(videos, np.array([0.3, 0.1, 0.2, 0.1])), keep=3).tolist()
        [1, 3, 2]
    """
    check_keep(candidates, keep)
    return np.argsort(candidates.mae, kind="stable")[:keep]
