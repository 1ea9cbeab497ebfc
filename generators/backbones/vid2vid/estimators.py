"""What face-vid2vid reads from a frame: canonical 3D keypoints, and head pose with expression."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones.vid2vid.settings import (
    CommonParams,
    HEEstimatorParams,
    KPDetectorParams,
)
from flawcast.generators.backbones.vid2vid.volumes import UpBlock3d, coordinate_volume
from flawcast.generators.blocks.geometry import in_single
from flawcast.generators.blocks.layers import AntiAliasInterpolation, DownBlock
from flawcast.generators.training.losses.head_pose import expected_degrees, rotation

FIRST_STEP = 1e-3  # deviation of the fresh weights that translation and expression come from


@dataclass(frozen=True)
class HeadMotion:
    """How a head is held: pose, place and expression of B frames.

    Args:
        angles: Yaw, pitch, roll in degrees, (B, 3).
        translation: (B, 3).
        expression: What each canonical keypoint is moved by, (B, K, 3).
    """

    angles: Tensor
    translation: Tensor
    expression: Tensor

    def vectors(self) -> Tensor:
        """Lay out as (B, D): yaw, pitch, roll, tx, ty, tz, then x, y, z of each deviation."""
        return torch.cat([self.angles, self.translation, self.expression.flatten(1)], dim=1)

    @staticmethod
    def from_vectors(vectors: Tensor) -> "HeadMotion":
        """Read (B, D) vectors."""
        return HeadMotion(vectors[:, :3], vectors[:, 3:6], vectors[:, 6:].unflatten(1, (-1, 3)))

    def moved(self, canonical: Tensor) -> Tensor:
        """Turn, move and deform canonical keypoints (eq. 2 of the paper): (B or 1, K, 3)."""
        turned = canonical @ rotation(self.angles).mT
        return turned + self.translation[:, None] + self.expression


class KPHourglass(nn.Module):
    """2D encoder whose coarsest map is reshaped to a volume, and 3D decoder, without skips."""

    def __init__(self, inputs: int, params: KPDetectorParams) -> None:
        super().__init__()
        widths = [
            min(params.max_features, params.block_expansion * 2**level)
            for level in range(params.num_blocks + 1)
        ]
        self.depth = params.reshape_depth
        self.down_blocks = nn.Sequential()
        for index, (wide, wider) in enumerate(
            zip([inputs, *widths[1:-1]], widths[1:], strict=True)
        ):
            self.down_blocks.add_module(f"down{index}", DownBlock(wide, wider))
        self.conv = nn.Conv2d(widths[-1], params.reshape_channel, 1)
        self.up_blocks = nn.Sequential()
        for index, (wider, wide) in enumerate(zip(widths[:0:-1], widths[-2::-1], strict=True)):
            self.up_blocks.add_module(f"up{index}", UpBlock3d(wider, wide))
        self.out_filters = widths[0]

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_filters, d, H, W)."""
        flat = self.conv(self.down_blocks(features))
        out: Tensor = self.up_blocks(flat.unflatten(1, (-1, self.depth)))
        return out


class KPDetector(nn.Module):
    """Canonical keypoints, as if the face were neutral and seen from the front (section 3.1)."""

    def __init__(self, common: CommonParams, params: KPDetectorParams) -> None:
        super().__init__()
        self.temperature = params.temperature
        self.predictor = KPHourglass(common.image_channel, params)
        self.kp = nn.Conv3d(self.predictor.out_filters, common.num_kp, 3, padding=1)
        # The published files hold a blur kernel only where there is something to shrink.
        self.down = (
            AntiAliasInterpolation(common.image_channel, params.scale_factor)
            if params.scale_factor < 1
            else None
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) -> positions (B, K, 3) in [-1, 1]."""
        small = frames if self.down is None else self.down(frames)
        logits = self.kp(self.predictor(small))
        heat = F.softmax(logits.flatten(2) / self.temperature, dim=2)  # (B, K, d*h*w)
        depth, height, width = logits.shape[2:]
        with in_single(heat):
            return heat.float() @ coordinate_volume(depth, height, width, heat).flatten(0, 2)


class ResBottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a skip connection, a quarter of the width inside."""

    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__()
        inner = width // 4
        self.conv1 = nn.Conv2d(width, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1)
        self.conv3 = nn.Conv2d(inner, width, 1)
        self.norm1 = nn.BatchNorm2d(inner)
        self.norm2 = nn.BatchNorm2d(inner)
        self.norm3 = nn.BatchNorm2d(width)
        self.stride = stride
        if stride > 1:
            self.skip = nn.Conv2d(width, width, 1, stride)
            self.norm4 = nn.BatchNorm2d(width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / stride, W / stride)."""
        out = F.relu(self.norm1(self.conv1(features)))
        out = F.relu(self.norm2(self.conv2(out)))
        out = self.norm3(self.conv3(out))
        return F.relu(out + (self.norm4(self.skip(features)) if self.stride > 1 else features))


class HEEstimator(nn.Module):
    """Head pose, translation and expression of a frame: a residual network with five heads."""

    def __init__(self, common: CommonParams, params: HEEstimatorParams) -> None:
        super().__init__()
        inputs, full = params.block_expansion, params.max_features
        self.conv1 = nn.Conv2d(common.image_channel, inputs, 7, 2, padding=3)
        self.norm1 = nn.BatchNorm2d(inputs)
        for stage, (share, blocks) in enumerate(((8, 3), (4, 3), (2, 5), (1, 2)), start=1):
            width = full // share
            # Names count on through the whole network: conv2 and block1 open the first stage.
            self.add_module(f"conv{stage + 1}", nn.Conv2d(inputs, width, 1))
            self.add_module(f"norm{stage + 1}", nn.BatchNorm2d(width))
            if stage > 1:
                self.add_module(f"block{2 * stage - 2}", ResBottleneck(width, stride=2))
            stack = nn.Sequential()
            for index in range(blocks):
                stack.add_module(f"b{2 * stage - 1}_{index}", ResBottleneck(width))
            self.add_module(f"block{2 * stage - 1}", stack)
            inputs = width
        self.fc_roll, self.fc_pitch, self.fc_yaw = (
            nn.Linear(full, params.num_bins) for _ in range(3)
        )
        self.fc_t = nn.Linear(full, 3)
        self.fc_exp = nn.Linear(full, 3 * common.num_kp)
        # At first heads hardly move, so that training begins from the source as it is.
        for head in (self.fc_t, self.fc_exp):
            nn.init.normal_(head.weight, std=FIRST_STEP)
            nn.init.zeros_(head.bias)

    def forward(self, frames: Tensor) -> HeadMotion:
        """(B, 3, H, W) -> how each frame's head is held."""
        part: Callable[[str], nn.Module] = self.get_submodule
        features = F.relu(self.norm1(self.conv1(frames)))
        features = F.max_pool2d(features, 3, 2, padding=1)
        for stage in range(1, 5):
            features = F.relu(part(f"norm{stage + 1}")(part(f"conv{stage + 1}")(features)))
            if stage > 1:
                features = part(f"block{2 * stage - 2}")(features)
            features = part(f"block{2 * stage - 1}")(features)
        pooled = features.mean((2, 3))
        # The published weights hold yaw in the head called roll, and the other way round.
        heads = (self.fc_roll, self.fc_pitch, self.fc_yaw)
        angles = torch.stack([expected_degrees(head(pooled)) for head in heads], dim=1)
        expression = self.fc_exp(pooled).unflatten(1, (-1, 3))
        return HeadMotion(angles, self.fc_t(pooled), expression)
