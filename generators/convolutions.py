"""Convolutions for inference on a CPU: with fewer products where that is faster.

NNPACK, a part of PyTorch, does a 3x3 convolution on tiles of 8x8 in Winograd's form, 1.8 products
for each output pixel and pair of channels instead of 9 (Lavin & Gray, 2016,
https://arxiv.org/abs/1509.09308), and one of 7x7 by fast Fourier transforms. PyTorch itself chooses
it only for batches of 16 and more, where it is slower than for one image after the other.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXELS_WORTH_WHILE = 32 * 32  # on smaller images, transforming weights costs more than is saved
CHANNELS_WORTH_WHILE = 64


class SameConv(nn.Module):
    """A convolution that keeps the size.

    Args:
        weight: (C', C, k, k), k odd.
        bias: (C',).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        outputs, inputs, size = weight.shape[:3]
        self.margin = size // 2
        most, least = max(inputs, outputs), min(inputs, outputs)
        wide = least >= CHANNELS_WORTH_WHILE if size == 3 else most >= CHANNELS_WORTH_WHILE
        self.fewer_products = size in (3, 7) and wide and torch.backends.nnpack.is_available()
        order = torch.contiguous_format if self.fewer_products else torch.channels_last
        self.register_buffer("weight", weight.detach().contiguous(memory_format=order))
        self.register_buffer("bias", bias.detach())

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        large = features.shape[2] * features.shape[3] >= PIXELS_WORTH_WHILE
        traced = torch.compiler.is_compiling()  # PyTorch's compiler does not know NNPACK
        known = features.device.type == "cpu" and features.dtype == self.weight.dtype
        if self.fewer_products and large and known and not traced:
            return torch.cat([self._one(image) for image in features.split(1)])
        return F.conv2d(features, self.weight, self.bias, padding=self.margin)

    def _one(self, image: Tensor) -> Tensor:
        """One image (1, C, H, W) by NNPACK, which is quick for one at a time."""
        padding = (self.margin, self.margin)
        return torch._nnpack_spatial_convolution(image, self.weight, self.bias, padding)
