"""Keypoint series in, futures out, all in raw keypoint units: fit, predict, sample, save, load."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs.errors import ClipError, ModelError
from configs.identity import derive_seed
from generators.forecasters.base import build_forecaster
from generators.forecasters.coordinates import Coordinates
from generators.weights import load_into, read_weights, write_weights

FILE = "forecaster.safetensors"
BATCH = 32
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
CLIP_NORM = 1.0
INPUT_NOISE = 0.01  # of a dimension's scale, added to training windows
GAINS = (0.7, 1.3)  # motion of a training window is scaled by a random factor of this range
PATIENCE = 20  # epochs without a better held-out loss
TEMPERATURES = (0.7, 1.5)  # within which the base noise is scaled so that samples move enough
CALIBRATION_WINDOWS, CALIBRATION_SAMPLES, BISECTIONS = 64, 32, 8

Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Epoch:
    """Mean losses of one epoch, per step and dimension."""

    train: float
    held_out: float


class KeypointPredictor:
    """A forecaster and the coordinates it works in.

    Args:
        name: Of the forecaster.
        features: D, the length of one keypoint vector.
        config: The forecaster's own settings.

    Raises:
        SettingsError: If the name is unknown or the settings do not fit.
    """

    def __init__(self, name: str, features: int, config: dict[str, Any] | None = None) -> None:
        self.name, self.features = name, features
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.forecaster = build_forecaster(name, features, config or {}).eval()
        self.coordinates = Coordinates(features)
        self.temperature = 1.0
        self.history: list[Epoch] = []

    def fit(
        self,
        series: Sequence[Tensor],
        past: int,
        future: int,
        *,
        validation: Sequence[Tensor] = (),
        seed: int = 0,
        epochs: int = 60,
        seconds: float | None = None,
        progress: Progress = lambda epoch, train, held_out: None,
    ) -> list[Epoch]:
        """Fit to keypoint series; the epoch with the best held-out loss is kept.

        Args:
            series: Keypoints of the training clips, each (T, D); shorter ones are left out.
            past: P.
            future: F.
            validation: Keypoints of held-out clips; without any, the training loss decides.
            seed: Decides order, noise and gains.
            epochs: At most so many passes over the windows.
            seconds: No new epoch begins after so long; None for no limit.
            progress: Called after every epoch with its number, training and held-out loss.

        Returns:
            The losses of all epochs.

        Raises:
            ClipError: If no series is as long as past + future.
            ModelError: If the series have another length D, or the loss stops being finite.
        """
        windows = self._windows(series, past, past + future)
        if not windows:
            raise ClipError(
                f"forecaster: expected a clip of at least past + future = {past + future} frames, "
                "found none; lower past and future or use longer clips"
            )
        self.coordinates.fit(windows, past)
        train = self._standardise(windows, past)
        held_out = self._standardise(self._windows(validation, past, past + future), past)
        self.forecaster.prepare(train)
        if self.forecaster.trains:
            watched = held_out if len(held_out) else train
            self._optimise(train, watched, seed, epochs, seconds, progress)
            self._calibrate(watched, past)
        return self.history

    @torch.no_grad()
    def predict(self, past: Tensor, horizon: int) -> Tensor:
        """The single best future: (P, D) -> (F, D), raw units."""
        self._check(past)
        origin = past[-1]
        future = self.forecaster.predict(self.coordinates(past, origin)[None], horizon)[0]
        return self.coordinates.inverse(future, origin)

    @torch.no_grad()
    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw futures in one batch: (P, D) -> (N, F, D), raw units.

        Args:
            past: Observed keypoints.
            horizon: F.
            samples: N.
            generator: Source of all randomness: the same state gives the same futures.
            temperature: Factor of the base noise; 1 is what the fit was calibrated to.

        Raises:
            ModelError: If D is another than the forecaster's.
        """
        self._check(past)
        origin = past[-1]
        seen = self.coordinates(past, origin)[None]
        scale = temperature * self.temperature
        drawn = self.forecaster.sample(seen, horizon, samples, generator, scale)[0]
        return self.coordinates.inverse(drawn, origin)

    def save(self, folder: Path) -> None:
        """Write `forecaster.safetensors`: weights, scales, and the settings in its header."""
        tensors = {f"forecaster.{key}": value for key, value in self._state("forecaster").items()}
        tensors |= {
            f"coordinates.{key}": value for key, value in self._state("coordinates").items()
        }
        header = {
            "forecaster": self.name,
            "features": self.features,
            "config": self.forecaster.config.model_dump(mode="json"),
            "temperature": self.temperature,
        }
        write_weights(folder / FILE, tensors, header)

    @staticmethod
    def load(folder: Path) -> "KeypointPredictor":
        """Read what `save` wrote.

        Raises:
            ModelError: If the file is absent, damaged or not a forecaster.
        """
        tensors, header = read_weights(folder / FILE)
        try:
            name, features, config, temperature = (
                header[key] for key in ("forecaster", "features", "config", "temperature")
            )
        except KeyError as missing:
            raise ModelError(
                f"model: expected a forecaster in {folder / FILE}, its header lacks {missing}; "
                "train it again"
            ) from None
        predictor = KeypointPredictor(name, features, config)
        predictor.temperature = float(temperature)
        for part in ("forecaster", "coordinates"):
            own = {
                key.removeprefix(f"{part}."): value
                for key, value in tensors.items()
                if key.startswith(f"{part}.")
            }
            load_into(getattr(predictor, part), own, f"{part} of {name}")
        return predictor

    def _state(self, part: str) -> dict[str, Tensor]:
        """State dict of one part."""
        state: dict[str, Tensor] = getattr(self, part).state_dict()
        return state

    def _check(self, past: Tensor) -> None:
        """Refuse keypoints of another length."""
        if past.shape[-1] != self.features:
            raise ModelError(
                f"keypoints: the forecaster {self.name} expects vectors of length D = "
                f"{self.features}, got {past.shape[-1]}; use the backbone of the same model"
            )

    def _windows(self, series: Sequence[Tensor], past: int, length: int) -> list[Tensor]:
        """All windows of a length, one frame apart."""
        for track in series:
            self._check(track)
        return [
            track[start : start + length]
            for track in series
            for start in range(len(track) - length + 1)
        ]

    def _standardise(self, windows: Sequence[Tensor], past: int) -> Tensor:
        """Windows around their last observed frames: (B, T, D)."""
        if not windows:
            return torch.empty(0, 0, self.features)
        stacked = torch.stack(list(windows))
        standard: Tensor = self.coordinates(stacked, stacked[:, past - 1])
        return standard

    def _optimise(
        self,
        train: Tensor,
        watched: Tensor,
        seed: int,
        epochs: int,
        seconds: float | None,
        progress: Progress,
    ) -> None:
        """Stochastic gradient descent with early stopping; ends with the best epoch's weights."""
        generator = torch.Generator().manual_seed(derive_seed(seed, "forecaster"))
        optimiser = torch.optim.AdamW(
            self.forecaster.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        best, best_state = math.inf, copy.deepcopy(self.forecaster.state_dict())
        since, began = 0, time.monotonic()
        for number in range(1, epochs + 1):
            epoch = Epoch(
                self._one_epoch(train, optimiser, generator), self._held_out_loss(watched)
            )
            self.history.append(epoch)
            progress(number, epoch.train, epoch.held_out)
            since += 1
            if epoch.held_out < best:
                best, since = epoch.held_out, 0
                best_state = copy.deepcopy(self.forecaster.state_dict())
            if since >= PATIENCE or (seconds is not None and time.monotonic() - began > seconds):
                break
        if not math.isfinite(best):
            raise ModelError(
                "forecaster: no epoch had a finite held-out loss; check the held-out clips for "
                "frozen or broken parts, or use a smaller flow (forecaster.config.blocks)"
            )
        self.forecaster.load_state_dict(best_state)

    def _one_epoch(
        self, train: Tensor, optimiser: torch.optim.Optimizer, generator: torch.Generator
    ) -> float:
        """Pass over all windows once, in random order, augmented; returns the mean loss."""
        self.forecaster.train()
        losses = []
        for rows in torch.randperm(len(train), generator=generator).split(BATCH):
            batch = train[rows]
            gain = torch.empty(len(batch), 1, 1).uniform_(*GAINS, generator=generator)
            noise = torch.randn(batch.shape, generator=generator)
            loss = self.forecaster.loss(gain * batch + INPUT_NOISE * noise)
            if not torch.isfinite(loss):
                raise ModelError(
                    "forecaster: the loss is not finite; check the clips for frozen or broken "
                    "parts, or use a smaller flow (forecaster.config.blocks)"
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.forecaster.parameters(), CLIP_NORM)
            optimiser.step()
            losses.append(loss.item())
        self.forecaster.eval()
        return sum(losses) / len(losses)

    @torch.no_grad()
    def _calibrate(self, watched: Tensor, past: int) -> None:
        """Scale the base noise so that samples move as much as held-out clips do.

        Fitted by likelihood, a small model on little data draws futures that are too calm; the
        temperature at which their mean displacement from frame to frame equals the truth's also
        scores better (energy score) than 1 does.
        """
        rows = torch.linspace(0, len(watched) - 1, min(CALIBRATION_WINDOWS, len(watched))).long()
        windows = watched[rows]
        truth = windows[:, past - 1 :].diff(dim=1).abs().mean()
        low, high = TEMPERATURES
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            generator = torch.Generator().manual_seed(0)
            drawn = self.forecaster.sample(
                windows[:, :past],
                windows.shape[1] - past,
                CALIBRATION_SAMPLES,
                generator,
                middle,
            )
            calm = drawn.diff(dim=2).abs().mean() < truth
            low, high = (middle, high) if calm else (low, middle)
        self.temperature = round((low + high) / 2, 3)

    @torch.no_grad()
    def _held_out_loss(self, watched: Tensor) -> float:
        """Mean loss of windows that are not trained on."""
        losses = [self.forecaster.loss(batch).item() * len(batch) for batch in watched.split(256)]
        return sum(losses) / len(watched)
