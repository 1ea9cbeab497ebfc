"""A linear classifier of frames on pretrained features; a video's score is that of its frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict
from flawcast.flows.uplift.detectors.features import see_features
from flawcast.flows.uplift.detectors.grids import Scale, changed
from flawcast.generators.video_features.pictures import check_pretrained

BATCH = 32
RATE = 3e-3
DECAY = 1e-2


def classify_frames(lesson: Lesson, videos: Tensor) -> Verdict:
    """Train on single frames; a video's probabilities are the means over its frames."""
    scale = Scale.of(lesson.videos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(lesson, scale)
    with torch.no_grad():
        probabilities = model(_summed_up(scale.apply(videos))).softmax(dim=2).mean(dim=1)
    values: NDArray[np.float64] = probabilities.double().numpy()
    return Verdict(1 - values[:, 0], values.argmax(axis=1), loss)


DETECTORS.register("frames")(Detector(classify_frames, see=see_features, check=check_pretrained))


def _train(lesson: Lesson, scale: Scale) -> tuple[nn.Linear, float]:
    """The trained model and its mean loss over the last tenth of the steps."""
    rng, labels = np.random.default_rng(lesson.seed), torch.from_numpy(lesson.labels)
    known = scale.apply(lesson.videos)
    model = nn.Linear(2 * known.shape[-1], lesson.count)

    def loss() -> Tensor:
        indices = torch.from_numpy(rng.choice(len(labels), BATCH, p=lesson.chances))
        batch = changed(known[indices]) if lesson.augmented else known[indices]
        logits = model(_summed_up(batch))  # (B, T, labels)
        frames = logits.shape[1]
        return functional.cross_entropy(
            logits.flatten(0, 1), labels[indices].repeat_interleave(frames)
        )

    return model, descend(model, loss, lesson.steps, RATE, DECAY)


def _summed_up(videos: Tensor) -> Tensor:
    """Mean and largest value of every feature over a frame: (M, T, h, w, C) -> (M, T, 2C)."""
    flat = videos.flatten(2, 3)
    return torch.cat([flat.mean(dim=2), flat.amax(dim=2)], dim=2)
