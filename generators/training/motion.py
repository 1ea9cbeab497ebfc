"""Trains a motion backbone on pairs of frames of a clip, and measures it on held-out clips."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import MotionTraining
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.training.checkpoint import Checkpoint
from flawcast.generators.training.discriminator import BETAS, DISCRIMINATOR, Adversary
from flawcast.generators.training.learning_rate import rate_share
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.objective import Objective, Pairs
from flawcast.generators.training.pairs import draw_pairs

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class ReconstructionError:
    """Mean absolute error on [0, 1] pixels of frames redrawn from each clip's first frame.

    Args:
        model: Error of the backbone with the true keypoints.
        copy: Error of the baseline, which repeats the first frame.
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
    """Train in place, with the losses of the original model, on the backbone's device.

    Data and noise of a step depend only on its number, so a training that resumes from a checkpoint
    ends with the same weights as an uninterrupted one.

    Args:
        backbone: The model to train; left in eval mode.
        videos: Clips, RGB, each (T, H, W, 3) with T >= 2, all of one size.
        settings: Steps, batch, rates, losses, augmentation.
        seed: Seed of pairs, warps, noise and augmentation.
        progress: Called after every step with its number (from 1) and its losses.
        checkpoint: File for regular saves; if it holds this training already, resume from there.

    Raises:
        ModelError: If the loss stops being finite.
        SettingsError: If the settings do not fit each other or the backbone.
    """
    training = _Training(backbone, videos, settings, seed)
    saved = checkpoint.restore(training.parts) if checkpoint else None
    done = saved["step"] if saved else 0
    for step in range(done + 1, training.steps + 1):
        progress(step, training.step(step))
        if checkpoint and (step % settings.checkpoint_every == 0 or step == training.steps):
            checkpoint.save(training.parts, step=step)
    backbone.eval()


class _Training:
    """A running training: the backbone, its optimiser, and the discriminator if it has one."""

    def __init__(
        self,
        backbone: MotionBackbone,
        videos: Sequence[NDArray[np.uint8]],
        settings: MotionTraining,
        seed: int,
    ) -> None:
        self.backbone, self.videos, self.settings, self.seed = backbone, videos, settings, seed
        self.steps = settings.total_steps(len(videos))
        self.device = backbone.device
        self.objective = Objective(settings).to(self.device)
        self.rates = _rates(backbone, settings)
        optimiser = torch.optim.Adam(
            _groups(backbone, self.rates), betas=BETAS, weight_decay=settings.weight_decay
        )
        self.optimisers: list[torch.optim.Optimizer] = [optimiser]
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "backbone.model": backbone,
            "backbone.optimiser": optimiser,
        }
        self.adversary: Adversary | None = None
        if settings.loss_weights.generator_gan:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(seed, "discriminator"))
                self.adversary = Adversary(backbone.layout.keypoints, settings, self.device)
            self.optimisers.append(self.adversary.optimiser)
            self.parts["adversary.model"] = self.adversary.discriminator
            self.parts["adversary.optimiser"] = self.adversary.optimiser
        if settings.compile:
            for network in backbone.children():
                network.compile()
        backbone.train()

    def step(self, step: int) -> dict[str, float]:
        """Do one step, counted from 1, and return its losses by name."""
        done = (step - 1) / self.steps
        share = rate_share(done, self.settings.milestones, self.settings.schedule)
        rate = self.settings.learning_rate * share
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate * self.rates.get(group.get("name", ""), 1.0)
        totals: dict[str, float] = {}
        with torch.random.fork_rng(devices=[] if self.device.type == "cpu" else [self.device]):
            for part in range(self.settings.accumulate):
                torch.manual_seed(derive_seed(self.seed, "motion noise", step, part))
                for name, loss in self._backward(step, part, done).items():
                    totals[name] = totals.get(name, 0.0) + loss.item() / self.settings.accumulate
        if not math.isfinite(sum(totals.values())):
            raise ModelError(
                f"motion training: the loss is not finite at step {step}; "
                "lower motion.learning_rate or check the clips"
            )
        if self.settings.clip_gradient_value is not None:
            nn.utils.clip_grad_norm_(
                self.backbone.parameters(), self.settings.clip_gradient_value, norm_type=math.inf
            )
        for optimiser in self.optimisers:
            optimiser.step()
        return totals

    def _backward(self, step: int, part: int, done: float) -> dict[str, Tensor]:
        """Accumulate the gradients of one batch and return its losses."""
        data = derive_seed(self.seed, "motion", step, *([part] if part else []))
        generator = torch.Generator().manual_seed(data)
        source, driving = draw_pairs(self.videos, self.settings, generator)
        warp = RandomWarp.draw(self.settings.batch, self.settings.transform_params, generator)
        device = self.device
        pairs = Pairs(source.to(device), driving.to(device), warp.to(device), done)
        half = self.settings.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            outcome = self.backbone.losses(pairs, self.objective)
            losses = dict(outcome.losses)
            if self.adversary:
                losses |= self.adversary.losses(outcome, pairs.driving)
            total = torch.stack([loss.float() for loss in losses.values()]).sum()
        (total / self.settings.accumulate).backward()
        if self.adversary:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                losses["discriminator_gan"] = self.adversary.learn(outcome, pairs.driving)
        return losses


def _rates(backbone: MotionBackbone, settings: MotionTraining) -> dict[str, float]:
    """Factor of the learning rate for each sub-network of a backbone."""
    networks = [*dict(backbone.named_children()), DISCRIMINATOR]
    for name in settings.rates:
        if name not in networks:
            raise SettingsError(
                f"motion.rates: expected sub-networks of {backbone.name} "
                f"({', '.join(networks)}), got {name!r}"
            )
    return {name: settings.rates.get(name, 1.0) for name in networks}


def _groups(backbone: MotionBackbone, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser, one for each sub-network."""
    return [
        {"params": list(network.parameters()), "name": name, "lr": rates[name]}
        for name, network in backbone.named_children()
    ]


@torch.no_grad()
def reconstruct(backbone: MotionBackbone, video: NDArray[np.uint8]) -> Tensor:
    """Redraw a clip from its first frame and its true keypoints: (T, H, W, 3) -> (T, 3, H, W)."""
    frames = to_tensor(video).to(backbone.device)
    return backbone.render(backbone.appearance(frames[0]), backbone.keypoints(frames)).cpu()


def reconstruction_error(
    backbone: MotionBackbone, videos: Sequence[NDArray[np.uint8]]
) -> ReconstructionError:
    """Measure reconstruction on clips; the mean leaves out the first frame of each clip."""
    model, copy = [], []
    for video in videos:
        truth = to_tensor(video)
        model.append((reconstruct(backbone, video) - truth)[1:].abs().mean().item())
        copy.append((truth[:1] - truth)[1:].abs().mean().item())
    return ReconstructionError(float(np.mean(model)), float(np.mean(copy)))
