"""Grids of pretrained features: their scales, and random changes of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

SHIFT = 0.5  # of a cell, by which a grid is moved at most
GAIN = 0.1  # largest relative change of a video's features, as by other light


@dataclass(frozen=True)
class Scale:
    """Mean and spread of every feature over a lesson, (C,) each."""

    mean: Tensor
    spread: Tensor

    @staticmethod
    def of(videos: Tensor) -> "Scale":
        """Those of videos, (M, T, h, w, C)."""
        flat = videos.flatten(0, 3)
        return Scale(flat.mean(dim=0), flat.std(dim=0) + 1e-3)

    def apply(self, videos: Tensor) -> Tensor:
        """Videos with features of mean 0 and spread 1."""
        return (videos - self.mean) / self.spread


def changed(videos: Tensor) -> Tensor:
    """Mirror videos (M, T, h, w, C), move them by part of a cell, change their strength, at random.

    Torch's own seed decides. A mirrored grid is nearly the grid of the mirrored frame.
    """
    each = (len(videos), 1, 1, 1, 1)
    videos = torch.where(torch.rand(each) < 0.5, videos.flip(3), videos)
    for axis in (2, 3):
        moved = torch.empty(each).uniform_(-SHIFT, SHIFT)
        first, last = videos.narrow(axis, 0, 1), videos.narrow(axis, videos.shape[axis] - 1, 1)
        rest = videos.shape[axis] - 1
        later = torch.cat([first, videos.narrow(axis, 0, rest)], axis)
        earlier = torch.cat([videos.narrow(axis, 1, rest), last], axis)
        videos = videos + moved.abs() * (torch.where(moved > 0, later, earlier) - videos)
    return videos * torch.empty(each).uniform_(1 - GAIN, 1 + GAIN)
