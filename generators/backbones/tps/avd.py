"""Animation via disentanglement: the pose of one object on the keypoints of another."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from flawcast.generators.backbones.tps.settings import POINTS, AVDNetworkParams, CommonParams


class AVDNetwork(nn.Module):
    """Joins the identity in the source's keypoints with the pose in the driving frame's.

    Reference:
        Siarohin et al., 2021, https://arxiv.org/abs/2104.11280, section 3.4
    """

    def __init__(self, common: CommonParams, params: AVDNetworkParams) -> None:
        super().__init__()
        length = 2 * POINTS * common.num_tps
        self.id_encoder = _layers(length, 256, 512, 1024, params.id_bottle_size)
        self.pose_encoder = _layers(length, 256, 512, 1024, params.pose_bottle_size)
        bottle = params.pose_bottle_size + params.id_bottle_size
        self.decoder = _layers(bottle, 1024, 512, 256, length)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Two batches of keypoint vectors (B, D) -> the driving poses on the sources, (B, D)."""
        codes = torch.cat([self.pose_encoder(driving), self.id_encoder(source)], dim=1)
        out: Tensor = self.decoder(codes)
        return out


def random_scale(keypoints: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Stretch each pose along x and y by factors of up to 1 - most to 1 + most: (B, K, 2)."""
    noise = 2 * torch.rand(len(keypoints), 1, 2, generator=generator) - 1
    return keypoints * (1 + most * noise.to(keypoints.device))


def _layers(*widths: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
