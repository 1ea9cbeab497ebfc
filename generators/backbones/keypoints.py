"""Keypoints of a clip, found in batches: of a long clip only a few frames are floats at a time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.generators.backbones.base import MotionBackbone
from flawcast.generators.clips.frames import to_tensor

BATCH = 32  # frames


@torch.no_grad()
def keypoints_of(backbone: MotionBackbone, frames: NDArray[np.uint8], batch: int = BATCH) -> Tensor:
    """Find the keypoints of a clip's frames.

    Args:
        backbone: Finds them, on its own device.
        frames: RGB, (T, H, W, 3).
        batch: How many frames at once.

    Returns:
        Keypoints, (T, D), on the CPU.
    """
    found = [
        backbone.keypoints(to_tensor(frames[first : first + batch]).to(backbone.device)).cpu()
        for first in range(0, len(frames), batch)
    ]
    return torch.cat(found)
