"""Convolutions for inference on a CPU, with fewer products where that is faster.

NNPACK, a part of PyTorch, computes a 3x3 convolution on tiles of 8x8 in Winograd's form, with 1.8
products per output pixel and pair of channels instead of 9 (Lavin & Gray, 2016,
https://arxiv.org/abs/1509.09308), and a 7x7 convolution by fast Fourier transforms. PyTorch itself
uses it only for batches of at least 16, where it is slower than for one image at a time.

Whether it is faster than oneDNN, which PyTorch uses, depends on the processor: large layers are
measured (`flawcast.generators.rendering.kernels`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.rendering.kernels import (
    Kernel,
    fastest,
    sample_image,
    worth_measuring,
)

PIXELS_WORTH_WHILE = 32 * 32  # on smaller images, transforming weights costs more than it saves
CHANNELS_WORTH_WHILE = {3: 64, 7: 24}  # by kernel size; fewer channels gain nothing


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
        # Winograd's form saves products for all pairs of channels, Fourier's for the wider side.
        channels = min(inputs, outputs) if size == 3 else max(inputs, outputs)
        wide = size in CHANNELS_WORTH_WHILE and channels >= CHANNELS_WORTH_WHILE[size]
        self.fewer_products = wide and torch.backends.nnpack.is_available()
        order = torch.contiguous_format if self.fewer_products else torch.channels_last
        self.register_buffer("weight", weight.detach().contiguous(memory_format=order))
        self.register_buffer("bias", bias.detach())

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        traced = torch.compiler.is_compiling()  # PyTorch's compiler does not know NNPACK
        supported = features.device.type == "cpu" and features.dtype == self.weight.dtype
        if traced or not supported or torch.is_autocast_enabled("cpu"):
            return F.conv2d(features, self.weight, self.bias, padding=self.margin)
        return self.ways()[self._way(*features.shape[2:])](features)

    def ways(self) -> dict[str, Kernel]:
        """The kernels, which give the same up to rounding."""
        ways: dict[str, Kernel] = {"onednn": self._at_once}
        if torch.backends.nnpack.is_available():  # asking also sets it up
            ways["nnpack"] = self._one_by_one
        return ways

    def _way(self, height: int, width: int) -> str:
        """The kernel for images of a size."""
        large = height * width >= PIXELS_WORTH_WHILE
        usual = "nnpack" if self.fewer_products and large else "onednn"
        outputs, inputs, size = self.weight.shape[:3]
        if (
            not large
            or size not in CHANNELS_WORTH_WHILE
            or not worth_measuring(inputs, outputs, size, height, width)
        ):
            return usual
        shape = f"convolution {size}x{size}, {inputs} to {outputs} channels, {height}x{width}"
        return fastest(shape, self.ways(), usual, lambda: sample_image(inputs, height, width))

    def _at_once(self, features: Tensor) -> Tensor:
        """Convolve a batch with oneDNN."""
        self._lay_out(torch.channels_last)
        return F.conv2d(features, self.weight, self.bias, padding=self.margin)

    def _one_by_one(self, features: Tensor) -> Tensor:
        """Convolve a batch with NNPACK."""
        self._lay_out(torch.contiguous_format)
        images = [self._one(_planes(image)) for image in features.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _lay_out(self, order: torch.memory_format) -> None:
        """Keep the weights in the order that a kernel reads them in."""
        if not self.weight.is_contiguous(memory_format=order):
            self.weight = self.weight.contiguous(memory_format=order)

    def _one(self, image: Tensor) -> Tensor:
        """Convolve one image (1, C, H, W) with NNPACK, which is fastest for single images."""
        padding = (self.margin, self.margin)
        return torch._nnpack_spatial_convolution(image, self.weight, self.bias, padding)


def _planes(image: Tensor) -> Tensor:
    """Lay out one image (1, C, H, W) channel by channel in memory.

    PyTorch transposes a matrix in blocks that fit the cache, but a four-dimensional image pixel by
    pixel, which is five times slower.
    """
    if image.is_contiguous() or not image.is_contiguous(memory_format=torch.channels_last):
        return image.contiguous()
    pixels = image.permute(0, 2, 3, 1).flatten(0, 2)  # (H * W, C), a view
    return pixels.t().contiguous().view_as(image)
