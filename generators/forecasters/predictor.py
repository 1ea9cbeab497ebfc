"""Fit, predict, sample, save and load forecasters of keypoint series in raw keypoint units."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.errors import ClipError, ModelError
from flawcast.configs.identity import derive_seed
from flawcast.generators.forecasters.base import FORECASTERS, build_forecaster
from flawcast.generators.forecasters.calibration import fitted_reach, fitted_temperature
from flawcast.generators.forecasters.coordinates import Coordinates, Kind
from flawcast.generators.forecasters.training import Epoch, Progress, Recipe, Training
from flawcast.generators.weights import load_into, read_weights, write_weights

FILE = "forecaster.safetensors"


class KeypointPredictor:
    """A forecaster and the coordinates it works in.

    Args:
        name: Registered name of the forecaster.
        features: Length of one keypoint vector, D.
        config: The forecaster's own settings; "preset" may name published sizes.
        coordinates: Kind of the coordinates; None for the forecaster's own.
        seed: Seed of the initial weights; `fit` replaces them, with its own seed.

    Raises:
        SettingsError: If the name is unknown or the settings do not fit.
    """

    def __init__(
        self,
        name: str,
        features: int,
        config: dict[str, Any] | None = None,
        *,
        coordinates: Kind | None = None,
        seed: int = 0,
    ) -> None:
        self.name, self.features = name, features
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.forecaster = build_forecaster(name, features, config or {}).eval()
        self.coordinates = Coordinates(features, coordinates or self.forecaster.coordinates)
        self.temperature = 1.0
        self.reach = 1.0
        self.history: list[Epoch] = []

    def fit(
        self,
        series: Sequence[Tensor],
        past: int,
        future: int,
        *,
        validation: Sequence[Tensor] = (),
        groups: Sequence[str] = (),
        spare: bool = False,
        trained: "Mapping[str, KeypointPredictor] | None" = None,
        seed: int = 0,
        epochs: int = 60,
        seconds: float | None = None,
        recipe: Recipe | None = None,
        progress: Progress = lambda epoch, train, held_out: None,
        checkpoint: Path | None = None,
    ) -> list[Epoch]:
        """Fit to keypoint series and keep the epoch with the best held-out loss.

        Args:
            series: Keypoints of the training clips, each (T, D); clips shorter than
                past + future are left out.
            past: Observed frames of a window, P.
            future: Future frames of a window, F.
            validation: Keypoints of held-out clips; if empty, the training loss decides.
            groups: The group of every training clip, then of every held-out one; by default every
                clip is a group of its own.
            spare: Whether nothing is tested on the held-out clips, so that forecasters which
                calibrate themselves and need none may learn from them as well.
            trained: Predictors by name that were fitted to the same clips with the same seed and
                recipe; a part of a mixture with equal settings takes their weights.
            seed: Seed of initial weights, order, noise, gains and dropout.
            epochs: Largest number of passes over the windows.
            seconds: Time after which no new epoch begins; None for no limit.
            recipe: All settings of the training; replaces `epochs` and `seconds`.
            progress: Called after every epoch with its number, training and held-out loss.
            checkpoint: A file to resume from if it holds the same training; see `Training.run`.

        Returns:
            The losses of all epochs.

        Raises:
            ClipError: If no series is as long as past + future.
            ModelError: If the series differ from `features` in D, or the loss diverges.
        """
        windows = self._windows(series, past + future)
        if not windows:
            raise ClipError(
                f"forecaster: expected a clip of at least past + future = {past + future} frames, "
                "found none; lower past and future or use longer clips"
            )
        if not all(window.isfinite().all() for window in windows):
            raise ModelError(
                "forecaster: the keypoints are not finite; check the clips for frozen or broken "
                "parts, or train the motion model again"
            )
        self.coordinates.fit(windows, past)
        train = self._standardise(windows, past)
        held_out = self._standardise(self._windows(validation, past + future), past)
        watched = held_out if len(held_out) else train
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "forecaster weights"))
            count = len(train) + spare * len(held_out)
            config = self.forecaster.config.for_windows(count, past, future)
            self.forecaster = type(self.forecaster)(self.features, config).eval()
        numbers = _group_numbers([*series, *validation], groups, past + future)
        everything = torch.cat([train, held_out]) if spare and len(held_out) else train
        plan = recipe or Recipe(epochs=epochs, seconds=seconds)
        self.history, temperatures = [], []
        for member in self.forecaster.members:
            learnt = everything if member.calibrates else train
            member.prepare_by_group(learnt, past, numbers[: len(learnt)])
            known = (trained or {}).get(member.name)
            if known is not None and known.forecaster.config == member.config:
                load_into(member, known.forecaster.state_dict(), f"part {member.name}")
            elif member.trains:
                training = Training(member, train, watched, past, seed, plan)
                self.history += training.run(progress, checkpoint)
            fits = member.stochastic and not member.calibrates
            temperatures.append(fitted_temperature(member, watched, past) if fits else 1.0)
        self.temperature = self.forecaster.tempered(temperatures)
        unseen = len(held_out) and not (
            spare and any(member.calibrates for member in self.forecaster.members)
        )
        self.reach = fitted_reach(self._best, watched, past) if unseen else 1.0
        return self.history

    @torch.no_grad()
    def predict(self, past: Tensor, horizon: int) -> Tensor:
        """Predict the single best future: (P, D) -> (F, D), raw units.

        This is the forecaster's own best future (the median of 100 samples if it is stochastic),
        with its displacement from the last frame multiplied by the factor that was best on
        held-out clips.
        """
        self._check(past)
        scaling = self.coordinates.scaling(past)
        future = self._best(scaling.standardise(past)[None], horizon)[0]
        return past[-1] + self.reach * (scaling.restore(future) - past[-1])

    @torch.no_grad()
    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """Sample futures in one batch: (P, D) -> (N, F, D), raw units.

        Args:
            past: Observed keypoints.
            horizon: Number of future frames, F.
            samples: Number of futures, N.
            generator: Source of all randomness: the same state gives the same futures.
            temperature: Factor of the base noise, relative to the calibrated one.

        Raises:
            ModelError: If D differs from the forecaster's, or the forecaster cannot sample.
        """
        self._check(past)
        scaling = self.coordinates.scaling(past)
        observed = scaling.standardise(past)[None]
        scale = temperature * self.temperature
        futures = self.forecaster.sample(observed, horizon, samples, generator, scale)[0]
        return scaling.restore(futures)

    def varied(self, name: str | None = None, **settings: Any) -> "KeypointPredictor":
        """Use the same weights with other settings, without training.

        Args:
            name: Name of another forecaster that can use these weights: "gru_snf" refines the
                samples of a "gru_nf". None for the same forecaster.
            settings: Settings of inference ("feedback", "metropolis_steps").

        Raises:
            ModelError: If the weights do not fit the other forecaster or setting.
            SettingsError: If the name or a setting is unknown.
        """
        name = name or self.name
        fields = FORECASTERS[name].Config.model_fields
        config = {
            key: value
            for key, value in self.forecaster.config.model_dump().items()
            if key in fields
        }
        predictor = KeypointPredictor(
            name, self.features, {**config, **settings}, coordinates=self.coordinates.kind
        )
        for part in ("forecaster", "coordinates"):
            load_into(getattr(predictor, part), self._state(part), f"{part} of {name}")
        predictor.temperature, predictor.reach = self.temperature, self.reach
        predictor.history = self.history
        return predictor

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
            "coordinates": self.coordinates.kind,
            "temperature": self.temperature,
            "reach": self.reach,
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
            name, features, config, kind = (
                header[key] for key in ("forecaster", "features", "config", "coordinates")
            )
            temperature, reach = (float(header[key]) for key in ("temperature", "reach"))
        except KeyError as missing:
            raise ModelError(
                f"model: expected a forecaster in {folder / FILE}, its header lacks {missing}; "
                "train it again"
            ) from None
        predictor = KeypointPredictor(name, features, config, coordinates=kind)
        predictor.temperature, predictor.reach = temperature, reach
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
        """Refuse keypoint vectors of a length other than D."""
        if past.shape[-1] != self.features:
            raise ModelError(
                f"keypoints: the forecaster {self.name} expects vectors of length D = "
                f"{self.features}, got {past.shape[-1]}; use the backbone of the same model"
            )

    def _best(self, past: Tensor, horizon: int) -> Tensor:
        """The forecaster's single future, standardised: (B, P, D) -> (B, F, D)."""
        return self.forecaster.predict(past, horizon, self.temperature)

    def _windows(self, series: Sequence[Tensor], length: int) -> list[Tensor]:
        """All windows of a length, one frame apart."""
        for track in series:
            self._check(track)
        return [
            track[start : start + length]
            for track in series
            for start in range(len(track) - length + 1)
        ]

    def _standardise(self, windows: Sequence[Tensor], past: int) -> Tensor:
        """Windows in the forecaster's coordinates: (B, T, D)."""
        if not windows:
            return torch.empty(0, 0, self.features)
        stacked = torch.stack(list(windows))
        return self.coordinates.scaling(stacked[:, :past]).standardise(stacked)


def _group_numbers(series: Sequence[Tensor], groups: Sequence[str], length: int) -> Tensor:
    """Number of the group of every window: (B,)."""
    names = [*groups[: len(series)]] or [str(number) for number in range(len(series))]
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    counts = [max(0, len(track) - length + 1) for track in series]
    numbers = torch.tensor([known[name] for name in names])
    return numbers.repeat_interleave(torch.tensor(counts))
