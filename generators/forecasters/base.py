"""What every forecaster does: likelihood or error of a window, the best future, sampled futures."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from configs.registry import Registry
from configs.settings import validated


class ForecasterConfig(BaseModel):
    """Base of the forecasters' settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Forecaster(nn.Module, ABC):
    """A model of keypoint series in standardised coordinates (see `Coordinates`).

    Args:
        features: D, the length of one keypoint vector.
        config: An instance of `Config`.
    """

    Config: ClassVar[type[ForecasterConfig]]
    name: ClassVar[str]
    trains = True

    def __init__(self, features: int, config: ForecasterConfig) -> None:
        super().__init__()
        self.features = features
        self.config: ForecasterConfig = config

    def prepare(self, windows: Tensor) -> None:
        """Take what is needed from the training windows (B, T, D) before the first step."""
        del windows

    @abstractmethod
    def loss(self, windows: Tensor) -> Tensor:
        """Mean training loss per step and dimension of whole windows (B, T, D)."""

    @abstractmethod
    def predict(self, past: Tensor, horizon: int) -> Tensor:
        """The single best future: (B, P, D) -> (B, F, D)."""

    @abstractmethod
    def sample(
        self,
        past: Tensor,
        horizon: int,
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw futures: (B, P, D) -> (B, N, F, D).

        Args:
            past: Observed part of the windows.
            horizon: F.
            samples: N.
            generator: Source of all randomness, on the CPU.
            temperature: Factor of the base noise.
        """


FORECASTERS: Registry[type[Forecaster]] = Registry("forecaster", "generators.forecasters")


def build_forecaster(name: str, features: int, config: dict[str, Any]) -> Forecaster:
    """Make a forecaster for keypoint vectors of length D = `features`.

    Raises:
        SettingsError: If the name is unknown or the configuration does not fit.
    """
    kind = FORECASTERS[name]
    return kind(features, validated(kind.Config, config, f"forecaster {name}"))
