"""Encodes a source, moves its features, hides what was occluded, and paints the frame."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from flawcast.generators.backbones.tps.dense_motion import DenseMotion
from flawcast.generators.backbones.tps.settings import CommonParams, GeneratorParams
from flawcast.generators.blocks.geometry import resize_maps, warp
from flawcast.generators.blocks.layers import DownBlock, ResBlock, SameBlock, UpBlock, instance_norm


class InpaintingNetwork(nn.Module):
    """Paints at every resolution what the moved source does not show (section 3.2 of the paper)."""

    def __init__(self, common: CommonParams, params: GeneratorParams) -> None:
        super().__init__()
        widths = [
            min(params.max_features, params.block_expansion * 2**level)
            for level in range(params.num_down_blocks + 1)
        ]
        # A level's features come with the encoder's of the same resolution, but for the coarsest.
        inputs = [widths[-1], *(2 * width for width in widths[-2:0:-1])]
        self.first = SameBlock(common.num_channels, widths[0], 7, instance_norm)
        self.down_blocks = nn.ModuleList(
            DownBlock(fine, coarse, instance_norm) for fine, coarse in pairwise(widths)
        )
        self.up_blocks = nn.ModuleList(
            UpBlock(coarse, fine, instance_norm)
            for coarse, fine in zip(inputs, widths[-2::-1], strict=True)
        )
        self.resblock = nn.ModuleList(
            ResBlock(width, instance_norm) for width in inputs for _ in range(2)
        )
        self.final = nn.Conv2d(widths[0], common.num_channels, 7, padding=3)

    def encode(self, frames: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> features at every resolution, finest first."""
        levels = [self.first(frames)]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return tuple(levels)

    def decode(self, source: Tensor, features: Sequence[Tensor], motion: DenseMotion) -> Tensor:
        """Move a source (B, 3, H, W) and its features, and paint what is missing: (B, 3, H, W)."""
        *skips, out = moved_features(features, motion)
        for level in reversed(range(len(skips))):
            step = len(skips) - 1 - level
            out = self.resblock[2 * step + 1](self.resblock[2 * step](out))
            out = self.up_blocks[step](out)
            if level:
                out = torch.cat([out, skips[level]], dim=1)
        visible = resize_maps(motion.masks[0], source, align_corners=True)
        painted = torch.sigmoid(self.final(out * (1 - visible) + skips[0]))
        moved = warp(source, motion.deformation, align_corners=True)
        return painted * (1 - visible) + moved * visible


def moved_features(features: Sequence[Tensor], motion: DenseMotion) -> list[Tensor]:
    """Features of all resolutions, warped by the flow and hidden where they are occluded."""
    warped = [warp(level, motion.deformation, align_corners=True) for level in features]
    return hidden_features(warped, motion)


def hidden_features(features: Sequence[Tensor], motion: DenseMotion) -> list[Tensor]:
    """Features of all resolutions, zero where the source was occluded."""
    return [
        level * resize_maps(mask, level, align_corners=True)
        for level, mask in zip(features, motion.masks, strict=True)
    ]
