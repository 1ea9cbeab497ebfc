"""What detectors see of a video: some of its frames, small or as features."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flawcast.flows.pictures.thumbnails import shrink_frames
from flawcast.generators.clips.frames import to_tensor

Sight = Callable[[NDArray[np.uint8]], Tensor]
"""Takes a video, RGB, (F, H, W, 3), and returns what a detector sees of it."""

# Detectors see every second frame (ending with the last) of videos of at least
# STRIDE_FROM_LENGTH frames, all frames of shorter ones, and refuse fewer than MIN_FRAMES.
TINY_SIZE = 24  # pixels that the tiny detectors see along a side
FRAME_STRIDE = 2
STRIDE_FROM_LENGTH = 6
MIN_FRAMES = 3


def shrink(video: NDArray[np.uint8]) -> Tensor:
    """Frames (T, H, W, 3) as the tiny detectors see them: (3, T, S, S) in [0, 1]."""
    small = shrink_frames(video, TINY_SIZE, TINY_SIZE)
    return to_tensor(small).transpose(0, 1).contiguous()


def seen_frames(future: int) -> slice:
    """The indices of a video's frames that detectors see.

    Example:
        >>> list(range(12))[seen_frames(12)]
        [1, 3, 5, 7, 9, 11]
    """
    if future < STRIDE_FROM_LENGTH:
        return slice(None)
    return slice((future - 1) % FRAME_STRIDE, None, FRAME_STRIDE)


def shown(video: NDArray[np.uint8]) -> Tensor:
    """A video (F, H, W, 3) as the tiny detectors see it."""
    return shrink(video[seen_frames(len(video))])
