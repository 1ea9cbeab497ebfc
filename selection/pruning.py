"""Keep the closest futures without drawing all of them: the others stop early.

A future's summed absolute error only grows as frames are added. Once it is larger than that of the
`keep`-th best complete future, the future cannot be kept any more. Frames far ahead, where futures
differ most, are drawn first, and so are the futures that a cheap guess expects to be close.
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
"""Takes at most a batch of (future, frame) pairs; returns their frames, (n, H, W, 3)."""


@dataclass(frozen=True)
class Ranking:
    """Which futures are closest to a reference.

    Args:
        indices: Indices of the futures, best first, (keep,); equal errors keep their order.
        mae: MAE of all futures, (N,), on the [0, 1] pixel scale. For a future that was not kept it
            is the summed error of the drawn frames, averaged over all F: a lower bound, but never
            less than the largest error kept.
        drawn: Number of frames that were drawn, out of N * F.
    """

    indices: NDArray[np.intp]
    mae: NDArray[np.float64]
    drawn: int


@dataclass(frozen=True)
class Closest(Ranking):
    """The futures that are closest to a reference.

    Args:
        videos: Their frames, (keep, F, H, W, 3).
    """

    videos: NDArray[np.uint8]


def keep_closest(
    draw: Draw,
    reference: NDArray[np.uint8],
    guess: NDArray[np.floating],
    keep: int,
    batch: int = 1,
    on_done: Callable[[int], None] = lambda done: None,
) -> Closest:
    """Find the futures with the lowest MAE: exactly those that drawing all frames would find.

    Args:
        draw: Draws frames; a frame is the same whenever it is drawn.
        reference: The video that futures are compared with, (F, H, W, 3).
        guess: Guess of each future's error, (N,). Futures with lower ones are drawn sooner, which
            changes only how many frames are drawn.
        keep: Number of futures to keep.
        batch: Number of frames to draw at once.
        on_done: Called with the number of futures that are complete or ruled out.

    Returns:
        The kept futures. At most `keep` + `batch` videos are in memory at any time.

    Raises:
        SettingsError: If `keep` is not in [1, N].
        ShapeError: If the axes of drawn frames are not those of the reference.

    Example:
        >>> levels = np.array([30, 10, 20, 10], np.uint8)
        >>> still = lambda pairs: np.stack([np.full((4, 4, 3), levels[n]) for n, _ in pairs])
        >>> closest = keep_closest(still, np.zeros((5, 4, 4, 3), np.uint8), levels / 255, keep=2)
        >>> closest.indices.tolist(), closest.drawn
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
    return Closest(indices, race.sums / (reference.size * 255), drawn, videos)


def rank_by_bounds(
    error: Callable[[int, int], float],
    least: NDArray[np.float64],
    guess: NDArray[np.floating],
    keep: int,
    values: int,
    on_done: Callable[[int], None] = lambda done: None,
    on_dropped: Callable[[int], None] = lambda future: None,
) -> Ranking:
    """Find the same futures as `keep_closest`, where part of each frame's error is known at once.

    A frame that is not drawn yet counts with that part. So a future is given up sooner, and many
    are not drawn at all.

    Args:
        error: Draws a frame of a (future, frame) and gives its summed absolute error, a whole
            number of gray levels.
        least: What that error is at least, whole numbers, (N, F).
        guess: As in `keep_closest`.
        keep: As in `keep_closest`.
        values: Number of values in the reference, F * H * W * 3.
        on_done: As in `keep_closest`.
        on_dropped: Called with a future that is not kept, once it was drawn in part or in full.

    Returns:
        The futures that drawing everything would keep.

    Raises:
        SettingsError: If `keep` is not in [1, N].

    Example:
        >>> errors = np.array([[9, 9], [1, 1], [5, 5], [0, 8]])
        >>> least = errors - 1.0
        >>> ranked = rank_by_bounds(lambda n, t: errors[n, t], least, errors.sum(1), 2, 255)
        >>> ranked.indices.tolist(), ranked.drawn
        ([1, 3], 5)
    """
    expect_keep(keep, len(guess))
    sums, drawn = least.sum(axis=1), 0
    best: list[tuple[float, int]] = []  # (sum, future), at most `keep`, ascending
    for done, future in enumerate(np.argsort(guess, kind="stable").tolist(), start=1):
        for time in reversed(range(least.shape[1])):
            if len(best) == keep and (float(sums[future]), future) > best[-1]:
                on_dropped(future)
                break
            sums[future] += error(future, time) - least[future, time]
            drawn += 1
        else:
            insort(best, (float(sums[future]), future))
            if len(best) > keep:
                on_dropped(best.pop()[1])
        on_done(done)
    return Ranking(np.array([index for _, index in best], np.intp), sums / (values * 255), drawn)


class _Race:
    """Futures that are being drawn, and the best of those that are complete."""

    def __init__(self, reference: NDArray[np.uint8], samples: int, keep: int) -> None:
        self.reference, self.keep = reference, keep
        self.sums = np.zeros(samples)  # integers: exact
        self.videos: dict[int, NDArray[np.uint8]] = {}  # of the best and of unfinished futures
        self.best: list[tuple[float, int]] = []  # (sum, future), at most `keep`, ascending
        self.left: dict[int, int] = {}  # frames still to draw, by unfinished future
        self.done = 0

    def next_frames(self, waiting: Iterator[int], batch: int) -> list[tuple[int, int]]:
        """The next batch to draw: the last missing frames of at most `batch` futures."""
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
        """Add drawn frames, and drop futures that are complete or beaten."""
        expected = (len(pairs), *self.reference.shape[1:])
        if frames.shape != expected or frames.dtype != np.uint8:
            raise ShapeError(
                f"frames: expected uint8 {expected}, got {frames.dtype} {frames.shape}"
            )
        for (index, time), frame in zip(pairs, frames, strict=True):
            self.videos[index][time] = frame
            truth = self.reference[time].reshape(-1)
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
        """Whether a future can no longer be among the best; among equals the first one wins."""
        return (float(self.sums[index]), index) > self.best[-1]

    def _retire(self, index: int) -> None:
        """Stop drawing this future."""
        del self.left[index]
        self.done += 1
