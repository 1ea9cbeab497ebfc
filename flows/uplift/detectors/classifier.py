"""A small video classifier: what each frame and its change look like, then what follows what."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.detectors.base import (
    DETECTORS,
    Detector,
    Lesson,
    Verdict,
    augment,
    with_motion,
)

BATCH = 16
RATE = 2e-3
UNITS = 64  # that see the frames of a video in their order


class VideoClassifier(nn.Module):
    """Three convolutions over each frame and its change, one over time, then the labels' logits.

    Args:
        labels: How many.
        size: Height and width of the frames.
    """

    def __init__(self, labels: int, size: int) -> None:
        super().__init__()
        self.space = nn.Sequential(_half(6, 8), _half(8, 16), _half(16, 32))
        self.time = nn.Sequential(
            nn.Conv1d(32 * (size // 8) ** 2, UNITS, 1),
            nn.ReLU(),
            nn.Conv1d(UNITS, UNITS, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * UNITS, labels))

    def forward(self, videos: Tensor) -> Tensor:
        """(B, 3, T, S, S) -> (B, labels)."""
        seen = with_motion(videos).transpose(1, 2)  # (B, T, 6, S, S)
        frames = self.space(seen.flatten(0, 1)).flatten(1).unflatten(0, seen.shape[:2])
        told = self.time(frames.transpose(1, 2))  # (B, UNITS, T)
        logits: Tensor = self.head(torch.cat([told.mean(dim=2), told.amax(dim=2)], dim=1))
        return logits


def _half(seen: int, made: int) -> nn.Sequential:
    """A convolution that halves the frame."""
    convolution = nn.Conv2d(seen, made, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(made), nn.ReLU())


def classify(lesson: Lesson, videos: Tensor) -> Verdict:
    """Train from scratch; a video is as suspicious as it is unlikely to be good."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(lesson)
    found = _probabilities(model, videos)
    return Verdict(1 - found[:, 0], found.argmax(axis=1), loss)


DETECTORS.register("classifier")(Detector(classify))


def _train(lesson: Lesson) -> tuple[VideoClassifier, float]:
    """The trained model and its mean loss over the last tenth of the steps."""
    rng, labels = np.random.default_rng(lesson.seed), torch.from_numpy(lesson.labels)
    model = VideoClassifier(lesson.count, lesson.videos.shape[-1])

    def loss() -> Tensor:
        chosen = torch.from_numpy(rng.choice(len(labels), BATCH, p=lesson.chances))
        batch = lesson.videos[chosen]
        logits = model(augment(batch) if lesson.augmented else batch)
        return functional.cross_entropy(logits, labels[chosen])

    return model, descend(model, loss, lesson.steps, RATE)


@torch.no_grad()
def _probabilities(model: VideoClassifier, videos: Tensor) -> NDArray[np.float64]:
    """Of each label for each video: (M, labels)."""
    logits = torch.cat([model(part) for part in videos.split(2 * BATCH)])
    return logits.softmax(dim=1).double().numpy()
