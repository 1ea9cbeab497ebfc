"""Renderers by name: they draw videos that a store keeps as what they are drawn from."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.registry import Registry

Arrays = Mapping[str, NDArray[Any]]
Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels; right and bottom excluded


@dataclass(frozen=True)
class Spot:
    """Where the parts of one frame are; outside, the frame is its backdrop.

    Args:
        backdrop: Which backdrop; those of one source that are equal have the same pixels.
        box: What may differ from it; empty where no part is in the frame.
    """

    backdrop: Hashable
    box: Box

    @property
    def empty(self) -> bool:
        """Whether the frame is its backdrop."""
        left, top, right, bottom = self.box
        return right <= left or bottom <= top

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        left, top, right, bottom = self.box
        return slice(top, bottom), slice(left, right)


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

    def spots(self, keypoints: NDArray[np.float32]) -> Sequence[Spot]:
        """Where the parts of a video with keypoints (F, D) are, frame by frame."""

    def backdrop(self, spot: Spot, box: Box | None = None) -> NDArray[np.uint8]:
        """A frame's backdrop, or a box of it, RGB, (h, w, 3)."""

    def patch(self, spot: Spot) -> NDArray[np.uint8]:
        """The box of a frame, if it is not empty, as `frames` without noise, RGB, (h, w, 3)."""

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
