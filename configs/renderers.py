"""Renderers by name: they draw videos that a store keeps as what they are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.registry import Registry

Arrays = Mapping[str, NDArray[Any]]


class Drawing(Protocol):
    """A source that is ready to be drawn; a frame is the same however many are asked for."""

    @property
    def always_valid(self) -> bool:
        """Whether all pixels of its maps are reliable, so that nobody has to ask."""

    def frames(
        self, keypoints: NDArray[np.float32], seed: int | None, wanted: Sequence[int]
    ) -> NDArray[np.uint8]:
        """Draw some frames of one video.

        Args:
            keypoints: Of the whole video, (F, D).
            seed: Of its sensor noise; None for a video without.
            wanted: Which frames, ascending.

        Returns:
            RGB, (n, H, W, 3).
        """

    def maps(
        self, keypoints: NDArray[np.float32], wanted: Sequence[int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Masks of some frames of one video and where they are reliable, each (n, H, W).

        Only for a source that has what masks are made of.
        """


class Renderer(Protocol):
    """Makes a source ready to be drawn."""

    def __call__(self, arrays: Arrays) -> Drawing:
        """Take the arrays that the source was kept as.

        Raises:
            KeyError: If one is missing.
        """


RENDERERS: Registry[Renderer] = Registry("renderer", "flawcast.generators.backbones.layers")
