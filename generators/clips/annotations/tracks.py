"""Shapes between the key frames of a track."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.clips.annotations.base import Draw


@dataclass(frozen=True)
class Key:
    """A shape at a key frame.

    Args:
        frame: Its number, from 0.
        points: The numbers that the shape is made of, which change evenly until the next key.
        draw: Makes the shape of such numbers, at any frame until the next key.
        seen: Whether it is seen in this frame.
        goes_on: Whether it is seen in the frames until the next key.
    """

    frame: int
    points: NDArray[np.float64]
    draw: Callable[[NDArray[np.float64]], Draw]
    seen: bool = True
    goes_on: bool = True


def between(keys: Sequence[Key], frame: int) -> Draw | None:
    """The shape of a track at a frame; None where it is not seen.

    Numbers change evenly from a key to the next one. A shape whose next key has another number of
    points stays as it is until then, and so does that of the last key.

    Args:
        keys: Sorted by frame, at least one.
        frame: The frame.
    """
    place = bisect_right(keys, frame, key=lambda key: key.frame) - 1
    if place < 0:
        return None
    key = keys[place]
    if key.frame == frame:
        return key.draw(key.points) if key.seen else None
    if not key.goes_on:
        return None
    following = keys[place + 1] if place + 1 < len(keys) else key
    if following is key or following.points.shape != key.points.shape:
        return key.draw(key.points)
    share = (frame - key.frame) / (following.frame - key.frame)
    return key.draw(key.points + share * (following.points - key.points))
