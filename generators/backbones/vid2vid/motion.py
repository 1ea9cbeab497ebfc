"""Dense motion of face-vid2vid: a backward flow through a volume, and what it hides."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones.vid2vid.settings import CommonParams, DenseMotionParams
from flawcast.generators.backbones.vid2vid.volumes import (
    Hourglass3d,
    coordinate_volume,
    warp_volume,
)
from flawcast.generators.blocks.geometry import in_single

KEYPOINT_VARIANCE = 0.01  # of the bumps that show the network the keypoints


@dataclass(frozen=True)
class DenseMotion3d:
    """Backward flow (B, d, h, w, 3) in [-1, 1] and occlusion map (B, 1, h, w) in [0, 1]."""

    deformation: Tensor
    occlusion: Tensor | None


class DenseMotionNetwork(nn.Module):
    """Joins the keypoints' displacements into one backward flow through the volume (3.2)."""

    def __init__(self, common: CommonParams, params: DenseMotionParams, occlusion: bool) -> None:
        super().__init__()
        motions = common.num_kp + 1  # the background stands still
        self.hourglass = Hourglass3d(
            motions * (params.compress + 1),
            params.block_expansion,
            params.num_blocks,
            params.max_features,
        )
        width = self.hourglass.out_filters
        self.mask = nn.Conv3d(width, motions, 7, padding=3)
        self.compress = nn.Conv3d(common.feature_channel, params.compress, 1)
        self.norm = nn.BatchNorm3d(params.compress)
        self.occlusion = (
            nn.Conv2d(width * params.reshape_depth, 1, 7, padding=3) if occlusion else None
        )

    def compressed(self, features: Tensor) -> Tensor:
        """A source's volume with few channels, once per source: -> (B, compress, d, h, w)."""
        return F.relu(self.norm(self.compress(features)))

    def forward(self, compressed: Tensor, source: Tensor, driving: Tensor) -> DenseMotion3d:
        """Flow and occlusion from a compressed volume and two sets of keypoints (B, K, 3)."""
        depth, height, width = compressed.shape[2:]
        grid = coordinate_volume(depth, height, width, driving)
        motions = _sparse_motions(grid, source, driving)  # (B, K+1, d, h, w, 3)
        batch, count = motions.shape[:2]
        copies = compressed.repeat_interleave(count, dim=0)  # (B*(K+1), C, d, h, w)
        moved = warp_volume(copies, motions.flatten(0, 1))
        bumps = _gaussians(grid, driving) - _gaussians(grid, source)
        bumps = F.pad(bumps, (0, 0, 0, 0, 0, 0, 1, 0))[:, :, None]  # none for the background
        features = torch.cat([bumps, moved.unflatten(0, (batch, count))], dim=2).flatten(1, 2)
        features = self.hourglass(features)
        weights = F.softmax(self.mask(features), dim=1)
        with in_single(motions):
            deformation = torch.einsum("bkdhw,bkdhwc->bdhwc", weights.float(), motions)
        flat = features.flatten(1, 2)
        occlusion = None if self.occlusion is None else torch.sigmoid(self.occlusion(flat))
        return DenseMotion3d(deformation, occlusion)


def flattened(deformation: Tensor, content: Tensor) -> Tensor:
    """A flow through a volume as one over the picture.

    Every pixel looks through all slices; where it comes from is the mean over depth, each slice
    counting as much as it shows there (the mean magnitude of its warped features).

    The network's grid has the outermost voxels' centres at -1 and 1, and it paints a head that
    holds still as it was. So that such a head is seen to hold still, positions are scaled to a
    picture whose outer edges are at -1 and 1.

    Args:
        deformation: (B, d, h, w, 3), centres of the outermost voxels at -1 and 1.
        content: The warped volume, (B, C, d, h, w).

    Returns:
        x and y of where each pixel comes from, (B, h, w, 2), outer edges at -1 and 1.
    """
    height, width = deformation.shape[2:4]
    shown = (
        content.float().abs().mean(1) + 1e-6
    )  # (B, d, h, w); where nothing shows, slices are equal
    shares = shown / shown.sum(1, keepdim=True)
    with in_single(shares):
        flow = torch.einsum("bdhw,bdhwc->bhwc", shares, deformation[..., :2].float())
    return flow * flow.new_tensor([(width - 1) / width, (height - 1) / height])


def _sparse_motions(grid: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """Backward flow of each keypoint, after the identity: (B, K+1, d, h, w, 3)."""
    shifts = (source - driving)[:, :, None, None, None]
    still = F.pad(shifts, (0, 0, 0, 0, 0, 0, 0, 0, 1, 0))
    return grid + still


def _gaussians(grid: Tensor, positions: Tensor) -> Tensor:
    """A Gaussian bump around every keypoint: (B, K, 3) -> (B, K, d, h, w)."""
    offsets = grid - positions[:, :, None, None, None]
    return torch.exp(-0.5 * (offsets**2).sum(-1) / KEYPOINT_VARIANCE)
