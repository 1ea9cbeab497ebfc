"""The interface of selectors: candidates in, the indices of those to keep out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.configs.keep import expect_keep
from flawcast.configs.registry import Registry
from flawcast.configs.shapes import expect_shape


@dataclass(frozen=True)
class Candidates:
    """The sampled futures of one clip, from which a selector keeps some.

    Args:
        videos: RGB uint8, (N, F, H, W, 3).
        mae: Distance of each to the reference on the [0, 1] pixel scale, (N,).
    """

    videos: NDArray[np.uint8]
    mae: NDArray[np.floating]

    def __post_init__(self) -> None:
        samples = expect_shape("videos", self.videos, "N F H W 3")["N"]
        expect_shape("mae", self.mae, f"{samples}")
        if not np.isfinite(self.mae).all():
            raise ShapeError("mae: expected a finite number for each sample, got nan or infinity")


Selector = Callable[[Candidates, int], NDArray[np.intp]]
"""Takes candidates and a number; returns that many distinct indices, (keep,), best first."""

SELECTORS: Registry[Selector] = Registry("selector", "flawcast.selection.selectors")


def check_keep(candidates: Candidates, keep: int) -> None:
    """Refuse to keep none, or more than were sampled.

    Raises:
        SettingsError: If `keep` is not in [1, N].
    """
    expect_keep(keep, len(candidates.mae))
