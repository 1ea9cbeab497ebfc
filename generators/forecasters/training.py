"""Fitting a forecaster by gradients: averaged weights, early stopping, the best epoch kept."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError
from flawcast.configs.identity import content_id, derive_seed
from flawcast.generators.forecasters.base import Forecaster
from flawcast.generators.training.checkpoint import Checkpoint, Parts

CLIP_NORM = 1.0
SEEN_NOISE = 0.1  # of a typical step, added to what the state is shown: samples are noisy too
TARGET_NOISE = 0.01  # of a typical step: what stands still must not have an infinite density
LONGEST_MEMORY = 0.99  # of the averaged weights, per step
DIVERGED = 10.0  # per step and dimension: how far the loss may rise above the first epoch's
ADVICE = (
    "check the clips for frozen or broken parts, lower the learning rate, or use a smaller model "
    "(forecaster.config.blocks or hidden)"
)

Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Args:
        epochs: At most so many passes over the windows.
        seconds: No new epoch begins after so long; None for no limit.
        patience: Epochs without a better held-out loss after which training ends.
        learning_rate: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        batch: Windows of one step.
        epoch_windows: At most so many windows, drawn at random, make an epoch: overlapping windows
            are much alike, and a model of few clips is at its best early.
        gains: A training window's motion is scaled by a random factor of this range.
        reversals: Share of the training windows that run backwards.
        dimension_gains: Deviation of the logarithm of a further random factor of every dimension.
        noise_spread: Deviation of the logarithm of the noise that every dimension is shown with:
            clips differ in how steady their keypoints are, and the state must not take the jitter
            of one for motion.
        mirrors: Share of the training windows whose motion changes its sign.
    """

    epochs: int = 60
    seconds: float | None = None
    patience: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    batch: int = 32
    epoch_windows: int = 1024
    gains: tuple[float, float] = (0.4, 1.4)
    dimension_gains: float = 0.4
    noise_spread: float = 1.5
    reversals: float = 0.5
    mirrors: float = 0.5


@dataclass(frozen=True)
class Epoch:
    """Mean losses of one epoch, per step and dimension."""

    train: float
    held_out: float


