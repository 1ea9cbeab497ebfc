"""A motion model's inference form: the same function with less arithmetic.

- A batch norm is a scale and a shift once training is over: both go into the convolution before it.
- Doubling an image by repeating pixels and then convolving it with a 3x3 kernel reads each source
  pixel several times. Each of the four output pixels that come from one source pixel sees only 2x2
  different ones: four 2x2 convolutions of the small image, 16 products instead of 36.
- A convolution of many channels is done with fewer products: `generators.convolutions`.

Results differ from the plain model's by rounding, less than 1e-4 in pixels.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial, singledispatch
from itertools import product
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.backbones import MotionBackbone
from generators.convolutions import SameConv
from generators.layers import DownBlock, ResBlock, SameBlock, UpBlock


def fused(backbone: MotionBackbone) -> MotionBackbone:
    """A copy of a trained model for inference alone; blocks with other norms stay as they are.

    Args:
        backbone: In eval mode. It is not changed.
    """
    twin = copy.deepcopy(backbone)
    _replace_blocks(twin)
    return twin.eval()


def _replace_blocks(module: nn.Module) -> None:
    """Put inference forms in the place of blocks, however deep."""
    for name, child in module.named_children():
        replacement = inference_form(child)
        if replacement is not None:
            setattr(module, name, replacement)
        else:
            _replace_blocks(child)


@singledispatch
def inference_form(block: nn.Module) -> nn.Module | None:
    """The inference form of a block; None where there is none."""
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
    return UpConv(block) if isinstance(block.norm, nn.BatchNorm2d) else None


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
    hooked = bool(conv._forward_pre_hooks)  # spectral norm makes its weights anew
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


class UpConv(nn.Module):
    """Twice the resolution and a convolution in one: 2x2 kernels for four output pixels."""

    kernels: Tensor
    bias: Tensor

    def __init__(self, block: UpBlock) -> None:
        super().__init__()
        conv = _folded(block.conv, block.norm)
        # Rows (or columns) of the 3x3 kernel that fall on the same source pixel, by output parity.
        taps = {0: ((0,), (1, 2)), 1: ((0, 1), (2,))}
        weight = conv.weight.detach().double()
        kernels = [
            torch.stack(
                [weight[:, :, rows][:, :, :, columns].sum((2, 3)) for rows, columns in pairs]
            )
            for pairs in (
                [(rows, columns) for rows in taps[down] for columns in taps[across]]
                for down in (0, 1)
                for across in (0, 1)
            )
        ]
        stacked = torch.stack(kernels).unflatten(1, (2, 2)).permute(0, 3, 4, 1, 2)
        self.register_buffer("kernels", stacked.to(conv.weight.dtype))
        self.register_buffer("bias", cast(Tensor, conv.bias).detach())

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        edged = F.pad(features, (1, 1, 1, 1))
        return self.woven(edged, [partial(self._part, kernel) for kernel in self.kernels])

    def _part(self, kernel: Tensor, seen: Tensor) -> Tensor:
        """Every second row and column of the output."""
        return F.relu_(F.conv2d(seen, kernel, self.bias))

    @staticmethod
    def woven(edged: Tensor, parts: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        """Put together what four 2x2 convolutions make of an image that was padded by a pixel."""
        batch, _, height, width = edged.shape
        rows, columns = height - 1, width - 1
        drawn = [
            part(edged[:, :, down : down + rows, across : across + columns])
            for part, (down, across) in zip(parts, product((0, 1), (0, 1)), strict=True)
        ]
        size = (batch, 2 * rows - 2, 2 * columns - 2, drawn[0].shape[1])
        out = drawn[0].new_empty(size).permute(0, 3, 1, 2)
        for part, (down, across) in zip(drawn, product((0, 1), (0, 1)), strict=True):
            out[:, :, down::2, across::2] = part
        return out


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
    """A convolution that does what it and the norm after it do."""
    scale, shift = (part.double() for part in _scale_and_shift(norm))
    folded = copy.deepcopy(conv)
    dtype = conv.weight.dtype
    weight = (conv.weight.detach().double() * scale[:, None, None, None]).to(dtype)
    folded.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
    bias = cast(Tensor, conv.bias).detach().double()
    folded.bias = nn.Parameter((bias * scale + shift).to(dtype))
    return folded
