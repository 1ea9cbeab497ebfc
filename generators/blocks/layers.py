"""Convolution blocks that motion models are made of, named as in published checkpoints.

Attribute names (`conv`, `norm`, `down_blocks`, ...) are the keys of the published state dicts, so a
published checkpoint loads with `strict=True`.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]  # makes the normalisation of so many channels


def instance_norm(width: int) -> nn.Module:
    """Instance norm with learnt scale and shift, as in thin-plate-spline motion models."""
    return nn.InstanceNorm2d(width, affine=True)


class DownBlock(nn.Module):
    """Convolution, norm, ReLU, then half the resolution."""

    def __init__(self, inputs: int, outputs: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = norm(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        return F.avg_pool2d(F.relu(self.norm(self.conv(features))), 2)


class UpBlock(nn.Module):
    """Twice the resolution (nearest), then convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = norm(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        return F.relu(self.norm(self.conv(F.interpolate(features, scale_factor=2.0))))


class SameBlock(nn.Module):
    """Convolution, norm, ReLU (or a leaky one) at one resolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        norm: Norm = nn.BatchNorm2d,
        leaky: bool = False,
    ) -> None:
        super().__init__()
        self.leaky = leaky
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.norm = norm(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        features = self.norm(self.conv(features))
        return F.leaky_relu(features) if self.leaky else F.relu(features)


class ResBlock(nn.Module):
    """Two pre-activated convolutions around a skip connection."""

    def __init__(self, width: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm1 = norm(width)
        self.norm2 = norm(width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out = self.conv1(F.relu(self.norm1(features)))
        out = self.conv2(F.relu(self.norm2(out)))
        return out + features


class Encoder(nn.Module):
    """Down blocks of doubling width; keeps every resolution for the skips."""

    def __init__(
        self,
        inputs: int,
        block_expansion: int,
        num_blocks: int,
        max_features: int,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        widths = [inputs, *_widths(block_expansion, num_blocks, max_features)[1:]]
        self.down_blocks = nn.ModuleList(
            DownBlock(narrow, wide, norm) for narrow, wide in pairwise(widths)
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> the input and the output of every block, finest first."""
        levels = [features]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class Decoder(nn.Module):
    """Up blocks that join the encoder's level of the same resolution after each step."""

    def __init__(
        self,
        inputs: int,
        block_expansion: int,
        num_blocks: int,
        max_features: int,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        widths = _widths(block_expansion, num_blocks, max_features)
        self.up_blocks = nn.ModuleList(
            UpBlock(widths[level + 1] * (1 if level == num_blocks - 1 else 2), widths[level], norm)
            for level in reversed(range(num_blocks))
        )
        self.out_filters = block_expansion + inputs

    def levels(self, levels: list[Tensor]) -> list[Tensor]:
        """Encoder levels -> what each step makes, coarsest first."""
        *skips, out = levels
        steps = []
        for block, skip in zip(self.up_blocks, reversed(skips), strict=True):
            out = torch.cat([block(out), skip], dim=1)
            steps.append(out)
        return steps

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Encoder levels -> (B, block_expansion + inputs, H, W)."""
        return self.levels(levels)[-1]


class Hourglass(nn.Module):
    """Encoder and decoder with skips (Newell et al., 2016, https://arxiv.org/abs/1603.06937)."""

    def __init__(
        self,
        inputs: int,
        block_expansion: int,
        num_blocks: int,
        max_features: int,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(inputs, block_expansion, num_blocks, max_features, norm)
        self.decoder = Decoder(inputs, block_expansion, num_blocks, max_features, norm)
        self.out_filters = self.decoder.out_filters

    def levels(self, features: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> the decoder's resolutions, coarsest first; the last is `forward`'s."""
        return self.decoder.levels(self.encoder(features))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_filters, H, W)."""
        out: Tensor = self.decoder(self.encoder(features))
        return out


class AntiAliasInterpolation(nn.Module):
    """Gaussian blur, then keep every n-th pixel: shrinks an image without aliasing."""

    weight: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.channels, self.step = channels, round(1 / scale)
        sigma = (1 / scale - 1) / 2
        self.margin = round(sigma * 4)
        offsets = torch.arange(-self.margin, self.margin + 1, dtype=torch.float32)
        bell = torch.exp(-(offsets**2) / (2 * sigma**2)) if sigma else torch.ones(1)
        kernel = torch.outer(bell, bell)
        kernel = (kernel / kernel.sum()).expand(channels, 1, *kernel.shape).clone()
        # The published files hold a kernel only where there is something to shrink.
        self.register_buffer("weight", kernel, persistent=self.step != 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H * scale, W * scale)."""
        if self.step == 1:
            return image
        blurred = F.conv2d(image, self.weight, padding=self.margin, groups=self.channels)
        return blurred[:, :, :: self.step, :: self.step]


def _widths(block_expansion: int, num_blocks: int, max_features: int) -> list[int]:
    """Channels at every level of an hourglass, finest first."""
    return [min(max_features, block_expansion * 2**level) for level in range(num_blocks + 1)]
