"""Detect the keypoints of a clip in batches, so that few frames are floats at the same time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.generators.backbones.base import MotionBackbone
from flawcast.generators.clips.frames import to_tensor

BATCH = 32  # frames


@torch.no_grad()
def keypoints_of(backbone: MotionBackbone, frames: NDArray[np.uint8], batch: int = BATCH) -> Tensor:
    """Detect the keypoints of a clip's frames.

    Args:
        backbone: The backbone that detects keypoints, on its own device.
        frames: RGB, (T, H, W, 3).
        batch: Number of frames per batch. A backbone that follows parts takes the whole clip.

    Returns:
        Keypoints, (T, D), on the CPU.
    """
    if backbone.follows_parts:
        return backbone.observe(frames).keypoints()
    batches = [
        backbone.keypoints(to_tensor(frames[first : first + batch]).to(backbone.device)).cpu()
        for first in range(0, len(frames), batch)
    ]
    return torch.cat(batches)
