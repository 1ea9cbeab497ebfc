"""Keeping the closest futures without drawing all of them: those that cannot be kept stop early.

A future's summed absolute error only grows as frames are added. As soon as it is larger than that
of the `keep`-th best future that is complete, nothing can bring it back. Frames far ahead, where
futures lie apart, are drawn first, and so are the futures that a cheap guess holds to be close.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ShapeError
from flawcast.configs.keep import expect_keep
from flawcast.configs.shapes import expect_shape

Draw = Callable[[Sequence[tuple[int, int]]], NDArray[np.uint8]]
"""Takes (future, frame) pairs, at most a batch of them; gives their frames (n, H, W, 3)."""


@dataclass(frozen=True)
class Closest:
    """The futures that are closest to a reference.

    Args:
        indices: Which ones, best first, (keep,); equal errors keep the order of the futures.
        videos: Their frames, (keep, F, H, W, 3).
        mae: Of all futures, (N,), on the [0, 1] pixel scale. For those that were not kept it is the
            error of the frames that were drawn over that of all F, so a lower bound: not less than
            the largest error kept.
        drawn: Frames that were drawn, of N * F.
    """

    indices: NDArray[np.intp]
    videos: NDArray[np.uint8]
    mae: NDArray[np.float64]
    drawn: int


def keep_closest(
    draw: Draw,
    reference: NDArray[np.uint8],
    guess: NDArray[np.floating],
    keep: int,
    batch: int = 1,
    on_done: Callable[[int], None] = lambda done: None,
) -> Closest:
    """Find the futures with the lowest MAE: exactly those that drawing everything would find.

    Args:
        draw: Draws frames; a frame is the same whenever it is drawn.
        reference: What futures are compared with, (F, H, W, 3).
        guess: Of each future's error, (N,): the lower, the sooner it is drawn. It decides only how
            many frames are drawn.
        keep: How many futures.
        batch: Frames to draw at once.
        on_done: Called with the number of futures that are complete or ruled out.

    Returns:
        The kept futures. At most `keep` + `batch` videos are in memory at any time.

    Raises:
        SettingsError: If `keep` is not in [1, N].
        ShapeError: If the axes of what is drawn are not those of the reference.

    Example:
        >>> levels = np.array([30, 10, 20, 10], np.uint8)
        >>> still = lambda pairs: np.stack([np.full((4, 4, 3), levels[n]) for n, _ in pairs])
        >>> found = keep_closest(still, np.zeros((5, 4, 4, 3), np.uint8), levels / 255, keep=2)
        >>> found.indices.tolist(), found.drawn
        ([1, 3], 15)
    """
    expect_shape("reference", reference, "F H W 3")
    expect_keep(keep, len(guess))
    race = _Race(reference, len(guess), keep)
    waiting = iter(np.argsort(guess, kind="stable").tolist())
    done = drawn = 0
    while pairs := race.next_frames(waiting, batch):
        race.add(pairs, draw(pairs))
        drawn += len(pairs)
        if race.done > done:
            done = race.done
            on_done(done)
    indices = np.array([index for _, index in race.best], np.intp)
    videos = np.stack([race.videos[index] for index in indices.tolist()])
    return Closest(indices, videos, race.sums / (reference.size * 255), drawn)


class _Race:
    """Futures that are being drawn, and the best of those that are complete."""

    def __init__(self, reference: NDArray[np.uint8], samples: int, keep: int) -> None:
        self.reference, self.keep = reference, keep
        self.sums = np.zeros(samples)  # integers: exact
        self.videos: dict[int, NDArray[np.uint8]] = {}  # of the best and of those under way
        self.best: list[tuple[float, int]] = []  # (sum, future), at most `keep`, ascending
        self.left: dict[int, int] = {}  # frames to draw of those under way
        self.done = 0

    def next_frames(self, waiting: Iterator[int], batch: int) -> list[tuple[int, int]]:
        """What to draw next: the frames furthest ahead of as many futures as there are places."""
        while len(self.left) < batch and (index := next(waiting, None)) is not None:
            self.left[index] = len(self.reference)
            self.videos[index] = np.empty_like(self.reference)
        rounds = range(len(self.reference))
        frames = (
            (index, left - 1 - ahead)
            for ahead in rounds
            for index, left in self.left.items()
            if ahead < left
        )
        return [pair for pair, _ in zip(frames, range(batch), strict=False)]

    def add(self, pairs: Sequence[tuple[int, int]], frames: NDArray[np.uint8]) -> None:
        """Take drawn frames in, and futures that are complete or beaten out."""
        expected = (len(pairs), *self.reference.shape[1:])
        if frames.shape != expected or frames.dtype != np.uint8:
            raise ShapeError(
                f"frames: expected uint8 {expected}, got {frames.dtype} {frames.shape}"
            )
        for (index, place), frame in zip(pairs, frames, strict=True):
            self.videos[index][place] = frame
            truth = self.reference[place].reshape(-1)
            self.sums[index] += cv2.norm(frame.reshape(-1), truth, cv2.NORM_L1)
            self.left[index] -= 1
        for index in dict.fromkeys(index for index, _ in pairs):
            if not self.left[index]:
                insort(self.best, (float(self.sums[index]), index))
                self._retire(index)
                if len(self.best) > self.keep:
                    del self.videos[self.best.pop()[1]]
        if len(self.best) == self.keep:
            for index in [index for index in self.left if self._beaten(index)]:
                del self.videos[index]
                self._retire(index)

    def _beaten(self, index: int) -> bool:
        """Whether a future cannot be among the best any more; of equals the first one wins."""
        return (float(self.sums[index]), index) > self.best[-1]

    def _retire(self, index: int) -> None:
        """No more of this future is drawn."""
        del self.left[index]
        self.done += 1
