"""Perceptual pyramid loss: frames are compared as features at several resolutions."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.settings import MotionTraining
from flawcast.generators.blocks.layers import AntiAliasInterpolation
from flawcast.generators.weights import read_state_dict


class RandomFeatures(nn.Module):
    """Pixels and four levels of a fixed convolution stack with random orthogonal filters.

    Needs no download and no licence, which is why it is the default: random filters already tell
    edges and textures apart and, unlike plain pixels, punish blur (Ulyanov et al., 2018,
    https://arxiv.org/abs/1711.10925, on how much a network's structure alone knows of images).
    """

    WIDTHS = (3, 16, 32, 48, 64)

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(self.WIDTHS)
        )
        generator = torch.Generator().manual_seed(0)
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d)  # noqa: S101 - narrows the type
            nn.init.orthogonal_(layer.weight, gain=2**0.5, generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.requires_grad_(False)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> pixels and features at full, 1/2, 1/4 and 1/8 resolution."""
        levels, features = [frames], frames * 2 - 1
        for index, layer in enumerate(self.convolutions):
            if index and min(features.shape[2:]) >= 2:
                features = nn.functional.avg_pool2d(features, 2)
            features = torch.relu(layer(features))
            levels.append(features)
        return levels


class VGG19Features(nn.Module):
    """relu1_1 to relu5_1 of VGG19, as the original's loss uses them.

    Args:
        path: A state dict of torchvision's vgg19 (keys `features.N.weight`), read without
            executing code.

    Raises:
        ModelError: If the file is absent, is not a state dict, or is not VGG19's.

    Reference:
        Johnson et al., 2016, https://arxiv.org/abs/1603.08155
    """

    mean: Tensor
    deviation: Tensor

    CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
    TAPS = (1, 6, 11, 20, 29)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1

    def __init__(self, path: Path) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in self.CHANNELS:
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self._load(path)
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def _load(self, path: Path) -> None:
        wanted = "features_file: expected a state dict of torchvision's vgg19"
        state = read_state_dict(path, wanted)
        own = {f"features.{key}" for key in self.features.state_dict()}
        try:
            self.load_state_dict({key: state[key] for key in own})
        except (KeyError, RuntimeError, TypeError) as error:
            raise ModelError(f"{wanted}, {path} lacks or misshapes {error}") from None

    def forward(self, frames: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> five feature maps, finest first."""
        features = (frames - self.mean) / self.deviation
        taps = []
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in self.TAPS:
                taps.append(features)
        return taps


def _vgg19(path: Path | None) -> VGG19Features:
    """VGG19's features from the user's file."""
    if path is None:
        raise SettingsError(
            "features_file: expected the path of torchvision's vgg19 weights, got none; "
            "name the file or use features: random"
        )
    return VGG19Features(path)


FEATURES: dict[str, Callable[[Path | None], nn.Module]] = {
    "random": lambda _: RandomFeatures(),
    "vgg19": _vgg19,
}


class PerceptualLoss(nn.Module):
    """Weighted mean absolute difference of feature maps over an image pyramid.

    Args:
        settings: Features by name, their weights and the scales of the pyramid.

    Raises:
        SettingsError: If the features' name is unknown or the weights are not five.
    """

    def __init__(self, settings: MotionTraining) -> None:
        super().__init__()
        if settings.features not in FEATURES:
            raise SettingsError(
                f"features: expected one of {', '.join(FEATURES)}, got {settings.features!r}"
            )
        self.weights = settings.loss_weights.perceptual
        if len(self.weights) != 5:
            raise SettingsError(f"perceptual: expected 5 weights, got {len(self.weights)}")
        self.features = FEATURES[settings.features](settings.features_file)
        self.scales = nn.ModuleList(AntiAliasInterpolation(3, scale) for scale in settings.scales)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare (B, 3, H, W) with (B, 3, H, W): a scalar."""
        total = prediction.new_zeros(())
        for scale in self.scales:
            found, wanted = self.features(scale(prediction)), self.features(scale(target))
            for weight, ours, theirs in zip(self.weights, found, wanted, strict=True):
                total = total + weight * (ours - theirs.detach()).abs().mean()
        return total
