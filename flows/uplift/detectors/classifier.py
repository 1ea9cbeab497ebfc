"""A small video classifier: features of each frame and its change, then of their order in time."""

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
UNITS = 64  # channels of the convolutions over time


class VideoClassifier(nn.Module):
    """Three convolutions over each frame and its change, one over time, then the labels' logits.

    Args:
        labels: The number of labels.
        size: Height and width of the frames.
        channels: Of the frames with their changes.
    """

    def __init__(self, labels: int, size: int, channels: int = 6) -> None:
        super().__init__()
        self.space = nn.Sequential(_half(channels, 8), _half(8, 16), _half(16, 32))
        self.time = nn.Sequential(
            nn.Conv1d(32 * (-(-size // 8)) ** 2, UNITS, 1),
            nn.ReLU(),
            nn.Conv1d(UNITS, UNITS, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * UNITS, labels))

    def forward(self, videos: Tensor) -> Tensor:
        """Frames with their changes (B, channels, T, S, S) -> (B, labels)."""
        inputs = videos.transpose(1, 2)  # (B, T, channels, S, S)
        frames = self.space(inputs.flatten(0, 1)).flatten(1).unflatten(0, inputs.shape[:2])
        hidden = self.time(frames.transpose(1, 2))  # (B, UNITS, T)
        logits: Tensor = self.head(torch.cat([hidden.mean(dim=2), hidden.amax(dim=2)], dim=1))
        return logits


def _half(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution that halves the frame."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def classify(lesson: Lesson, videos: Tensor) -> Verdict:
    """Train from scratch; a video's suspicion is 1 minus its probability of being good."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(lesson)
    probabilities = _probabilities(model, videos)
    return Verdict(1 - probabilities[:, 0], probabilities.argmax(axis=1), loss)


DETECTORS.register("tiny")(Detector(classify))


def _train(lesson: Lesson) -> tuple[VideoClassifier, float]:
    """The trained model and its mean loss over the last tenth of the steps."""
    rng, labels = np.random.default_rng(lesson.seed), torch.from_numpy(lesson.labels)
    model = VideoClassifier(lesson.count, lesson.videos.shape[-1])

    def loss() -> Tensor:
        indices = torch.from_numpy(rng.choice(len(labels), BATCH, p=lesson.chances))
        batch = lesson.videos[indices]
        logits = model(with_motion(augment(batch) if lesson.augmented else batch))
        return functional.cross_entropy(logits, labels[indices])

    return model, descend(model, loss, lesson.steps, RATE)


@torch.no_grad()
def _probabilities(model: VideoClassifier, videos: Tensor) -> NDArray[np.float64]:
    """The probability of each label for each video: (M, labels)."""
    logits = torch.cat([model(with_motion(part)) for part in videos.split(2 * BATCH)])
    return logits.softmax(dim=1).double().numpy()
