"""The int8 form of a motion model for CPUs: convolutions on 8-bit integers, the rest on floats.

Weights have one scale per output channel. The input of a convolution has the range that was
measured while rendering a few frames. Activations use 7 of their 8 bits: a sum of two products
then fits 16 bits, in which processors without VNNI add, so all processors get the same integers.

The kernels come from oneDNN, a part of PyTorch; PyTorch's own quantiser uses the same ones.
"""

import copy
from collections.abc import Callable
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.doubling import UpConv, interleave

TOP = 127  # largest activation
HEADROOM = 1e-6  # least extent of a range, which must not be empty


def quantised(backbone: MotionBackbone, draw: Callable[[MotionBackbone], object]) -> MotionBackbone:
    """Copy a model that renders with 8-bit integers; both share the weights that stay floats.

    Args:
        backbone: A model in its inference form (`flawcast.generators.rendering.fused`). It is not
            changed.
        draw: Renders a few frames with a given model. Convolutions that it uses become integer
            ones, with the ranges of their inputs.
    """
    tensors = chain(backbone.parameters(), backbone.buffers())
    twin = copy.deepcopy(backbone, {id(tensor): tensor for tensor in tensors})
    ranges: dict[str, tuple[float, float]] = {}
    hooks = [
        module.register_forward_pre_hook(partial(_widen, ranges, name))
        for name, module in twin.named_modules()
        if isinstance(module, SameConv | UpConv)
    ]
    draw(twin)
    for hook in hooks:
        hook.remove()
    for name, (low, high) in ranges.items():
        parent, _, last = name.rpartition(".")
        module = twin.get_submodule(name)
        if isinstance(module, UpConv):
            form: nn.Module = Int8Up(module, low, high)
        else:
            assert isinstance(module, SameConv)  # noqa: S101 - narrows the type
            form = Int8Conv(module, low, high)
        setattr(twin.get_submodule(parent), last, form)
    return twin


def _widen(
    ranges: dict[str, tuple[float, float]], name: str, module: nn.Module, inputs: tuple[Tensor]
) -> None:
    """Record the range of a convolution's input; it always contains zero, the padding."""
    del module
    low, high = ranges.get(name, (0.0, HEADROOM))
    lowest, highest = torch.aminmax(inputs[0])
    ranges[name] = min(low, float(lowest)), max(high, float(highest))


class _Activations:
    """Maps floats in a range to integers from 0 to TOP."""

    def __init__(self, low: float, high: float) -> None:
        self.scale = (high - low) / TOP
        self.zero = round(-low / self.scale)

    def __call__(self, features: Tensor) -> Tensor:
        """(B, C, H, W) floats -> the same in uint8, channels last in memory."""
        features = features.contiguous(memory_format=torch.channels_last)
        whole = features.mul(1 / self.scale).add_(self.zero + 0.5).clamp_(0, TOP)
        return whole.to(torch.uint8)


class _Kernel:
    """Integer weights, and the convolution with them."""

    def __init__(self, weight: Tensor, bias: Tensor, seen: _Activations, margin: int) -> None:
        largest = weight.abs().amax((1, 2, 3)).clamp_min(1e-12)
        whole = (weight * (127 / largest)[:, None, None, None]).round().to(torch.int8)
        self.bias, self.seen, self.margin = bias, seen, [margin, margin]
        self.scales, self.zeros = largest / 127, torch.zeros(len(bias), dtype=torch.int64)
        self.packed = torch.ops.onednn.qconv_prepack(
            whole, self.scales, seen.scale, seen.zero, [1, 1], self.margin, [1, 1], 1, None
        )

    def __call__(self, whole: Tensor, after: str = "none") -> Tensor:
        """Convolve integers (B, C, H, W) -> floats (B, C', H', W'), after "none" or "relu"."""
        features: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(whole, self.seen.scale, self.seen.zero),
            *(self.packed, self.scales, self.zeros, self.bias),
            *([1, 1], self.margin, [1, 1], 1),
            *(1.0, 0, torch.float32, after, [], ""),
        )
        return features


class Int8Conv(nn.Module):
    """A convolution that keeps the size."""

    def __init__(self, conv: SameConv, low: float, high: float) -> None:
        super().__init__()
        self.integers = _Activations(low, high)
        self.kernel = _Kernel(conv.weight, conv.bias, self.integers, conv.margin)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        return self.kernel(self.integers(features))


class Int8Up(nn.Module):
    """Twice the resolution, a convolution and ReLU, as four 2x2 convolutions of the small image."""

    def __init__(self, block: UpConv, low: float, high: float) -> None:
        super().__init__()
        self.integers = _Activations(low, high)
        self.kernels = [_Kernel(kernel, block.bias, self.integers, 0) for kernel in block.kernels()]

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        edged = F.pad(self.integers(features), (1, 1, 1, 1), value=self.integers.zero)
        return interleave(edged, [partial(kernel, after="relu") for kernel in self.kernels])
