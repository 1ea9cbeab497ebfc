"""Pretrained features of every frame, by place, with a head over time: what moves how, and when."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict, moved
from flawcast.flows.uplift.detectors.classifier import VideoClassifier
from flawcast.flows.uplift.detectors.features import see_maps
from flawcast.generators.video_features.pictures import check_pretrained

BATCH = 16
RATE = 2e-3
GAIN = 0.15  # largest relative change of a video's features, as by other light


def classify_videos(lesson: Lesson, videos: Tensor) -> Verdict:
    """Train the head; a video's suspicion is 1 minus its probability of being good."""
    spread = lesson.videos.std(dim=(0, 2, 3, 4), keepdim=True) + 1e-3
    mean = lesson.videos.mean(dim=(0, 2, 3, 4), keepdim=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(lesson, (lesson.videos - mean) / spread)
    with torch.no_grad():
        parts = [model(with_change((part - mean) / spread)) for part in videos.split(2 * BATCH)]
    values: NDArray[np.float64] = torch.cat(parts).softmax(dim=1).double().numpy()
    return Verdict(1 - values[:, 0], values.argmax(axis=1), loss)


DETECTORS.register("temporal")(Detector(classify_videos, see=see_maps, check=check_pretrained))


def with_change(videos: Tensor) -> Tensor:
    """Features and their changes from the frame before: (M, C, T, h, w) -> (M, 2C, T, h, w)."""
    steps = functional.pad(videos.diff(dim=2), (0, 0, 0, 0, 1, 0))
    return torch.cat([videos, steps], dim=1)


def _train(lesson: Lesson, known: Tensor) -> tuple[VideoClassifier, float]:
    """The trained head and its mean loss over the last tenth of the steps."""
    rng, labels = np.random.default_rng(lesson.seed), torch.from_numpy(lesson.labels)
    model = VideoClassifier(lesson.count, known.shape[-1], 2 * known.shape[1])

    def loss() -> Tensor:
        indices = torch.from_numpy(rng.choice(len(labels), BATCH, p=lesson.chances))
        batch = known[indices]
        if lesson.augmented:
            light = torch.empty(len(batch), 1, 1, 1, 1).uniform_(1 - GAIN, 1 + GAIN)
            batch = light * moved(batch)
        return functional.cross_entropy(model(with_change(batch)), labels[indices])

    return model, descend(model, loss, lesson.steps, RATE)
