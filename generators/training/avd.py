"""Trains TPS's network for animation via disentanglement, after all other networks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import ModelError
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import AVDTraining, MotionTraining
from flawcast.generators.backbones.tps.model import TPS
from flawcast.generators.training.checkpoint import Checkpoint, Parts
from flawcast.generators.training.learning_rate import rate_share
from flawcast.generators.training.motion import Progress
from flawcast.generators.training.pairs import draw_pairs


def train_avd(
    backbone: TPS,
    videos: Sequence[NDArray[np.uint8]],
    motion: MotionTraining,
    settings: AVDTraining,
    seed: int,
    progress: Progress = lambda step, losses: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train the AVD network in place; all other weights stay as they are.

    Args:
        backbone: A trained model with `avd_network_params`; left in eval mode.
        videos: The clips it was trained on, RGB, each (T, H, W, 3) with T >= 2.
        motion: Settings of the model's own training, for the augmentation of pairs.
        settings: Steps, batch and learning rate.
        seed: Seed of pairs, augmentation and the stretching of poses.
        progress: Called after every step with its number (from 1) and its losses.
        checkpoint: File for regular saves; if it holds this training already, resume from there.

    Raises:
        ModelError: If the model has no such network, or the loss stops being finite.

    Reference:
        Siarohin et al., 2021, https://arxiv.org/abs/2104.11280, section 3.4
    """
    network = backbone.disentangler()
    device = backbone.device
    backbone.eval()
    network.requires_grad_(True).train()
    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999)
    )
    parts: Parts = {"avd.model": network, "avd.optimiser": optimiser}
    saved = checkpoint.restore(parts) if checkpoint else None
    done = saved["step"] if saved else 0
    steps = settings.total_steps(len(videos))
    drawing = motion.model_copy(update={"batch": settings.batch})
    for step in range(done + 1, steps + 1):
        share = rate_share((step - 1) / steps, settings.milestones)
        optimiser.param_groups[0]["lr"] = settings.learning_rate * share
        generator = torch.Generator().manual_seed(derive_seed(seed, "avd", step))
        source, driving = draw_pairs(videos, drawing, generator)
        losses = backbone.avd_losses(
            source.to(device), driving.to(device), settings.random_scale, generator
        )
        loss = settings.lambda_shift * losses["avd"]
        if not torch.isfinite(loss):
            raise ModelError(
                f"avd training: the loss is not finite at step {step}; "
                "lower avd.learning_rate or check the clips"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        progress(step, {"avd": loss.item()})
        if checkpoint and (step % motion.checkpoint_every == 0 or step == steps):
            checkpoint.save(parts, step=step)
    network.requires_grad_(False).eval()
