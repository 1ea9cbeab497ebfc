"""The interface of forecasters: training loss, the single best future, sampled futures."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.registry import Registry
from flawcast.configs.settings import Settings, validated
from flawcast.generators.forecasters.coordinates import Kind

PREDICT_SAMPLES = 100


class ForecasterConfig(Settings):
    """Base class of the settings of forecasters."""

    def for_windows(self, count: int, past: int, future: int) -> Self:
        """Settings with sizes that depend on the training windows filled in.

        Args:
            count: Number of training windows, B.
            past: Observed frames of a window, P.
            future: Future frames of a window, F.
        """
        del count, past, future
        return self

    def parts_by_name(self) -> dict[str, dict[str, Any]]:
        """Names and settings of the forecasters that this one is made of; none for most."""
        return {}


class Forecaster(nn.Module, ABC):
    """A model of keypoint series in standardised coordinates (see `Coordinates`).

    Args:
        features: Length of one keypoint vector, D.
        config: Settings, an instance of `Config`.
    """

    Config: ClassVar[type[ForecasterConfig]]
    name: ClassVar[str]  # the registered name
    trains = True  # whether gradient descent trains it; if not, it is ready after `prepare`
    stochastic = True
    coordinates: ClassVar[Kind] = "centred"  # in which it works best
    calibrates: ClassVar[bool] = False  # `prepare_by_group` calibrates it, no clip is held out
    presets: ClassVar[dict[str, dict[str, Any]]] = {}  # published sizes, by name
    small: ClassVar[dict[str, Any]] = {}  # settings with which a test trains it in seconds
    whole_paths: ClassVar[bool] = False  # whether a path's first noise decides all its frames
    baseline: ClassVar[bool] = False  # evaluations always show a baseline
    table_place: ClassVar[int] = 100  # tables are sorted by this number, then by name
    samples_compared: ClassVar[bool] = False  # evaluations render its samples by default
    weights_of: ClassVar[str | None] = None  # name of the forecaster that it shares weights with
    compared_with_mean_feedback: ClassVar[bool] = False  # evaluations add `feedback="mean"`

    def __init__(self, features: int, config: ForecasterConfig) -> None:
        super().__init__()
        self.features = features
        self.config: ForecasterConfig = config

    def prepare(self, windows: Tensor, past: int) -> None:
        """Take statistics from the training windows (B, T, D), P = `past`, before training."""
        del windows, past

    def prepare_by_group(self, windows: Tensor, past: int, groups: Tensor) -> None:
        """As `prepare`, for windows whose groups are known.

        Args:
            windows: Training windows, (B, T, D); those of a group stand in the order of time.
            past: Observed frames of a window, P.
            groups: Number of each window's group, (B,). What is true of a group that was left out
                is likely to be true of clips that nobody has seen.
        """
        del groups
        self.prepare(windows, past)

    @property
    def members(self) -> "Sequence[Forecaster]":
        """What is prepared, trained and calibrated one by one: itself, or its parts."""
        return (self,)

    def tempered(self, temperatures: Sequence[float]) -> float:
        """Take the fitted temperature of every member; returns that of the whole."""
        return temperatures[0]

    @abstractmethod
    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean training loss per step and dimension of whole windows (B, T, D).

        Args:
            windows: True windows, which the model has to explain.
            seen: Windows that the model gets as input, (B, T, D); by default the true ones.
        """

    @property
    def noise_size(self) -> int:
        """Number of normal values that one step of one path consumes."""
        return 0

    @abstractmethod
    def roll_out(self, past: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn base noise into futures; each path depends only on its own noise.

        Args:
            past: Observed part of the windows, (B, P, D).
            noise: Standard normal, (B, N, F, `noise_size`).
            temperature: Factor of the noise.

        Returns:
            Futures, (B, N, F, D).
        """

    def check_samples(self) -> None:
        """Refuse a forecaster that cannot sample.

        Raises:
            ModelError: If the forecaster predicts only a single future.
        """
        if not self.stochastic:
            raise ModelError(
                f"forecaster {self.name}: expected one that draws samples, this one knows a single "
                "future; use predict, or train vae, nf, vrnn or gru_nf"
            )

    @torch.no_grad()
    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """Sample futures that differ only in the noise: (B, P, D) -> (B, N, F, D).

        Args:
            past: Observed part of the windows.
            horizon: Number of future frames, F.
            samples: Number of futures per window, N.
            generator: Source of all randomness, on the CPU.
            temperature: Factor of the base noise.

        Raises:
            ModelError: If the forecaster predicts only a single future.
        """
        self.check_samples()
        shape = (len(past), samples, horizon, self.noise_size)
        noise = torch.randn(shape, generator=generator).to(past)
        return self.roll_out(past, noise, temperature)

    @torch.no_grad()
    def predict(self, past: Tensor, horizon: int, temperature: float = 1.0) -> Tensor:
        """Predict the single best future: (B, P, D) -> (B, F, D).

        For a stochastic forecaster this is the median of 100 samples in every frame and dimension,
        with a fixed seed. It minimises the absolute error and is smoother than any sample.
        """
        if not self.stochastic:
            return self.roll_out(past, past.new_zeros(len(past), 1, horizon, 0))[:, 0]
        generator = torch.Generator().manual_seed(0)
        futures = self.sample(past, horizon, PREDICT_SAMPLES, generator, temperature)
        return futures.median(dim=1).values


FORECASTERS: Registry[type[Forecaster]] = Registry(
    "forecaster", "flawcast.generators.forecasters.models"
)


def build_forecaster(name: str, features: int, config: dict[str, Any]) -> Forecaster:
    """Make a forecaster for keypoint vectors of length D = `features`.

    Args:
        name: A registered name.
        features: Length of one keypoint vector, D.
        config: The forecaster's settings; "preset" may name published sizes, which the other
            keys override.

    Raises:
        SettingsError: If the name is unknown or the configuration does not fit.
    """
    kind = FORECASTERS[name]
    return kind(features, validated(kind.Config, with_preset(kind, config), f"forecaster {name}"))


def with_preset(kind: type[Forecaster], config: dict[str, Any]) -> dict[str, Any]:
    """Replace the key "preset" with the sizes that it names.

    Raises:
        SettingsError: If the forecaster has no such preset.
    """
    config = dict(config)
    name = config.pop("preset", None)
    if name is None:
        return config
    if name not in kind.presets:
        presets = ", ".join(sorted(kind.presets)) or "none"
        raise SettingsError(
            f"forecaster {kind.name}: preset: expected one of {presets}; got {name!r}"
        )
    return {**kind.presets[name], **config}
