"""EfficientNet-Lite0 as far as stride 16, with the state-dict names under which it is published."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-3  # of the batch norms, as in the original
# (blocks, kernel, stride, expansion, channels) of each stage; later ones are not needed here.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
STEM = 32
MIDDLE, LAST = 4, 10  # indices of the last blocks of strides 8 and 16


def same(features: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow does, so that the output has a stride-th of the size, rounded up."""
    edges = [
        max((-(-size // stride) - 1) * stride + kernel - size, 0)
        for size in reversed(features.shape[-2:])
    ]
    return F.pad(features, [share for edge in edges for share in (edge // 2, edge - edge // 2)])


class Block(nn.Module):
    """An inverted residual: expand, filter each channel, project.

    Args:
        inputs: Channels.
        outputs: Channels.
        kernel: Size of the filters.
        stride: Of the filters.
        expansion: Channels in between, as a multiple of the inputs.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.skips = stride == 1 and inputs == outputs
        wide = inputs * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, EPSILON)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, EPSILON)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        wide = features
        if hasattr(self, "_expand_conv"):
            wide = F.relu6(self._bn0(self._expand_conv(wide)))
        wide = self._depthwise_conv(same(wide, self.kernel, self.stride))
        out: Tensor = self._bn2(self._project_conv(F.relu6(self._bn1(wide))))
        return out + features if self.skips else out


class EfficientNetLite0(nn.Module):
    """The first eleven blocks, whose outputs have strides 8 and 16.

    Reference:
        Tan and Le, 2019, https://arxiv.org/abs/1905.11946; the Lite variant has no
        squeeze-and-excitation and clips its activations at 6.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, STEM, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON)
        shapes = [
            (kernel, stride if number == 0 else 1, expansion, channels)
            for count, kernel, stride, expansion, channels in STAGES
            for number in range(count)
        ]
        widths = [STEM, *(channels for *_, channels in shapes)]
        self._blocks = nn.ModuleList(
            Block(inputs, outputs, kernel, stride, expansion)
            for (inputs, outputs), (kernel, stride, expansion, _) in zip(
                pairwise(widths), shapes, strict=True
            )
        )

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features at two strides.

        Args:
            pictures: RGB in [0, 1], (B, 3, H, W).

        Returns:
            (B, 40, H / 8, W / 8) and (B, 112, H / 16, W / 16), sizes rounded up.
        """
        scaled = ((pictures * 255 - 127) / 128).contiguous(memory_format=torch.channels_last)
        features = F.relu6(self._bn0(self._conv_stem(same(scaled, 3, 2))))
        middle = features
        for number, block in enumerate(self._blocks):
            features = block(features)
            if number == MIDDLE:
                middle = features
        return middle, features
