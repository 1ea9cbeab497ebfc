"""Convert uint8 video to float tensors and back, and bring frames to the size that is asked for."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings


def to_tensor(video: NDArray[np.uint8]) -> Tensor:
    """(..., H, W, 3) uint8 -> (..., 3, H, W) float32 in [0, 1]."""
    own = np.require(video, requirements=["C", "W"])  # torch warns about read-only arrays
    return torch.from_numpy(own).movedim(-1, -3).float() / 255


def to_video(frames: Tensor) -> NDArray[np.uint8]:
    """(..., 3, H, W) in [0, 1] -> (..., H, W, 3) uint8; values are clamped and rounded."""
    scaled = (frames.clamp(0, 1) * 255).round().to(torch.uint8)
    video: NDArray[np.uint8] = scaled.movedim(-3, -1).contiguous().cpu().numpy()
    return video


def resize_frame(frame: NDArray[np.uint8], settings: ClipSettings) -> NDArray[np.uint8]:
    """Resize a frame (H, W, 3) or mask (H, W) to the configured size and shape.

    Frames that shrink are averaged; masks keep their values (nearest neighbour).
    """
    height, width = frame.shape[:2]
    size = settings.size
    if settings.fit == "keep":
        scale = min(1.0, size / min(height, width))
        return _resize(frame, max(1, round(height * scale)), max(1, round(width * scale)))
    if settings.fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return _resize(frame[top : top + side, left : left + side], size, size)
    if settings.fit == "stretch":
        return _resize(frame, size, size)
    scale = size / max(height, width)  # shrink, then pad: padding a long frame first needs memory
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    above, before = (size - height) // 2, (size - width) // 2
    edges = (above, size - height - above), (before, size - width - before), (0, 0)
    return np.pad(_resize(frame, height, width), edges[: frame.ndim])


def _resize(frame: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a frame or mask; average along an axis that shrinks even if the other one grows."""
    frame = np.ascontiguousarray(frame)
    if frame.ndim == 2:
        return _resample(frame, height, width, cv2.INTER_NEAREST)
    rows, columns = frame.shape[:2]
    frame = _resample(frame, min(height, rows), min(width, columns), cv2.INTER_AREA)
    return _resample(frame, height, width, cv2.INTER_LINEAR)


def _resample(frame: NDArray[np.uint8], height: int, width: int, method: int) -> NDArray[np.uint8]:
    """Resize with one method; a frame that has the size already stays as it is."""
    if frame.shape[:2] == (height, width):
        return frame
    return cv2.resize(frame, (width, height), interpolation=method).astype(np.uint8, copy=False)
