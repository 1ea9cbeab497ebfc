"""Convolution blocks over volumes (B, C, d, h, w), and coordinates in them.

Depth keeps its resolution throughout: only height and width shrink and grow. Attribute names are
the keys of the published state dicts.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def coordinate_volume(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """Positions (x, y, z) of all voxels, corners at -1 and 1: (d, h, w, 3), typed as `like`."""
    zs, ys, xs = (
        torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device)
        for size in (depth, height, width)
    )
    z, y, x = torch.meshgrid(zs, ys, xs, indexing="ij")
    return torch.stack([x, y, z], dim=-1)


def warp_volume(volume: Tensor, deformation: Tensor) -> Tensor:
    """Sample a volume (B, C, d, h, w) at the positions of a backward flow (B, d, h, w, 3)."""
    return F.grid_sample(volume, deformation, align_corners=False)


class DownBlock3d(nn.Module):
    """Convolution, batch norm, ReLU, then half the height and width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, d, h, w) -> (B, C', d, h/2, w/2)."""
        return F.avg_pool3d(F.relu(self.norm(self.conv(features))), (1, 2, 2))


class UpBlock3d(nn.Module):
    """Twice the height and width (nearest), then convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, d, h, w) -> (B, C', d, 2h, 2w)."""
        features = F.interpolate(features, scale_factor=(1.0, 2.0, 2.0))
        return F.relu(self.norm(self.conv(features)))


class ResBlock3d(nn.Module):
    """Two pre-activated convolutions around a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(width, width, 3, padding=1)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(width)
        self.norm2 = nn.BatchNorm3d(width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, d, h, w) -> (B, C, d, h, w)."""
        out = self.conv1(F.relu(self.norm1(features)))
        out = self.conv2(F.relu(self.norm2(out)))
        return out + features


class Encoder3d(nn.Module):
    """Down blocks of doubling width; keeps every resolution for the skips."""

    def __init__(self, inputs: int, widths: list[int]) -> None:
        super().__init__()
        widths = [inputs, *widths[1:]]
        self.down_blocks = nn.ModuleList(map(DownBlock3d, widths[:-1], widths[1:]))

    def forward(self, features: Tensor) -> list[Tensor]:
        """(B, C, d, h, w) -> the input and the output of every block, finest first."""
        levels = [features]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class Decoder3d(nn.Module):
    """Up blocks that join the encoder's level after each step, and a last convolution."""

    def __init__(self, inputs: int, widths: list[int]) -> None:
        super().__init__()
        last = len(widths) - 2
        self.up_blocks = nn.ModuleList(
            UpBlock3d(widths[level + 1] * (1 if level == last else 2), widths[level])
            for level in reversed(range(last + 1))
        )
        self.out_filters = widths[0] + inputs
        self.conv = nn.Conv3d(self.out_filters, self.out_filters, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_filters)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Encoder levels -> (B, out_filters, d, h, w)."""
        *skips, out = levels
        for block, skip in zip(self.up_blocks, reversed(skips), strict=True):
            out = torch.cat([block(out), skip], dim=1)
        return F.relu(self.norm(self.conv(out)))


class Hourglass3d(nn.Module):
    """Encoder and decoder with skips over volumes.

    Args:
        inputs: Channels of the input.
        block_expansion: Channels at full resolution; they double with every level.
        num_blocks: Levels; height and width must be multiples of 2^num_blocks.
        max_features: Where the doubling ends.
    """

    def __init__(
        self, inputs: int, block_expansion: int, num_blocks: int, max_features: int
    ) -> None:
        super().__init__()
        widths = [min(max_features, block_expansion * 2**level) for level in range(num_blocks + 1)]
        # The skip of full resolution is the input itself, so the finest width is never capped.
        widths[0] = block_expansion
        self.encoder = Encoder3d(inputs, widths)
        self.decoder = Decoder3d(inputs, widths)
        self.out_filters = self.decoder.out_filters

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, d, h, w) -> (B, out_filters, d, h, w)."""
        out: Tensor = self.decoder(self.encoder(features))
        return out
