"""Trains what finds and moves parts on self-made pairs, and measures it on held-out ones."""

import math
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.errors import ModelError
from flawcast.configs.identity import derive_seed
from flawcast.generators.training.checkpoint import Checkpoint, Parts
from flawcast.generators.training.learning_rate import rate_share
from flawcast.generators.training.self_made.losses import as_floats
from flawcast.generators.training.self_made.objects import Stock
from flawcast.generators.training.self_made.pairs import PairBatch, draw_batch

Progress = Callable[[int, dict[str, float]], None]
MOST_GRADIENT = 5.0  # norm: the first steps from foreign weights are wild


class Learner(Protocol):
    """What is trained: networks, and their losses of pairs."""

    side: int
    networks: nn.Module

    def losses(self, pairs: PairBatch) -> tuple[dict[str, Tensor], Tensor]:
        """Weighted losses by name, and the motion's error as a share of half the frame."""


def train_on_pairs(
    learner: Learner,
    stock: Stock,
    settings: AdaptTraining,
    seed: int,
    progress: Progress = lambda step, losses: None,
    checkpoint: Checkpoint | None = None,
) -> int:
    """Train in place. The pairs of a step depend only on the seed and the step's number.

    Args:
        learner: What is trained; left in eval mode.
        stock: Parts and backgrounds.
        settings: Steps, batch, rate, poses and losses.
        seed: Seed of all pairs.
        progress: Called after every step with its number (from 1), its losses and the error.
        checkpoint: File for regular saves; if it holds this training already, resume from there.

    Returns:
        The number of steps that were done, fewer than asked where the time ran out.

    Raises:
        ModelError: If the loss stops being finite.
    """
    device = next(learner.networks.parameters()).device
    learnt = [value for value in learner.networks.parameters() if value.requires_grad]
    optimiser = torch.optim.Adam(learnt, lr=settings.learning_rate, betas=(0.9, 0.99))
    parts: Parts = {"networks.model": learner.networks, "networks.optimiser": optimiser}
    saved = checkpoint.restore(parts) if checkpoint else None
    done, spent = (saved["step"], saved["seconds"]) if saved else (0, 0.0)
    began = time.perf_counter() - spent
    learner.networks.train()
    half = _in_bf16(settings, device)
    for step in range(done + 1, settings.steps + 1):
        share = _share_done(step, settings, time.perf_counter() - began)
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate_share(share, (), "cosine")
        rng = np.random.default_rng(derive_seed(seed, "pairs", step))
        pairs = draw_batch(stock, settings.batch, learner.side, settings.poses, rng).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            losses, error = learner.losses(pairs)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        if not math.isfinite(float(total.detach())):
            raise ModelError(
                f"adapting: the loss is not finite at step {step}; "
                "lower adapt.learning_rate or check the clips"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(learnt, MOST_GRADIENT)
        optimiser.step()
        done = step
        progress(step, {**as_floats(losses), "error": float(error)})
        if checkpoint and (step % settings.checkpoint_every == 0 or step == settings.steps):
            checkpoint.save(parts, step=step, seconds=time.perf_counter() - began)
    learner.networks.eval()
    return done


@torch.no_grad()
def error_on_pairs(learner: Learner, stock: Stock, settings: AdaptTraining, seed: int) -> float:
    """Mean error of the motion on held-out pairs, as a share of the frame's side.

    Args:
        learner: In eval mode.
        stock: Parts and backgrounds.
        settings: Number of pairs, and their poses.
        seed: Of pairs that no training of another seed has seen.
    """
    device = next(learner.networks.parameters()).device
    errors = []
    for start in range(0, settings.held_out, settings.batch):
        rng = np.random.default_rng(derive_seed(seed, "held-out pairs", start))
        pairs = draw_batch(stock, settings.batch, learner.side, settings.poses, rng).to(device)
        errors.append(float(learner.losses(pairs)[1]))
    return float(np.mean(errors)) / 2


def _share_done(step: int, settings: AdaptTraining, seconds: float) -> float:
    """Share of the training that is done: by steps, or by time where that runs out first."""
    by_steps = (step - 1) / settings.steps
    if settings.minutes is None:
        return by_steps
    return max(by_steps, seconds / (60 * settings.minutes))


def _in_bf16(settings: AdaptTraining, device: torch.device) -> bool:
    """Whether the networks run in bf16: where that is fast."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported()
