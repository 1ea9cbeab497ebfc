"""Where uint8 video becomes float tensors and back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(video: NDArray[np.uint8]) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(video)).movedim(-1, -3).float() / 255


def to_video(frames: Tensor) -> NDArray[np.uint8]:
    """(..., 3, H, W) in [0, 1] -> (..., H, W, 3) uint8."""
    return (frames.clamp(0, 1) * 255).round().byte().movedim(-3, -1).contiguous().cpu().numpy()
