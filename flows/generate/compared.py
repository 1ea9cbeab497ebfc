"""Futures drawn from layers, compared with a reference where their parts are."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.renderers import Spot
from flawcast.selection.pruning import Ranking, rank_by_bounds
from flawcast.storage import Layers

HELD_BYTES = 2**27  # of boxes that were drawn once and may be asked for again

Frame = NDArray[np.uint8]


class Compared:
    """Futures of one source: their errors, and their frames without sensor noise.

    Outside the boxes of its parts a frame is its backdrop, which many frames share. So the error
    there is known before any part is drawn. All errors are whole numbers: none is rounded.

    Args:
        layers: The futures, without noise.
        reference: The video that they are compared with, (F, H, W, 3).
    """

    def __init__(self, layers: Layers, reference: Frame) -> None:
        self.layers, self.reference = layers, reference
        self._patches: dict[tuple[int, int], Frame] = {}
        self._held = 0

    def closest(
        self,
        guess: NDArray[np.floating],
        keep: int,
        on_done: Callable[[int], None] = lambda done: None,
    ) -> Ranking:
        """The futures with the lowest MAE, as drawing all frames would find them."""
        size = self.reference.size
        return rank_by_bounds(self.error, self.least, guess, keep, size, on_done, self._forget)

    @cached_property
    def spots(self) -> list[Sequence[Spot]]:
        """Where the parts are, by future and time."""
        return [self.layers.drawing.spots(one) for one in self.layers.keypoints]

    @cached_property
    def least(self) -> NDArray[np.float64]:
        """Summed absolute error of each frame outside its parts' boxes, (N, F)."""
        errors = np.empty(self.layers.shape[:2])
        for time, truth in enumerate(self.reference):
            by_backdrop: dict[object, list[int]] = {}
            for future, spots in enumerate(self.spots):
                by_backdrop.setdefault(spots[time].backdrop, []).append(future)
            for futures in by_backdrop.values():
                backdrop = self.layers.drawing.backdrop(self.spots[futures[0]][time])
                whole = _distance(backdrop, truth)
                for future in futures:
                    spot = self.spots[future][time]
                    errors[future, time] = whole
                    if not spot.empty:
                        errors[future, time] -= _distance(backdrop[spot.inside], truth[spot.inside])
        return errors

    def error(self, future: int, time: int) -> float:
        """Summed absolute error of a frame."""
        spot = self.spots[future][time]
        if spot.empty:
            return float(self.least[future, time])
        patch = self._patch(future, time)
        return float(self.least[future, time]) + _distance(patch, self.reference[time][spot.inside])

    def by_time(self, futures: Sequence[int]) -> Iterator[Frame]:
        """For each time, the frames of some futures, (n, H, W, 3)."""
        for time in range(len(self.reference)):
            yield np.stack([self._frame(future, time) for future in futures])

    def _frame(self, future: int, time: int) -> Frame:
        """A frame, (H, W, 3)."""
        spot = self.spots[future][time]
        frame = self.layers.drawing.backdrop(spot)
        if not spot.empty:
            frame[spot.inside] = self._patch(future, time)
        return frame

    def _patch(self, future: int, time: int) -> Frame:
        """The parts' box of a frame, remembered while there is room."""
        known = self._patches.get((future, time))
        if known is not None:
            return known
        patch = self.layers.drawing.patch(self.spots[future][time])
        if self._held + patch.nbytes <= HELD_BYTES:
            self._patches[future, time] = patch
            self._held += patch.nbytes
        return patch

    def _forget(self, future: int) -> None:
        """Drop the boxes of a future that is not kept."""
        for time in range(len(self.reference)):
            dropped = self._patches.pop((future, time), None)
            self._held -= 0 if dropped is None else dropped.nbytes


def _distance(one: Frame, other: Frame) -> float:
    """Sum of absolute differences, a whole number."""
    return float(cv2.norm(one, other, cv2.NORM_L1))
