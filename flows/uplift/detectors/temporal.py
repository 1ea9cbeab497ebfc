"""Pretrained features of every frame with a head over time: what moves how, and when."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict
from flawcast.flows.uplift.detectors.features import CELLS, see_features
from flawcast.flows.uplift.detectors.grids import Scale, changed
from flawcast.generators.video_features.pictures import check_pretrained

BATCH = 16
RATE = 2e-3
CHANNELS = 16  # of every cell, after the features are brought together
UNITS = 64  # channels of the convolutions over time


class TemporalHead(nn.Module):
    """Brings the features of every cell together, then looks at the grid over time.

    Args:
        features: Of every cell.
        labels: The number of labels.
    """

    def __init__(self, features: int, labels: int) -> None:
        super().__init__()
        self.cell = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, CHANNELS), nn.ReLU())
        self.time = nn.Sequential(
            nn.Conv1d(2 * CHANNELS * CELLS**2, UNITS, 1),
            nn.ReLU(),
            nn.Conv1d(UNITS, UNITS, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * UNITS, labels))

    def forward(self, videos: Tensor) -> Tensor:
        """(B, T, h, w, features) -> (B, labels)."""
        cells = self.cell(videos).flatten(2)  # (B, T, h * w * CHANNELS)
        steps = functional.pad(cells.diff(dim=1), (0, 0, 1, 0))
        hidden = self.time(torch.cat([cells, steps], dim=2).transpose(1, 2))
        logits: Tensor = self.head(torch.cat([hidden.mean(dim=2), hidden.amax(dim=2)], dim=1))
        return logits


def classify_videos(lesson: Lesson, videos: Tensor) -> Verdict:
    """Train the head; a video's suspicion is 1 minus its probability of being good."""
    scale = Scale.of(lesson.videos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(lesson, scale)
    with torch.no_grad():
        parts = [model(scale.apply(part)) for part in videos.split(2 * BATCH)]
    values: NDArray[np.float64] = torch.cat(parts).softmax(dim=1).double().numpy()
    return Verdict(1 - values[:, 0], values.argmax(axis=1), loss)


DETECTORS.register("temporal")(Detector(classify_videos, see=see_features, check=check_pretrained))


def _train(lesson: Lesson, scale: Scale) -> tuple[TemporalHead, float]:
    """The trained head and its mean loss over the last tenth of the steps."""
    rng, labels = np.random.default_rng(lesson.seed), torch.from_numpy(lesson.labels)
    known = scale.apply(lesson.videos)
    model = TemporalHead(known.shape[-1], lesson.count)

    def loss() -> Tensor:
        indices = torch.from_numpy(rng.choice(len(labels), BATCH, p=lesson.chances))
        batch = known[indices]
        logits = model(changed(batch) if lesson.augmented else batch)
        return functional.cross_entropy(logits, labels[indices])

    return model, descend(model, loss, lesson.steps, RATE)
