"""Features that need no download: filter responses of frames and of their changes."""

from functools import lru_cache

import torch
from torch import Tensor

from flawcast.generators.training.losses.perceptual import RandomFeatures


@torch.no_grad()
def filtered_features(clips: Tensor) -> Tensor:
    """Means and deviations of fixed filter responses, of the frames and of their changes.

    A stand-in where V-JEPA's weights are absent, `FILTERED_FEATURES` by name. A distance on these
    tells gross differences of look and of motion; it is no JEDi, and its scale is another.

    Args:
        clips: RGB in [0, 1], (B, T, 3, H, W), at least two frames.

    Returns:
        (B, C) in float32.
    """
    bank = _filters().to(clips)
    gathered = []
    for clip in clips:
        changes = clip.diff(dim=0) / 2 + 0.5
        for frames in (clip, changes):
            for level in bank(frames):
                gathered += [level.mean(dim=(0, 2, 3)), level.std(dim=(0, 2, 3))]
    return torch.cat(gathered).unflatten(0, (len(clips), -1))


@lru_cache(maxsize=1)
def _filters() -> RandomFeatures:
    """The filters, drawn once per process: making them orthogonal takes longer than using them."""
    return RandomFeatures()
