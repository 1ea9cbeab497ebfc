"""A memory bank of good features: what is far from all of them is suspicious.

Reference:
    Roth et al., 2022, Towards total recall in industrial anomaly detection (PatchCore),
    https://arxiv.org/abs/2106.08265
"""

import numpy as np
import torch
from torch import Tensor

from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict
from flawcast.flows.uplift.detectors.features import see_features
from flawcast.flows.uplift.detectors.grids import Scale
from flawcast.generators.video_features.pictures import check_pretrained

BANK = 2000  # features that are kept
CANDIDATES = 20_000  # features that those are chosen from
PROJECTED = 96  # length in which the chosen ones are sought apart
TOP = 0.02  # share of a video's cells that decides its score
PART = 4096  # features that are compared at once


def judge_by_memory(lesson: Lesson, videos: Tensor) -> Verdict:
    """Keep features of the lesson's good videos, and score videos by the distance to them.

    A feature is that of a cell and its change from the frame before.
    """
    good = lesson.videos[torch.from_numpy(lesson.labels == 0)]
    scale = Scale.of(good)
    known = _with_change(scale.apply(good)).flatten(0, 3)
    bank = coreset(known, BANK, lesson.seed)
    seen = _with_change(scale.apply(videos)).flatten(1, 3)
    scores = [_top(distances(video, bank)) for video in seen]
    return Verdict(np.array(scores), None, 0.0)


DETECTORS.register("memory")(
    Detector(judge_by_memory, of_good_alone=True, see=see_features, check=check_pretrained)
)


def coreset(features: Tensor, count: int, seed: int) -> Tensor:
    """Choose features that cover the others: each is the farthest from those before it.

    Args:
        features: (n, C).
        count: How many to choose.
        seed: Chooses the first, the candidates and the projection.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(features), generator=generator)[:CANDIDATES]
    candidates = features[order]
    if len(candidates) <= count:
        return candidates
    matrix = torch.randn(features.shape[1], PROJECTED, generator=generator) / PROJECTED**0.5
    small = candidates @ matrix
    apart = torch.full((len(small),), float("inf"))
    chosen = [0]
    for _ in range(count - 1):
        apart = torch.minimum(apart, (small - small[chosen[-1]]).square().sum(dim=1))
        chosen.append(int(apart.argmax()))
    return candidates[chosen]


def distances(features: Tensor, bank: Tensor) -> Tensor:
    """Distance of every feature (n, C) to the nearest one of a bank, (n,)."""
    parts = [torch.cdist(part, bank).amin(dim=1) for part in features.split(PART)]
    return torch.cat(parts)


def _with_change(videos: Tensor) -> Tensor:
    """Features and their changes from the frame before: (M, T, h, w, 2C)."""
    steps = torch.cat([torch.zeros_like(videos[:, :1]), videos.diff(dim=1)], dim=1)
    return torch.cat([videos, steps], dim=-1)


def _top(apart: Tensor) -> float:
    """The mean of the largest distances."""
    return float(apart.topk(max(1, round(TOP * len(apart)))).values.mean())
