"""Training data of a motion model: two frames of a clip with the same augmentation."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.settings import Jitter, MotionTraining
from flawcast.generators.clips.frames import to_tensor


def draw_pairs(
    videos: Sequence[NDArray[np.uint8]], settings: MotionTraining, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose two random frames of each of `batch` random clips.

    Args:
        videos: Clips, RGB, each (T, H, W, 3) with T >= 2, all of one size.
        settings: Batch and augmentation.
        generator: Source of all randomness, on the CPU.

    Returns:
        Source and driving frames, each (B, 3, H, W) in [0, 1].
    """
    pairs = []
    for clip in torch.randint(len(videos), (settings.batch,), generator=generator).tolist():
        first, second = torch.randperm(len(videos[clip]), generator=generator)[:2].tolist()
        pair = to_tensor(videos[clip][[first, second]])
        if settings.horizontal_flip and torch.rand((), generator=generator) < 0.5:
            pair = pair.flip(-1)
        pair = _resized(pair, settings.resize, generator)
        pairs.append(_jittered(pair, settings.jitter, generator))
    batch = torch.stack(pairs)  # (B, 2, 3, H, W)
    return batch[:, 0].contiguous(), batch[:, 1].contiguous()


def _resized(pair: Tensor, limits: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Scale a pair of frames by a random factor, then crop or mirror the border to their size."""
    low, high = limits
    if low == high == 1:
        return pair
    height, width = pair.shape[2:]
    factor = torch.empty(()).uniform_(low, high, generator=generator).item()
    size = (max(2, round(height * factor)), max(2, round(width * factor)))
    scaled = F.interpolate(pair, size, mode="bilinear", align_corners=False)
    rows, columns = max(0, height - size[0]), max(0, width - size[1])
    margins = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    scaled = F.pad(scaled, margins, mode="reflect")
    top, left = (
        int(torch.randint(extent + 1, (), generator=generator))
        for extent in (scaled.shape[2] - height, scaled.shape[3] - width)
    )
    return scaled[:, :, top : top + height, left : left + width]


def _jittered(pair: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue of a pair of frames (2, 3, H, W) alike."""
    brightness, contrast, saturation, hue = (
        limit * torch.empty(()).uniform_(-1, 1, generator=generator)
        for limit in (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    )
    pair = pair * (1 + brightness)
    pair = (pair - pair.mean()) * (1 + contrast) + pair.mean()
    grey = pair.mean(dim=1, keepdim=True)
    pair = (pair - grey) * (1 + saturation) + grey
    if jitter.hue:
        pair = torch.einsum("ij,njhw->nihw", _hue_rotation(hue), pair)
    return pair.clamp(0, 1)


def _hue_rotation(turns: Tensor) -> Tensor:
    """Rotation of colours around the grey axis, (3, 3); grey values stay the same."""
    angle = 2 * torch.pi * turns
    along = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    return (
        torch.cos(angle) * torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * along
    )
