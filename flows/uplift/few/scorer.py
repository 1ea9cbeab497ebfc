"""A logistic pixel classifier on pretrained features, and a memory bank of good ones.

Pictures are seen at their own size, cell by cell of 8 pixels, with features of strides 8 and 16.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flawcast.flows.uplift.detectors.features import pixel_features
from flawcast.flows.uplift.detectors.memory_bank import coreset, distances
from flawcast.flows.uplift.images.frames import Frame

Scores = Callable[[NDArray[np.uint8]], Tensor]
"""Takes a picture (H, W, 3) and returns the suspicion of every cell, (h, w)."""

CELLS = 300  # per picture that are learnt from; in a defective one up to half are defective
DEFECT, CLEAR = 0.25, 0.02  # shares of a cell, above and below which it is defective or good
RIDGE = 3e-3  # weight of the squared coefficients
STEPS = 60  # of L-BFGS
BANK = 4000  # features of the memory bank
TOP = 0.01  # share of the cells that decides a picture's score
LIMIT, BINS = 20.0, 400  # scores are counted in BINS bins between -LIMIT and LIMIT


@dataclass(frozen=True)
class Cells:
    """Cells of one picture to learn from.

    Args:
        features: Of each cell, (n, C).
        defective: Whether each is defective, (n,).
    """

    features: Tensor
    defective: NDArray[np.bool_]


def cells_of(frame: Frame, rng: np.random.Generator) -> Cells:
    """Draw cells of a picture, up to half of them defective, none on the rim of a defect."""
    found = pixel_features(frame.picture)
    height, width = found.shape[:2]
    share = _shares(frame.mask, (height, width)).ravel()
    valid = _shares(frame.valid, (height, width)).ravel() > 1 - CLEAR
    hit = rng.permutation(np.flatnonzero((share >= DEFECT) & valid))[: CELLS // 2]
    rest = rng.permutation(np.flatnonzero((share <= CLEAR) & valid))[: CELLS - len(hit)]
    indices = np.concatenate([hit, rest])
    return Cells(found.flatten(0, 1)[torch.from_numpy(indices)], share[indices] >= DEFECT)


def learn(groups: Sequence[Sequence[Cells]], shares: Sequence[float]) -> Scores:
    """Fit a logistic classifier; defective and good cells weigh the same within each group.

    Args:
        groups: Cells of real pictures, and of made ones.
        shares: Weight of each group, summing to 1.
    """
    features = torch.cat([cells.features for group in groups for cells in group])
    truth = torch.from_numpy(
        np.concatenate([cells.defective for group in groups for cells in group])
    ).float()
    weights = torch.cat(
        [share * _weights(group) for group, share in zip(groups, shares, strict=True)]
    )
    mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-3
    inputs = (features - mean) / spread
    weight = torch.zeros(inputs.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = inputs @ weight + bias
        each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        value = (weights * each).sum() + RIDGE * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call, unused-ignore]
    fitted, level = weight.detach(), bias.detach()
    return lambda picture: ((pixel_features(picture) - mean) / spread) @ fitted + level


def remember(pictures: Sequence[NDArray[np.uint8]], seed: int) -> Scores:
    """Keep features of good pictures; a cell's suspicion is its distance to the nearest of them."""
    known = torch.cat([pixel_features(picture).flatten(0, 1) for picture in pictures])
    mean, spread = known.mean(dim=0), known.std(dim=0) + 1e-3
    bank = coreset((known - mean) / spread, BANK, seed)
    usual = float(distances(bank[::10], bank[1::10]).mean())

    def score(picture: NDArray[np.uint8]) -> Tensor:
        found = (pixel_features(picture) - mean) / spread
        return (distances(found.flatten(0, 1), bank) - usual).unflatten(0, found.shape[:2])

    return score


@dataclass(frozen=True)
class Found:
    """What was said of one picture.

    Args:
        score: Higher is more likely defective.
        inside: Defective pixels by bin of their score, (BINS,).
        outside: The other pixels by bin of their score, (BINS,).
    """

    score: float
    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


@torch.no_grad()
def judge(scores: Scores, picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Found:
    """Score a picture, and count its pixels by their scores."""
    cells = scores(picture).numpy().astype(np.float32)
    flat = np.sort(cells.ravel())
    top = flat[-max(1, round(TOP * len(flat))) :]
    height, width = mask.shape
    large = cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    edges = np.linspace(-LIMIT, LIMIT, BINS + 1)
    kept = np.clip(large, -LIMIT, LIMIT)
    inside, outside = (np.histogram(kept[where], edges)[0] for where in (mask, ~mask))
    return Found(float(top.mean()), inside, outside)


def _weights(group: Sequence[Cells]) -> Tensor:
    """Weights of the cells of a group, summing to 1, half of it for defective ones."""
    defective = np.concatenate([cells.defective for cells in group])
    count = max(1, int(defective.sum())), max(1, int((~defective).sum()))
    weights = np.where(defective, 0.5 / count[0], 0.5 / count[1])
    return torch.from_numpy(weights / weights.sum()).float()


def _shares(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.float32]:
    """The share of each cell that a mask covers, (h, w)."""
    height, width = size
    padded = np.zeros((8 * height, 8 * width), np.float32)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    if mask.shape[0] < padded.shape[0]:  # the last cells reach beyond the picture
        padded[mask.shape[0] :] = padded[mask.shape[0] - 1]
    if mask.shape[1] < padded.shape[1]:
        padded[:, mask.shape[1] :] = padded[:, mask.shape[1] - 1 : mask.shape[1]]
    return np.asarray(padded.reshape(height, 8, width, 8).mean(axis=(1, 3)))
