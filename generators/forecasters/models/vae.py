"""VAE: encodes each frame and decodes the frame h later."""

from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.frame_map import FrameMapConfig, FrameMapForecaster

LOG_VARIANCES = (-12.0, 6.0)


class VAEConfig(FrameMapConfig):
    """Sizes; the defaults fit small data on a CPU.

    Args:
        hidden: Units of each fully connected layer.
        depth: Number of layers of `hidden` units in the encoder and in the decoder.
        latent: Number of latent values of one frame.
        activation: Activation between the layers; the authors use "swish".
        noise_scale: Factor of the deviation of the latent values; the authors' code has 0.001.
        kl_weight: Weight of the divergence from the prior in the loss.
    """

    hidden: int = Field(128, ge=1)
    depth: int = Field(2, ge=1)
    latent: int = Field(20, ge=1)
    activation: Literal["relu", "swish"] = "swish"
    noise_scale: float = Field(1.0, gt=0)
    kl_weight: float = Field(0.05, ge=0)


@FORECASTERS.register("vae")
class VAEForecaster(FrameMapForecaster):
    """Time-lagged variational autoencoder, trained by squared error and divergence.

    Each frame is sampled with noise of its own, so the frames of a path are not consistent in time.

    Reference:
        Hernández et al., 2017, https://arxiv.org/abs/1711.08576
    """

    Config = VAEConfig
    table_place = 3
    small: ClassVar[dict[str, Any]] = {"hidden": 16, "depth": 1, "latent": 5}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"hidden": 256, "depth": 4, "latent": 20},
        "authors": {
            "hidden": 256,
            "depth": 4,
            "latent": 20,
            "noise_scale": 1e-3,
            "kl_weight": 1.0,
            "target": "positions",
        },
    }

    def __init__(self, features: int, config: VAEConfig) -> None:
        super().__init__(features, config)
        self.config: VAEConfig = config
        hidden, latent = [config.hidden] * config.depth, config.latent
        self.encoder = _layers([features, *hidden, latent], config.activation)
        self.latent_mean = nn.Linear(latent, latent)
        self.latent_log_variance = nn.Linear(latent, latent)
        self.decoder = _layers([latent, latent, *hidden, features], config.activation)

    def loss(self, windows: Tensor, seen: Tensor | None = None) -> Tensor:
        """Mean squared error plus weighted divergence, for frames h later of windows (B, T, D)."""
        before, after = self.pairs(windows)
        shown = before if seen is None else self.pairs(seen)[0]
        mean, log_variance = self._latent(shown)
        noise = torch.randn_like(mean) * self.config.noise_scale
        error = self.decoder(mean + (0.5 * log_variance).exp() * noise) - self.modelled(
            before, after
        )
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        return error.square().mean() + self.config.kl_weight * divergence.mean()

    @property
    def noise_size(self) -> int:
        """Number of latent values."""
        return self.config.latent

    def draw(self, frames: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Encode, add noise, decode: (..., D), (..., latent) -> (..., D)."""
        mean, log_variance = self._latent(frames)
        scale = self.config.noise_scale * temperature
        target: Tensor = self.decoder(mean + (0.5 * log_variance).exp() * scale * noise)
        return target

    def _latent(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and bounded log-variance of the frames' latent values."""
        code = self.encoder(frames)
        return self.latent_mean(code), self.latent_log_variance(code).clamp(*LOG_VARIANCES)


def _layers(widths: list[int], activation: str) -> nn.Sequential:
    """Fully connected layers with an activation between them."""
    kind = nn.SiLU if activation == "swish" else nn.ReLU
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), kind()]
    return nn.Sequential(*layers[:-1])
