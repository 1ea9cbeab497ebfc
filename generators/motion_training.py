"""Trains a motion backbone on pairs of frames of a clip, and measures it on held-out clips."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.errors import ModelError
from configs.identity import derive_seed
from configs.settings import Jitter, MotionTraining
from generators.backbones import MotionBackbone
from generators.checkpoint import Checkpoint
from generators.equivariance import RandomWarp
from generators.frames import to_tensor
from generators.objective import Objective, Pairs

SAVE_EVERY = 100  # steps between checkpoints

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class ReconstructionError:
    """Mean absolute error on [0, 1] pixels of frames redrawn from each clip's first frame.

    Args:
        model: Of the backbone with the true keypoints.
        copy: Of repeating the first frame instead, the baseline.
    """

    model: float
    copy: float


def train_backbone(
    backbone: MotionBackbone,
    videos: Sequence[NDArray[np.uint8]],
    settings: MotionTraining,
    seed: int,
    progress: Progress = lambda step, losses: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train in place, with the original's losses.

    A step's data depend on its number alone, so a training that goes on from a checkpoint ends with
    the weights of one that was never interrupted.

    Args:
        backbone: The model to train; left in eval mode.
        videos: Clips, RGB, each (T, H, W, 3) with T >= 2, all of one size.
        settings: Steps, batch, rate, losses, augmentation.
        seed: Decides pairs, warps and augmentation.
        progress: Called after every step with its number (from 1) and its losses.
        checkpoint: Saved now and then; where it holds this training already, it goes on from there.

    Raises:
        ModelError: If the loss stops being finite.
    """
    device = next(backbone.parameters()).device
    objective = Objective(settings).to(device)
    optimiser = torch.optim.Adam(
        backbone.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999)
    )
    done = checkpoint.restore(backbone, optimiser) if checkpoint else 0
    backbone.train()
    steps = settings.total_steps(len(videos))
    for step in range(done + 1, steps + 1):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * _rate(
            settings, (step - 1) / steps
        )
        generator = torch.Generator().manual_seed(derive_seed(seed, "motion", step))
        source, driving = draw_pairs(videos, settings, generator)
        warp = RandomWarp.draw(settings.batch, settings.transform_params, generator)
        pairs = Pairs(
            source.to(device),
            driving.to(device),
            warp.to(device),
            (step - 1) / steps,
        )
        losses = backbone.losses(pairs, objective).losses
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise ModelError(
                f"motion training: the loss is not finite at step {step}; "
                "lower motion.learning_rate or check the clips"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        progress(step, {name: loss.item() for name, loss in losses.items()})
        if checkpoint and (step % SAVE_EVERY == 0 or step == steps):
            checkpoint.save(backbone, optimiser, step)
    backbone.eval()


def draw_pairs(
    videos: Sequence[NDArray[np.uint8]], settings: MotionTraining, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw two frames, augmented alike, of each of `batch` clips: two tensors (B, 3, H, W)."""
    pairs = []
    for clip in torch.randint(len(videos), (settings.batch,), generator=generator).tolist():
        first, second = torch.randperm(len(videos[clip]), generator=generator)[:2].tolist()
        pair = to_tensor(videos[clip][[first, second]])
        if settings.horizontal_flip and torch.rand((), generator=generator) < 0.5:
            pair = pair.flip(-1)
        pairs.append(_jitter(pair, settings.jitter, generator))
    batch = torch.stack(pairs)  # (B, 2, 3, H, W)
    return batch[:, 0].contiguous(), batch[:, 1].contiguous()


def _jitter(pair: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of a pair of frames (2, 3, H, W) alike."""
    low, high = -1.0, 1.0
    brightness, contrast, saturation = (
        1 + limit * torch.empty(()).uniform_(low, high, generator=generator)
        for limit in (jitter.brightness, jitter.contrast, jitter.saturation)
    )
    pair = pair * brightness
    pair = (pair - pair.mean()) * contrast + pair.mean()
    grey = pair.mean(dim=1, keepdim=True)
    return ((pair - grey) * saturation + grey).clamp(0, 1)


def _rate(settings: MotionTraining, done: float) -> float:
    """Learning rate as a share of the first, when so much of the training is done."""
    if settings.schedule == "cosine":
        return max(0.5 * (1 + math.cos(math.pi * done)), 0.01)
    return float(0.1 ** sum(done >= milestone for milestone in settings.milestones))


@torch.no_grad()
def reconstruct(backbone: MotionBackbone, video: NDArray[np.uint8]) -> Tensor:
    """Redraw a clip from its first frame and its true keypoints: (T, H, W, 3) -> (T, 3, H, W)."""
    frames = to_tensor(video).to(next(backbone.parameters()).device)
    return backbone.render(backbone.appearance(frames[0]), backbone.keypoints(frames)).cpu()


def reconstruction_error(
    backbone: MotionBackbone, videos: Sequence[NDArray[np.uint8]]
) -> ReconstructionError:
    """Measure reconstruction on clips, the first frame of each left out of the mean."""
    model, copy = [], []
    for video in videos:
        truth = to_tensor(video)
        model.append((reconstruct(backbone, video) - truth)[1:].abs().mean().item())
        copy.append((truth[:1] - truth)[1:].abs().mean().item())
    return ReconstructionError(float(np.mean(model)), float(np.mean(copy)))
