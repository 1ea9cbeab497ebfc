"""A one-class anomaly scorer: it learns how good parts move and scores what it did not expect.

A small network predicts the next frame of good videos. What it gets wrong, where and when, is a
video's error profile; its distance from the profiles of good videos is the score (Mahalanobis,
with a covariance shrunk towards a multiple of the identity). Nothing is augmented: this line
never shows a flipped or shifted video, and learning from such videos lowers the AUROC.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flawcast.flows.uplift.descent import descend
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict

BATCH = 8  # videos; every frame of them but the first two is predicted
RATE = 3e-3
REGIONS = 4  # rows, and columns, of the error profile
SHRINKAGE = 0.2  # share of the identity in the covariance
LEAST_SPREAD = 1e-6  # mean variance of a profile's parts: a single good video has none
FLOOR = 1e-5  # squared errors below this do not count: sensor noise


class NextFrame(nn.Sequential):
    """Predicts the next frame's change from two frames: (M, 6, S, S) -> (M, 3, S, S)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(6, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 3, 3, padding=1),
        )


def one_class(lesson: Lesson, videos: Tensor) -> Verdict:
    """Learn only from the lesson's good videos; it predicts no labels."""
    good = lesson.labels == 0
    chances = lesson.chances[good] / lesson.chances[good].sum()
    normal = _small(lesson.videos[torch.from_numpy(good)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        model, loss = _train(normal, chances, lesson)
    usual, profiles = _profiles(model, normal), _profiles(model, _small(videos))
    middle = chances @ usual
    spread = (usual - middle).T @ ((usual - middle) * chances[:, None])
    size = len(spread)
    mean = max(np.trace(spread) / size, LEAST_SPREAD)
    spread = (1 - SHRINKAGE) * spread + SHRINKAGE * mean * np.eye(size)
    apart = profiles - middle
    distances = np.einsum("ij,ij->i", apart, np.linalg.solve(spread, apart.T).T)
    return Verdict(np.sqrt(distances), None, loss)


DETECTORS.register("tiny-one-class")(Detector(one_class, of_good_alone=True))


def _small(videos: Tensor) -> Tensor:
    """Halve the size: motion is still visible, at a quarter of the work."""
    return functional.avg_pool3d(videos, (1, 2, 2))


def _train(videos: Tensor, chances: NDArray[np.float64], lesson: Lesson) -> tuple[NextFrame, float]:
    """The trained network and its mean loss over the last tenth of the steps."""
    rng, model = np.random.default_rng(lesson.seed), NextFrame()

    def loss() -> Tensor:
        batch = videos[torch.from_numpy(rng.choice(len(videos), BATCH, p=chances))]
        return _errors(model, batch).mean()

    return model, descend(model, loss, lesson.steps, RATE)


def _errors(model: NextFrame, videos: Tensor) -> Tensor:
    """Squared error of every frame but the first two: (M, 3, T, S, S) -> (M, T - 2, 3, S, S)."""
    frames = videos.transpose(1, 2)
    pairs = torch.cat([frames[:, :-2], frames[:, 1:-1]], dim=2)
    change = model(pairs.flatten(0, 1)).unflatten(0, pairs.shape[:2])
    return (frames[:, 1:-1] + change - frames[:, 2:]).square()


@torch.no_grad()
def _profiles(model: NextFrame, videos: Tensor) -> NDArray[np.float64]:
    """Logarithm of the error by region and by frame: (M, REGIONS ** 2 + T - 2)."""
    profiles = []
    for part in videos.split(4 * BATCH):
        errors = _errors(model, part).mean(dim=2)  # (B, T - 2, S, S)
        regions = functional.adaptive_avg_pool2d(errors.mean(dim=1), REGIONS).flatten(1)
        profiles.append(torch.cat([regions, errors.mean(dim=(2, 3))], dim=1))
    return torch.log(torch.cat(profiles) + FLOOR).double().numpy()
