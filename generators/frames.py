"""Where uint8 video becomes float tensors and back, and where frames become square."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.clip_settings import ClipSettings


def to_tensor(video: NDArray[np.uint8]) -> Tensor:
    """(..., H, W, 3) uint8 -> (..., 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(video)).movedim(-1, -3).float() / 255


def to_video(frames: Tensor) -> NDArray[np.uint8]:
    """(..., 3, H, W) in [0, 1] -> (..., H, W, 3) uint8, rounded; values outside are clamped."""
    scaled = (frames.clamp(0, 1) * 255).round().to(torch.uint8)
    video: NDArray[np.uint8] = scaled.movedim(-3, -1).contiguous().cpu().numpy()
    return video


def resize_square(frame: NDArray[np.uint8], settings: ClipSettings) -> NDArray[np.uint8]:
    """Make a frame (H, W, 3) or mask (H, W) square and of the configured size.

    Frames are averaged when they shrink; masks keep their values (nearest).
    """
    height, width = frame.shape[:2]
    if settings.fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        frame = frame[top : top + side, left : left + side]
    elif settings.fit == "pad":
        side = max(height, width)
        above, before = (side - height) // 2, (side - width) // 2
        frame = cv2.copyMakeBorder(
            frame,
            above,
            side - height - above,
            before,
            side - width - before,
            cv2.BORDER_CONSTANT,
        ).astype(np.uint8)
    if frame.shape[:2] == (settings.size, settings.size):
        return np.ascontiguousarray(frame)
    if frame.ndim == 2:
        method = cv2.INTER_NEAREST
    else:
        method = cv2.INTER_AREA if min(frame.shape[:2]) > settings.size else cv2.INTER_LINEAR
    resized = cv2.resize(frame, (settings.size, settings.size), interpolation=method)
    return resized.astype(np.uint8)
