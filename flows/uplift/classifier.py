"""A small video classifier, trained for the same number of steps in every arm."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

SIZE = 32  # frames are shrunk to this
BATCH = 16
RATE = 2e-3
SHIFT, LIGHT, CONTRAST = 2, 0.1, 0.15  # of augmentation: pixels, and relative changes


@dataclass(frozen=True)
class Drawing:
    """Where a training batch comes from.

    Args:
        chances: Of each video, (M,), summing to 1.
        augmented: Whether videos are changed at random.
    """

    chances: NDArray[np.float64]
    augmented: bool


class VideoClassifier(nn.Sequential):
    """Three convolutions over frames and their differences, then the labels' logits.

    Args:
        labels: How many.
    """

    def __init__(self, labels: int) -> None:
        super().__init__(
            nn.Conv3d(6, 16, 3, stride=(1, 2, 2), padding=1),
            nn.BatchNorm3d(16),
            nn.ReLU(),
            nn.Conv3d(16, 32, 3, stride=2, padding=1),
            nn.BatchNorm3d(32),
            nn.ReLU(),
            nn.Conv3d(32, 32, 3, stride=2, padding=1),
            nn.BatchNorm3d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool3d((3, 2, 2)),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(32 * 12, labels),
        )


def shrink(video: NDArray[np.uint8]) -> Tensor:
    """Frames (F, H, W, 3) as the classifier sees them: (3, F, SIZE, SIZE) in [0, 1]."""
    frames = torch.from_numpy(np.ascontiguousarray(video)).permute(0, 3, 1, 2).float() / 255
    small = F.interpolate(frames, (SIZE, SIZE), mode="area")
    return small.transpose(0, 1).contiguous()


def train(
    videos: Tensor, labels: Tensor, count: int, drawing: Drawing, steps: int, seed: int
) -> VideoClassifier:
    """Train a classifier from scratch.

    Args:
        videos: (M, 3, F, SIZE, SIZE).
        labels: Of each, (M,).
        count: How many labels there are.
        drawing: How batches are drawn.
        steps: The same in every arm.
        seed: Decides weights, batches and augmentation.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        model = VideoClassifier(count).train()
        optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            chosen = torch.from_numpy(rng.choice(len(videos), BATCH, p=drawing.chances))
            batch = videos[chosen]
            batch = _augmented(batch) if drawing.augmented else batch
            loss = F.cross_entropy(model(_with_motion(batch)), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def probabilities(model: VideoClassifier, videos: Tensor) -> NDArray[np.float64]:
    """Of each label for each video: (M, labels)."""
    logits = torch.cat([model(_with_motion(part)) for part in videos.split(BATCH)])
    return logits.softmax(dim=1).double().numpy()


def _with_motion(videos: Tensor) -> Tensor:
    """Videos and their frame-to-frame differences, the first of which is 0: (B, 6, F, S, S)."""
    steps = F.pad(videos.diff(dim=2), (0, 0, 0, 0, 1, 0))
    return torch.cat([videos - 0.5, 4 * steps], dim=1)


def _augmented(videos: Tensor) -> Tensor:
    """Flip, shift, and change the light of each video as a whole."""
    changed = []
    for video in videos:
        item = video.flip(-1) if torch.rand(()) < 0.5 else video
        down, across = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
        item = F.pad(item, (SHIFT,) * 4, mode="replicate")
        top, left = SHIFT + down, SHIFT + across
        item = item[..., top : top + SIZE, left : left + SIZE]
        light, contrast = torch.empty(2).uniform_(-1, 1).tolist()
        middle = item.mean()
        item = (item - middle) * (1 + CONTRAST * contrast) + middle + LIGHT * light
        changed.append(item.clamp(0, 1))
    return torch.stack(changed)
