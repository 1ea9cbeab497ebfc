"""A mask scorer: how likely each pixel belongs to a defect, from filters around it.

The features are fixed (Gaussian-smoothed intensity, edges and texture at five scales), a small
network on top of them is trained. A picture's score is the mean of its most suspicious pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from torch import Tensor, nn
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.images.frames import Frame

PIXELS = 300  # per picture; in a defective picture up to half of them are defective
BATCH, RATE, HIDDEN = 1024, 3e-3, 48
TOP = 0.002  # share of the pixels that decide a picture's score
LIMIT, BINS = 10.0, 200  # logits are counted in BINS bins between -LIMIT and LIMIT


def features(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the features of each pixel: (H, W, C)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    even = (grey - grey.mean()) / (grey.std() + 0.02)  # exposures differ
    filtered = multiscale_basic_features(even, sigma_min=0.7, sigma_max=11, workers=1)  # type: ignore[no-untyped-call]
    return np.asarray(np.dstack([filtered, np.abs(even)]), np.float32)


@dataclass(frozen=True)
class Pixels:
    """Pixels of one picture to learn from.

    Args:
        features: The features of each pixel, (n, C).
        defective: Whether each pixel is defective, (n,).
        bad: Whether the picture has a defect.
    """

    features: NDArray[np.float32]
    defective: NDArray[np.bool_]
    bad: bool


def look(frame: Frame, found: NDArray[np.float32], rng: np.random.Generator) -> Pixels:
    """Draw pixels of a frame: as many defective ones as others, if there are enough.

    Args:
        frame: A picture and its mask.
        found: The features of its pixels.
        rng: Draws the pixels.
    """
    hit = np.flatnonzero(frame.mask & frame.valid)
    rest = np.flatnonzero(~frame.mask & frame.valid)
    some = rng.permutation(hit)[: PIXELS // 2]
    indices = np.concatenate([some, rng.permutation(rest)[: PIXELS - len(some)]])
    flat = found.reshape(-1, found.shape[-1])
    return Pixels(flat[indices], frame.mask.ravel()[indices], frame.defective)


class Scorer(nn.Sequential):
    """Features to a logit, pixel by pixel.

    Args:
        size: The number of features.
    """

    def __init__(self, size: int) -> None:
        super().__init__(
            nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, 1), nn.Flatten(0),
        )  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A scorer and the scales of its features."""

    model: Scorer
    middle: NDArray[np.float32]
    spread: NDArray[np.float32]


def train(pixels: list[Pixels], chances: NDArray[np.float64], steps: int, seed: int) -> Trained:
    """Train from scratch.

    Args:
        pixels: The training pixels of each picture.
        chances: How often each picture is drawn, summing to 1.
        steps: The same in every arm.
        seed: Decides weights and batches.
    """
    rng = np.random.default_rng(seed)
    known = np.concatenate([item.features for item in pixels])
    truth = np.concatenate([item.defective for item in pixels]).astype(np.float32)
    lengths = [len(item.features) for item in pixels]
    weights = np.repeat(chances / lengths, lengths)
    middle, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
    inputs, answers = torch.from_numpy((known - middle) / spread), torch.from_numpy(truth)
    draws = rng.choice(len(known), steps * BATCH, p=weights / weights.sum()).reshape(steps, BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Scorer(known.shape[1])
        batches = iter(torch.from_numpy(draws))

        def loss() -> Tensor:
            batch = next(batches)
            return functional.binary_cross_entropy_with_logits(model(inputs[batch]), answers[batch])

        descend(model, loss, steps, RATE)
    return Trained(model, middle, spread)


@dataclass(frozen=True)
class Found:
    """A scorer's result for one picture.

    Args:
        score: The picture's score; higher is more likely defective.
        inside: Defective pixels by bin of their logit, (BINS,).
        outside: The other pixels by bin of their logit, (BINS,).
    """

    score: float
    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


@torch.no_grad()
def judge(trained: Trained, seen: NDArray[np.float32], mask: NDArray[np.bool_]) -> Found:
    """Score a picture by its features (H, W, C), and count its pixels by their logits."""
    flat = (seen.reshape(-1, seen.shape[-1]) - trained.middle) / trained.spread
    scored: Tensor = trained.model(torch.from_numpy(flat))
    logits = scored.numpy()
    top = np.sort(logits)[-max(1, round(TOP * len(logits))) :]
    edges = np.linspace(-LIMIT, LIMIT, BINS + 1)
    kept, hit = np.clip(logits, -LIMIT, LIMIT), mask.ravel()
    inside, outside = (np.histogram(kept[where], edges)[0] for where in (hit, ~hit))
    return Found(float(top.mean()), inside, outside)
