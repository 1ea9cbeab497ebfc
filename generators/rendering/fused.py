"""The inference form of a motion model: the same function with less arithmetic.

- After training, a batch norm is a scale and a shift, which the convolution before it absorbs.
- Repeating the pixels of an image and then convolving it reads the same values several times;
  `flawcast.generators.rendering.doubling` does both in one step.
- `flawcast.generators.rendering.convolutions` convolves many channels with fewer products.

Pixels differ from those of the plain model only by rounding, by less than 1e-4.
"""

import copy
from functools import singledispatch
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.blocks.layers import DownBlock, ResBlock, SameBlock, UpBlock
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.doubling import UpConv


def for_inference(backbone: MotionBackbone) -> MotionBackbone:
    """Copy a trained model for inference only; blocks without batch norm stay as they are.

    Args:
        backbone: A model in eval mode. It is not changed.
    """
    twin = copy.deepcopy(backbone)
    _replace_blocks(twin)
    return twin.eval()


def _replace_blocks(module: nn.Module) -> None:
    """Replace blocks with their inference forms, at any depth."""
    for name, child in module.named_children():
        replacement = inference_form(child)
        if replacement is not None:
            setattr(module, name, replacement)
        else:
            _replace_blocks(child)


@singledispatch
def inference_form(block: nn.Module) -> nn.Module | None:
    """The inference form of a block; None if it has none."""
    del block
    return None


@inference_form.register
def _(block: SameBlock) -> nn.Module | None:
    return _FusedSame(block) if isinstance(block.norm, nn.BatchNorm2d) else None


@inference_form.register
def _(block: DownBlock) -> nn.Module | None:
    return _FusedDown(block) if isinstance(block.norm, nn.BatchNorm2d) else None


@inference_form.register
def _(block: UpBlock) -> nn.Module | None:
    if not isinstance(block.norm, nn.BatchNorm2d):
        return None
    conv = _folded(block.conv, block.norm)
    return UpConv(conv.weight, cast(Tensor, conv.bias))


@inference_form.register
def _(block: ResBlock) -> nn.Module | None:
    return _FusedRes(block) if isinstance(block.norm1, nn.BatchNorm2d) else None


@inference_form.register
def _(conv: nn.Conv2d) -> nn.Module | None:
    size = conv.kernel_size[0]
    keeps_size = size % 2 == 1 and conv.padding == (size // 2, size // 2)
    plain = conv.stride == conv.dilation == (1, 1) and conv.kernel_size == (size, size)
    if not (keeps_size and plain and conv.groups == 1 and conv.bias is not None):
        return None
    hooked = bool(conv._forward_pre_hooks)  # spectral norm recomputes its weights in a hook
    return None if hooked else _same(conv)


class _FusedSame(nn.Module):
    """Convolution with its norm in it, then ReLU."""

    def __init__(self, block: SameBlock) -> None:
        super().__init__()
        self.leaky = block.leaky
        self.conv = _same(_folded(block.conv, block.norm))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        features = self.conv(features)
        return F.leaky_relu_(features) if self.leaky else F.relu_(features)


class _FusedDown(nn.Module):
    """Convolution with its norm in it, ReLU, then half the resolution."""

    def __init__(self, block: DownBlock) -> None:
        super().__init__()
        self.conv = _same(_folded(block.conv, block.norm))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        return F.avg_pool2d(F.relu_(self.conv(features)), 2)


class _FusedRes(nn.Module):
    """Two convolutions around a skip; the second norm is in the first convolution."""

    scale: Tensor
    shift: Tensor

    def __init__(self, block: ResBlock) -> None:
        super().__init__()
        scale, shift = _scale_and_shift(block.norm1)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])
        self.conv1 = _same(_folded(block.conv1, block.norm2))
        self.conv2 = _same(block.conv2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out = F.relu_(torch.addcmul(self.shift, features, self.scale))
        return self.conv2(F.relu_(self.conv1(out))) + features


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """What a batch norm does in eval mode, per channel."""
    batch_norm = cast(nn.BatchNorm2d, norm)
    mean, variance = cast(Tensor, batch_norm.running_mean), cast(Tensor, batch_norm.running_var)
    scale = batch_norm.weight.detach().double() / (variance.double() + batch_norm.eps).sqrt()
    shift = batch_norm.bias.detach().double() - mean.double() * scale
    return scale.to(mean.dtype), shift.to(mean.dtype)


def _same(conv: nn.Conv2d) -> SameConv:
    """The inference form of a convolution that keeps the size."""
    return SameConv(conv.weight, cast(Tensor, conv.bias))


def _folded(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """One convolution with the effect of a convolution and the norm after it."""
    scale, shift = (part.double() for part in _scale_and_shift(norm))
    folded = copy.deepcopy(conv)
    dtype = conv.weight.dtype
    weight = (conv.weight.detach().double() * scale[:, None, None, None]).to(dtype)
    folded.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
    bias = cast(Tensor, conv.bias).detach().double()
    folded.bias = nn.Parameter((bias * scale + shift).to(dtype))
    return folded
