"""A learned detector of one part: keypoints of single frames, and the motion that they share."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from flawcast.configs.settings import Settings
from flawcast.generators.backbones.fomm import (
    CommonParams,
    KPDetector,
    KPDetectorParams,
)
from flawcast.generators.blocks.geometry import coordinate_grid, in_single

STIFFNESS = 0.005  # weight of the belief that a part only shifts
ARMS = 0.1  # weight of a Jacobian beside a position, squared units of half a frame
ATTENTION = 2.0  # of the logits, where a frame departs from its plate by as much as a part does
STRONG = 0.1  # on the [0, 1] scale: how much that is
CHANNELS = 6  # the frame, and how far it departs from the plate


class PartInputs(CommonParams):
    """Sizes of the detector's input and output."""

    num_channels: int = Field(CHANNELS, ge=CHANNELS, le=CHANNELS)


class DetectorConfig(Settings):
    """Sizes of a part detector.

    Args:
        canvas: Side of the square that the network sees, pixels.
        frame: Side of the frame in its middle, stretched to a square, pixels. The rest lets
            keypoints lie beside the frame, where a part is cut off.
        keypoints: K.
        network: Sizes of the hourglass.
    """

    canvas: int = Field(128, ge=32)
    frame: int = Field(96, ge=24)
    keypoints: int = Field(10, ge=2)
    network: KPDetectorParams = KPDetectorParams(
        block_expansion=16, max_features=128, num_blocks=3, scale_factor=0.25
    )


@dataclass(frozen=True)
class Detection:
    """Keypoints of a part in B frames, in the frame's coordinates, outer edges at -1 and 1.

    Args:
        value: (B, K, 2).
        jacobian: (B, K, 2, 2).
    """

    value: Tensor
    jacobian: Tensor


class PartDetector(nn.Module):
    """FOMM's keypoint detector, which also sees where a frame departs from its plate.

    Keypoints are looked for where it does: how strongly is learnt, too. So before any training
    they lie on what moves, and a part that goes on by so much takes them with it.

    Reference:
        Siarohin et al., 2019, https://arxiv.org/abs/2003.00196, section 3.1
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.shrink = round(1 / config.network.scale_factor)
        whole = config.network.model_copy(update={"scale_factor": 1.0})
        self.kp_detector = KPDetector(PartInputs(num_kp=config.keypoints), whole)
        self.attention = nn.Parameter(torch.tensor(ATTENTION))

    def forward(self, frames: Tensor, plates: Tensor) -> Detection:
        """Frames (B, 3, h, w) and their plates, h = w = `frame`, in [0, 1] -> keypoints."""
        network = self.kp_detector
        before = (self.config.canvas - self.config.frame) // 2
        after = self.config.canvas - self.config.frame - before
        margins = (before, after, before, after)
        looks = F.pad(frames, margins, mode="replicate")
        departure = F.pad((frames - plates).abs(), margins)
        # FOMM blurs before it takes every n-th pixel; the mean of n by n costs a twentieth of that.
        seen = F.avg_pool2d(torch.cat([looks, departure], dim=1), self.shrink)
        features = network.predictor(seen)
        logits = network.kp(features).float()  # (B, K, n, n)
        cut = (seen.shape[-1] - logits.shape[-1]) // 2  # the convolution has no padding
        moving = seen[:, 3:, cut:-cut, cut:-cut].float().amax(1, keepdim=True)
        logits = logits + self.attention * (moving / STRONG).clamp_max(1)
        heat = F.softmax(logits.flatten(2) / network.temperature, dim=2).view_as(logits)
        count = logits.shape[-1]
        grid = coordinate_grid(count, count, heat) * ((count - 1) * self.shrink / self.config.frame)
        maps = network.jacobian(features).unflatten(1, (-1, 4)).float()  # (B, K or 1, 4, n, n)
        maps = maps.expand(-1, heat.shape[1], -1, -1, -1)
        with in_single(heat):
            value = torch.einsum("bkhw,hwc->bkc", heat, grid)
            jacobian = torch.einsum("bkhw,bkchw->bkc", heat, maps)
        return Detection(value, jacobian.unflatten(-1, (2, 2)))


def config_like(params: KPDetectorParams, keypoints: int) -> DetectorConfig:
    """Sizes of a detector that continues a FOMM's."""
    return DetectorConfig(keypoints=keypoints, network=params)


def start_from_fomm(detector: PartDetector, weights: dict[str, Tensor]) -> None:
    """Take a FOMM detector's weights over; what the frame's departure says is not heard yet.

    Args:
        detector: Changed in place.
        weights: State dict of the `KPDetector`.
    """
    own = detector.kp_detector.state_dict()
    for name, value in weights.items():
        if name == "down.weight":
            continue
        if own[name].shape == value.shape:
            own[name] = value
        else:  # convolutions that see the input itself: the first and, by the skip, the last
            own[name] = _widened(value, own[name].shape[1])
    detector.kp_detector.load_state_dict(own)


def _widened(weight: Tensor, inputs: int) -> Tensor:
    """A convolution of further inputs at its end, which it does not hear: (O, I, h, w)."""
    wide = weight.new_zeros(weight.shape[0], inputs, *weight.shape[2:])
    wide[:, : weight.shape[1]] = weight
    return wide


def shared_motion(source: Detection, driving: Detection) -> Tensor:
    """The affine motion that takes a part's keypoints from source to driving frames: (B, 2, 3).

    A least-squares fit to positions and Jacobians, drawn towards a mere shift.
    """
    start, end = source.value.mean(1, keepdim=True), driving.value.mean(1, keepdim=True)
    arms, moved = source.value - start, driving.value - end  # (B, K, 2)
    own, other = source.jacobian, driving.jacobian
    count = arms.shape[1]
    calm = STIFFNESS * torch.eye(2, device=arms.device)
    before = arms.mT @ arms / count + ARMS * (own @ own.mT).mean(1) + calm
    after = moved.mT @ arms / count + ARMS * (other @ own.mT).mean(1) + calm
    linear = torch.linalg.solve(before.mT, after.mT).mT  # after @ inverse of before
    shift = end[:, 0] - (linear @ start.mT)[..., 0]
    return torch.cat([linear, shift[..., None]], dim=2)