class Training:
    """One training of a forecaster, epoch by epoch.

    What is held out judges the averaged weights, and the best average is what stays.

    Args:
        forecaster: Prepared.
        train: Standardised training windows, (B, T, D).
        watched: Windows that decide when to stop, (B, T, D).
        past: P.
        seed: Decides order, noise, gains and dropout.
        recipe: How long and how fast.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        train: Tensor,
        watched: Tensor,
        past: int,
        seed: int,
        recipe: Recipe,
    ) -> None:
        self.forecaster, self.train, self.watched = forecaster, train, watched
        self.past, self.seed, self.recipe = past, seed, recipe
        steps = train.diff(dim=1).square().mean(dim=(0, 1)).sqrt()
        self.typical_step = steps.clamp_min(1e-3)
        self.optimiser = torch.optim.AdamW(
            forecaster.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.average = copy.deepcopy(forecaster).eval()
        self.best = copy.deepcopy(forecaster).eval()
        self.parts: Parts = {
            "model": forecaster,
            "average": self.average,
            "best": self.best,
            "optimiser": self.optimiser,
        }
        self.best_loss = math.inf
        self.since = self.steps = 0
        self.history: list[Epoch] = []

    def run(self, progress: Progress, checkpoint: Path | None = None) -> list[Epoch]:
        """Train until nothing gets better or time is up; leaves the best weights in place.

        Args:
            progress: Called after every epoch with its number, training and held-out loss.
            checkpoint: A file that takes the state after every epoch, and that a training of the
                same settings and windows goes on from; removed at the end.

        Returns:
            The losses of all epochs.

        Raises:
            ModelError: If the loss stops being finite or runs away.
        """
        saved = Checkpoint(checkpoint, self._key()) if checkpoint is not None else None
        if saved is not None:
            self._restore(saved)
        began = time.monotonic()
        while len(self.history) < self.recipe.epochs and self.since < self.recipe.patience:
            number = len(self.history) + 1
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(self.seed, "forecaster epoch", number))
                epoch = Epoch(self._pass(), self._held_out_loss())
            self.history.append(epoch)
            self._judge(epoch)
            progress(number, epoch.train, epoch.held_out)
            if saved is not None:
                self._save(saved)
            if self.recipe.seconds is not None and time.monotonic() - began > self.recipe.seconds:
                break
        if not math.isfinite(self.best_loss):
            raise ModelError(f"forecaster: no epoch had a finite held-out loss; {ADVICE}")
        self.forecaster.load_state_dict(self.best.state_dict())
        self.forecaster.eval()
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        return self.history

    def _pass(self) -> float:
        """Pass over windows in random order, augmented; returns the mean loss."""
        self.forecaster.train()
        losses = []
        drawn = torch.randperm(len(self.train))[: self.recipe.epoch_windows]
        for rows in drawn.split(self.recipe.batch):
            batch = self._augmented(self.train[rows])
            seen = batch + self._unsteadiness(batch)
            batch = batch + TARGET_NOISE * self.typical_step * torch.randn_like(batch)
            loss = self.forecaster.loss(batch, seen)
            if not torch.isfinite(loss):
                raise ModelError(f"forecaster: the loss is not finite; {ADVICE}")
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.forecaster.parameters(), CLIP_NORM)
            self.optimiser.step()
            self._remember()
            losses.append(loss.item())
        self.forecaster.eval()
        return sum(losses) / len(losses)

    def _augmented(self, batch: Tensor) -> Tensor:
        """Windows whose motion is made larger or smaller, mirrored or run backwards."""
        batch = batch * torch.empty(len(batch), 1, 1).uniform_(*self.recipe.gains)
        spread = torch.randn(len(batch), 1, batch.shape[2])
        batch = batch * (self.recipe.dimension_gains * spread).exp()
        if self.recipe.reversals:
            turned = batch.flip(1)
            turned = turned - turned[:, self.past - 1 : self.past]
            backwards = torch.rand(len(batch), 1, 1) < self.recipe.reversals
            batch = torch.where(backwards, turned, batch)
        if self.recipe.mirrors:
            mirrored = torch.rand(len(batch), 1, 1) < self.recipe.mirrors
            batch = torch.where(mirrored, -batch, batch)
        return batch

    def _unsteadiness(self, batch: Tensor) -> Tensor:
        """Noise for what the state is shown, of another size in every window and dimension."""
        spread = torch.randn(len(batch), 1, batch.shape[2])
        sizes = SEEN_NOISE * self.typical_step * (self.recipe.noise_spread * spread).exp()
        return sizes * torch.randn_like(batch)

    @torch.no_grad()
    def _remember(self) -> None:
        """Move the averaged weights towards the present ones, fast at first."""
        memory = min(LONGEST_MEMORY, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        state = self.forecaster.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - memory)
            else:
                value.copy_(state[name])

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        """Mean loss of the averaged weights on windows that are not trained on."""
        torch.manual_seed(0)  # latent values are drawn alike in every epoch
        total = 0.0
        for batch in self.watched.split(256):
            total += self.average.loss(batch).item() * len(batch)
        return total / len(self.watched)

    def _judge(self, epoch: Epoch) -> None:
        """Keep the averaged weights if they are the best; refuse to go on from a runaway."""
        if epoch.train > self.history[0].train + DIVERGED:
            raise ModelError(
                f"forecaster: the training loss ran away, from {self.history[0].train:.2f} to "
                f"{epoch.train:.2f} per dimension; {ADVICE}"
            )
        self.since += 1
        if epoch.held_out < self.best_loss:
            self.best_loss, self.since = epoch.held_out, 0
            self.best.load_state_dict(self.average.state_dict())

    def _key(self) -> str:
        """Names this training: settings, sizes, seed and windows."""
        return content_id(
            "training",
            forecaster=self.forecaster.name,
            config=self.forecaster.config.model_dump(mode="json"),
            recipe={**asdict(self.recipe), "seconds": None, "epochs": None},
            seed=self.seed,
            train=[*self.train.shape, float(self.train.double().square().sum())],
            watched=[*self.watched.shape, float(self.watched.double().square().sum())],
        )

    def _save(self, checkpoint: Checkpoint) -> None:
        """Keep where this training stands."""
        progress = {
            "history": [[epoch.train, epoch.held_out] for epoch in self.history],
            "best": json.dumps(self.best_loss),  # may be infinite
            "since": self.since,
            "steps": self.steps,
        }
        checkpoint.save(self.parts, progress=progress)

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same training, if there is one."""
        found = checkpoint.restore(self.parts)
        if found is None:
            return
        progress = found["progress"]
        self.history = [Epoch(*losses) for losses in progress["history"]]
        self.best_loss = json.loads(progress["best"])
        self.since, self.steps = int(progress["since"]), int(progress["steps"])
