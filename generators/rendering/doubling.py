"""Doubling the resolution by repeating pixels, then a 3x3 convolution: both in one step.

Row x[i] of the input and one neighbour each give two rows of the output; columns work the same
way. If a, b and c are the kernel's rows, then:

    row 2i:      a x[i-1] + (b + c) x[i] = (a + b + c) x[i] - a (x[i] - x[i-1])
    row 2i + 1:  (a + b) x[i] + c x[i+1] = (a + b + c) x[i] + c (x[i+1] - x[i])

Three products give two rows, so nine products give four pixels. A 2x2 kernel for each of the four
pixels needs 16 products, and the plain convolution 36.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.rendering.kernels import Kernel, fastest, sample_image, worth_measuring

PIXELS_AT_ONCE = 2**10  # input pixels per band: its products are added while they are in the cache


class UpConv(nn.Module):
    """Twice the resolution, a 3x3 convolution and ReLU.

    Args:
        weight: (C', C, 3, 3).
        bias: (C',).
    """

    parts: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        by_row = _parts(weight.detach().double().permute(2, 3, 0, 1))
        by_both = _parts(by_row.transpose(0, 1)).transpose(0, 1)
        # (3, 3, C', C), rows first: factors of a pixel and of its differences to both neighbours.
        self.register_buffer("parts", by_both.to(weight.dtype).contiguous())
        self.register_buffer("bias", bias.detach())
        self._made: tuple[object, Tensor] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        supported = features.device.type == "cpu" and features.dtype == self.parts.dtype
        if not supported or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return self._by_corners(features)
        return self.ways()[self._way(*features.shape[2:])](features)

    def ways(self) -> dict[str, Kernel]:
        """The kernels, which give the same up to rounding."""
        return {"products": self._by_products, "corners": self._by_corners}

    def _way(self, height: int, width: int) -> str:
        """The kernel for images of a size."""
        outputs, inputs = self.parts.shape[2:]
        if not worth_measuring(inputs, outputs, 4, height, width):  # 16 products per pixel
            return "products"
        shape = f"doubling, {inputs} to {outputs} channels, {height}x{width}"
        way = fastest(shape, self.ways(), "products", lambda: sample_image(inputs, height, width))
        if way == "products":
            self._made = None  # measuring made it
        return way

    def _by_corners(self, features: Tensor) -> Tensor:
        """Compute the four pixels of every input pixel by a 2x2 convolution each."""
        edged = F.pad(features, (1, 1, 1, 1))
        kernels = self.kernels() if torch.compiler.is_compiling() else self._corners()
        return interleave(edged, [partial(self._corner, kernel) for kernel in kernels])

    def _corners(self) -> Tensor:
        """The four kernels, computed once for every place that the weights are at."""
        place = self.parts.device, self.parts.dtype, self.parts._version
        if self._made is None or self._made[0] != place:
            self._made = place, self.kernels()
        return self._made[1]

    def kernels(self) -> Tensor:
        """2x2 kernels, one for each of the four output pixels of a source pixel.

        (4, C', C, 2, 2): upper left, upper right, lower left, lower right.
        """
        by_row = _taps(self.parts)  # (output, tap, 3, C', C)
        by_both = _taps(by_row.movedim(2, 0))  # (column, its tap, row, its tap, C', C)
        return by_both.permute(2, 0, 4, 5, 3, 1).flatten(0, 1)

    def _corner(self, kernel: Tensor, shifted: Tensor) -> Tensor:
        """One of the four output pixels of every input pixel."""
        return F.relu_(F.conv2d(shifted, kernel, self.bias))

    def _by_products(self, features: Tensor) -> Tensor:
        """Compute the same by matrix products, one band of rows at a time."""
        batch, _, height, width = features.shape
        pixels = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (B, H + 2, W + 2, C)
        out = features.new_empty(batch, 2 * height, 2 * width, len(self.bias))
        rows = max(1, PIXELS_AT_ONCE // (batch * width))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            self._draw(pixels[:, top : bottom + 2], out[:, 2 * top : 2 * bottom])
        return out.permute(0, 3, 1, 2)

    def _draw(self, pixels: Tensor, out: Tensor) -> None:
        """Rows with an edge of one pixel (B, R + 2, W + 2, C) -> out (B, 2R, 2W, C')."""
        apart = pixels[:, 1:] - pixels[:, :-1]
        signals = (pixels[:, 1:-1], apart[:, :-1], apart[:, 1:])
        biases = (self.bias, None, None)
        parts = [self._columns(*each) for each in zip(signals, self.parts, biases, strict=True)]
        for column, (same, first, last) in enumerate(zip(*parts, strict=True)):
            torch.add(same, first, out=out[:, 0::2, column::2])
            torch.add(same, last, out=out[:, 1::2, column::2])
        out.relu_()

    @staticmethod
    def _columns(pixels: Tensor, parts: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rows (B, R, W + 2, C) -> terms of even and odd columns, (B, R, W, C') each."""
        apart = pixels[:, :, 1:] - pixels[:, :, :-1]
        same = F.linear(pixels[:, :, 1:-1], parts[0], bias)
        first, last = F.linear(apart, parts[1:].flatten(0, 1)).chunk(2, dim=-1)
        return same + first[:, :, :-1], same + last[:, :, 1:]


def interleave(edged: Tensor, corners: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    """Make an image of twice the resolution from four 2x2 convolutions.

    Args:
        edged: The small image with an edge of one pixel, (B, C, H + 2, W + 2).
        corners: Convolutions (B, C, H + 1, W + 1) -> (B, C', H, W) that give the four pixels of
            each input pixel: upper left, upper right, lower left, lower right.

    Returns:
        (B, C', 2H, 2W), channels last in memory.
    """
    batch, _, height, width = edged.shape
    places = list(product((0, 1), (0, 1)))
    parts = [
        corner(edged[:, :, down : down + height - 1, across : across + width - 1])
        for corner, (down, across) in zip(corners, places, strict=True)
    ]
    size = (batch, 2 * (height - 2), 2 * (width - 2), parts[0].shape[1])
    out = parts[0].new_empty(size).permute(0, 3, 1, 2)
    for part, (down, across) in zip(parts, places, strict=True):
        out[:, :, down::2, across::2] = part
    return out


def _parts(taps: Tensor) -> Tensor:
    """Three taps on the first axis -> factors of a pixel and of its differences to neighbours."""
    first, middle, last = taps
    return torch.stack([first + middle + last, -first, last])


def _taps(parts: Tensor) -> Tensor:
    """Result of `_parts` -> (2, 2, ...): two taps of the even output and two of the odd one."""
    same, first, last = parts
    return torch.stack([torch.stack([-first, same + first]), torch.stack([same - last, last])])
