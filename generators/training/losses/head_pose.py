"""Head pose as yaw, pitch and roll in degrees: from bins, to rotations and back, and a teacher.

The published weights rely on two quirks of the original: degrees become radians with 3.14 instead
of pi, and bins are 3 degrees wide with the first at -99.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.configs.errors import ModelError
from flawcast.generators.weights import read_state_dict

RADIANS = 3.14 / 180  # per degree, as the published weights have it
FULL_TURN = 2 * torch.pi / RADIANS  # in those degrees, a little over 360
BIN = 3.0  # degrees
TEACHER_BINS, TEACHER_SIZE = 66, 224


def expected_degrees(logits: Tensor) -> Tensor:
    """Mean angle of a distribution over bins: (B, bins) -> (B,), in degrees."""
    bins = torch.arange(logits.shape[1], dtype=logits.dtype, device=logits.device)
    return (F.softmax(logits, dim=1) * bins).sum(1) * BIN - BIN * logits.shape[1] / 2


def rotation(angles: Tensor) -> Tensor:
    """Rotation of a head: yaw, pitch, roll in degrees (..., 3) -> matrices (..., 3, 3).

    Roll turns first (about z), then yaw (about y), then pitch (about x).
    """
    cy, cp, cr = (angles * RADIANS).cos().unbind(-1)
    sy, sp, sr = (angles * RADIANS).sin().unbind(-1)
    rows = [
        [cy * cr, -cy * sr, sy],
        [cp * sr + sp * sy * cr, cp * cr - sp * sy * sr, -sp * cy],
        [sp * sr - cp * sy * cr, sp * cr + cp * sy * sr, cp * cy],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def angles_near(matrices: Tensor, guess: Tensor) -> Tensor:
    """Yaw, pitch and roll of rotations, of all that mean the same those nearest to a guess.

    Args:
        matrices: (..., 3, 3).
        guess: Degrees, (..., 3).

    Returns:
        Degrees, (..., 3); `rotation` makes the matrices of them again.
    """
    yaw = torch.atan2(matrices[..., 0, 2], torch.hypot(matrices[..., 0, 0], matrices[..., 0, 1]))
    pitch = torch.atan2(-matrices[..., 1, 2], matrices[..., 2, 2])
    roll = torch.atan2(-matrices[..., 0, 1], matrices[..., 0, 0])
    front = torch.stack([yaw, pitch, roll], dim=-1)
    back = torch.stack([torch.pi - yaw, pitch + torch.pi, roll + torch.pi], dim=-1)
    both = torch.stack([front, back]) / RADIANS
    offsets = torch.remainder(both - guess + FULL_TURN / 2, FULL_TURN) - FULL_TURN / 2
    nearer = (offsets[1].abs().sum(-1) < offsets[0].abs().sum(-1))[..., None]
    return guess + torch.where(nearer, offsets[1], offsets[0])


class Bottleneck(nn.Module):
    """Residual block of ResNet-50: 1x1, 3x3, 1x1 convolutions."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 width, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(features)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (features if self.downsample is None else self.downsample(features)))


class HeadPoseTeacher(nn.Module):
    """Hopenet: ResNet-50 with a distribution over angles for each of yaw, pitch and roll.

    Args:
        path: Its published state dict, read without executing code.

    Raises:
        ModelError: If the file is absent, is not a state dict, or is not Hopenet's.

    Reference:
        Ruiz et al., 2018, https://arxiv.org/abs/1710.00925
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            stack = nn.Sequential()
            for index in range(blocks):
                stack.append(Bottleneck(inputs, width, 2 if stage > 1 and index == 0 else 1))
                inputs = 4 * width
            self.add_module(f"layer{stage}", stack)
        self.fc_yaw, self.fc_pitch, self.fc_roll = (
            nn.Linear(inputs, TEACHER_BINS) for _ in range(3)
        )
        self._load(path)
        self.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def _load(self, path: Path) -> None:
        """Take what this network has; the file's fine-tuning head and counters are not used."""
        wanted = "head_pose_file: expected Hopenet's state dict"
        state = read_state_dict(path, wanted)
        own = self.state_dict()
        counters = {key: own[key] for key in own if key.endswith("num_batches_tracked")}
        taken = {key: state[key] for key in own.keys() - counters.keys() if key in state}
        try:
            self.load_state_dict(taken | counters)
        except (RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split()[:20])
            raise ModelError(f"{wanted}, {path} does not fit: {reason}") from None

    def train(self, mode: bool = True) -> "HeadPoseTeacher":
        """Stay in eval mode: the teacher does not learn."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, H, W) in [0, 1] -> yaw, pitch, roll in degrees, (B, 3)."""
        size = (TEACHER_SIZE, TEACHER_SIZE)
        frames = F.interpolate(frames, size, mode="bilinear", antialias=True)
        features = F.relu(self.bn1(self.conv1((frames - self.mean) / self.deviation)))
        features = F.max_pool2d(features, 3, 2, padding=1)
        for stage in range(1, 5):
            features = self.get_submodule(f"layer{stage}")(features)
        features = features.mean((2, 3))
        heads = (self.fc_yaw, self.fc_pitch, self.fc_roll)
        return torch.stack([expected_degrees(head(features)) for head in heads], dim=1)
