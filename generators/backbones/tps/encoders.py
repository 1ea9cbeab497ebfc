"""What the model reads off whole frames: keypoints, and how the background moved."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones.tps.resnet import ResNet18
from flawcast.generators.backbones.tps.settings import POINTS, CommonParams, EncoderParams


class KPDetector(nn.Module):
    """Keypoints of a frame, `POINTS` for every spline, regressed directly."""

    def __init__(self, common: CommonParams, params: EncoderParams) -> None:
        super().__init__()
        outputs = common.num_tps * POINTS * 2
        self.fg_encoder = ResNet18(common.num_channels, outputs, params.block_expansion)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, 2) in [-1, 1]."""
        return (torch.sigmoid(self.fg_encoder(frames)) * 2 - 1).unflatten(1, (-1, 2))


class BGMotionPredictor(nn.Module):
    """Affine motion of the background between two frames."""

    def __init__(self, common: CommonParams, params: EncoderParams) -> None:
        super().__init__()
        self.bg_encoder = ResNet18(2 * common.num_channels, 6, params.block_expansion)
        # The background stands still at first.
        nn.init.zeros_(self.bg_encoder.fc.weight)
        with torch.no_grad():
            self.bg_encoder.fc.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Two frames (B, 3, H, W) -> matrices (B, 3, 3) from driving to source positions."""
        rows: Tensor = self.bg_encoder(torch.cat([source, driving], dim=1)).unflatten(1, (2, 3))
        last = F.pad(rows.new_ones(len(rows), 1, 1), (2, 0))  # 0, 0, 1
        return torch.cat([rows, last], dim=1)
