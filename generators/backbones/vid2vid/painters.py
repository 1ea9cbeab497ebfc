"""The two published generators of face-vid2vid: a volume from the source, moved, then painted."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError
from flawcast.generators.backbones.vid2vid.motion import DenseMotion3d, DenseMotionNetwork
from flawcast.generators.backbones.vid2vid.settings import CommonParams, GeneratorParams
from flawcast.generators.backbones.vid2vid.spade import SPADEDecoder
from flawcast.generators.backbones.vid2vid.volumes import ResBlock3d
from flawcast.generators.blocks.geometry import resize_maps
from flawcast.generators.blocks.layers import DownBlock, ResBlock, SameBlock, UpBlock


class Painter(nn.Module, ABC):
    """What both generators share: encoding the source to a volume, and moving the volume.

    Args:
        common: Shared sizes.
        params: The generator's sizes.
        kernel: Kernel size of the first convolution.
    """

    def __init__(self, common: CommonParams, params: GeneratorParams, kernel: int) -> None:
        super().__init__()
        self.depth = params.reshape_depth
        self.dense_motion_network = DenseMotionNetwork(
            common, params.dense_motion_params, params.estimate_occlusion_map
        )
        widths = [
            min(params.max_features, params.block_expansion * 2**level)
            for level in range(params.num_down_blocks + 1)
        ]
        self.first = SameBlock(common.image_channel, widths[0], kernel)
        self.down_blocks = nn.ModuleList(map(DownBlock, widths[:-1], widths[1:]))
        self.second = nn.Conv2d(widths[-1], params.max_features, 1)
        self.resblocks_3d = nn.Sequential()
        for index in range(params.num_resblocks):
            self.resblocks_3d.add_module(f"3dr{index}", ResBlock3d(params.reshape_channel))
        self.width = params.block_expansion * 2**params.num_down_blocks
        self.third = SameBlock(params.max_features, self.width, 3, leaky=True)
        self.fourth = nn.Conv2d(self.width, self.width, 1)

    def encode(self, source: Tensor) -> Tensor:
        """(B, 3, H, W) -> volume (B, C, d, h, w)."""
        features = self.first(source)
        for block in self.down_blocks:
            features = block(features)
        volume: Tensor = self.resblocks_3d(self.second(features).unflatten(1, (-1, self.depth)))
        return volume

    def decode(self, moved: Tensor, motion: DenseMotion3d) -> Tensor:
        """Flatten a moved volume (B, C, d, h, w), hide what was occluded, paint: (B, 3, H, W)."""
        features = self.fourth(self.third(moved.flatten(1, 2)))
        if motion.occlusion is not None:
            features = features * resize_maps(motion.occlusion, features)
        return torch.sigmoid(self.paint(features))

    @abstractmethod
    def paint(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> logits of pixels (B, 3, H, W)."""


class OcclusionAwareGenerator(Painter):
    """Paints with residual and up blocks ("original")."""

    def __init__(self, common: CommonParams, params: GeneratorParams) -> None:
        super().__init__(common, params, kernel=7)
        self.resblocks_2d = nn.Sequential()
        for index in range(params.num_resblocks):
            self.resblocks_2d.add_module(f"2dr{index}", ResBlock(self.width))
        widths = [
            params.block_expansion * 2**level for level in range(params.num_down_blocks, -1, -1)
        ]
        self.up_blocks = nn.ModuleList(map(UpBlock, widths[:-1], widths[1:]))
        self.final = nn.Conv2d(params.block_expansion, common.image_channel, 7, padding=3)

    def paint(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> logits of pixels (B, 3, H, W)."""
        out = self.resblocks_2d(features)
        for block in self.up_blocks:
            out = block(out)
        logits: Tensor = self.final(out)
        return logits


class OcclusionAwareSPADEGenerator(Painter):
    """Paints with a SPADE decoder that is modulated by the moved features ("spade")."""

    def __init__(self, common: CommonParams, params: GeneratorParams) -> None:
        super().__init__(common, params, kernel=3)
        self.decoder = SPADEDecoder(common, params)

    def paint(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> logits of pixels (B, 3, H, W)."""
        logits: Tensor = self.decoder(features)
        return logits


GENERATORS: dict[str, type[OcclusionAwareGenerator] | type[OcclusionAwareSPADEGenerator]] = {
    "original": OcclusionAwareGenerator,
    "spade": OcclusionAwareSPADEGenerator,
}


def generator_kind(keys: Iterable[str]) -> Literal["original", "spade"]:
    """Identify the generator that a state dict belongs to.

    Args:
        keys: Keys of the generator or of the whole model.

    Raises:
        ModelError: If the keys are of neither.
    """
    segments = {segment for key in keys for segment in key.split(".")}
    if "conv_img" in segments:
        return "spade"
    if {"second", "final"} <= segments:
        return "original"
    raise ModelError(
        "generator: expected the keys of a face-vid2vid generator (final.weight or "
        "decoder.conv_img.weight), found neither; name another checkpoint or backbone"
    )
