"""Shrinks frames; each new pixel is the average of the pixels that it covers."""

import cv2
import numpy as np
from numpy.typing import NDArray


def shrink_frames(frames: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Bring frames to a size: (F, H, W, 3) -> (F, height, width, 3)."""
    size = (width, height)
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    return np.asarray(small, np.uint8).reshape(len(frames), height, width, *frames.shape[3:])


def thumbnails(frames: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Shrink frames (F, H, W, 3), or maps (F, H, W), in proportion.

    They become at most `longest` pixels high and wide. Smaller frames stay as they are.

    Example:
        >>> thumbnails(np.zeros((2, 40, 80, 3), np.uint8), 20).shape
        (2, 10, 20, 3)
    """
    height, width = frames.shape[1:3]
    scale = longest / max(height, width)
    if scale >= 1:
        return frames
    return shrink_frames(frames, max(1, round(width * scale)), max(1, round(height * scale)))
