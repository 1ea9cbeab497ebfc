"""ResNet-18 without a download, with the state-dict names under which it is published."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions around a skip connection, the first of them with a stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(out)) + self.downsample(features))


class ResNet18(nn.Module):
    """Eighteen layers from an image to a vector.

    Args:
        inputs: Channels of the image.
        outputs: Length of the vector.
        width: Channels of the first layers, doubled thrice further in; 64 in the published one.

    Reference:
        He et al., 2016, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, inputs: int, outputs: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages = [
            nn.Sequential(BasicBlock(narrow, wide, stride), BasicBlock(wide, wide, 1))
            for (narrow, wide), stride in zip(
                pairwise(width * factor for factor in (1, 1, 2, 4, 8)), (1, 2, 2, 2), strict=True
            )
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(8 * width, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs)."""
        features = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
        pooled = features.mean(dim=(2, 3)).to(self.fc.weight.dtype)
        # The vector holds positions, which half precision would move by whole pixels.
        with torch.autocast(pooled.device.type, enabled=False):
            out: Tensor = self.fc(pooled)
        return out
