"""The half-precision form of a motion model: convolutions with weights of 16 bits.

`torch.autocast` alone would make 16-bit weights of 32-bit ones for every frame anew.
"""

import copy
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.doubling import UpConv, interleave


def with_half_weights(backbone: MotionBackbone, dtype: torch.dtype) -> MotionBackbone:
    """Copy a model in its inference form whose convolutions have weights of another type.

    All else is shared with the model, which is not changed. The copy is for rendering under
    `torch.autocast` alone: keypoints need all their bits.
    """
    tensors = chain(backbone.parameters(), backbone.buffers())
    twin = copy.deepcopy(backbone, {id(tensor): tensor for tensor in tensors})
    for name, module in list(twin.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(module, UpConv):
            setattr(twin.get_submodule(parent), last, HalfUp(module, dtype))
        elif isinstance(module, SameConv):
            setattr(twin.get_submodule(parent), last, HalfConv(module, dtype))
    return twin


class HalfConv(nn.Module):
    """A convolution that keeps the size."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: SameConv, dtype: torch.dtype) -> None:
        super().__init__()
        self.margin = conv.margin
        weight = conv.weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", conv.bias.to(dtype))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        features = features.to(self.weight.dtype)
        return F.conv2d(features, self.weight, self.bias, padding=self.margin)


class HalfUp(nn.Module):
    """Twice the resolution, a convolution and ReLU, as four 2x2 convolutions of the small image."""

    kernels: Tensor
    bias: Tensor

    def __init__(self, block: UpConv, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("kernels", block.kernels().to(dtype))
        self.register_buffer("bias", block.bias.to(dtype))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        edged = F.pad(features.to(self.kernels.dtype), (1, 1, 1, 1))
        return interleave(edged, [partial(self._corner, kernel) for kernel in self.kernels])

    def _corner(self, kernel: Tensor, shifted: Tensor) -> Tensor:
        """One of the four output pixels of every input pixel."""
        return F.relu_(F.conv2d(shifted, kernel, self.bias))
