"""Joins thin-plate splines into one backward flow, and says what of the source stays visible."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawcast.generators.backbones.tps.settings import POINTS, CommonParams, DenseMotionParams
from flawcast.generators.backbones.tps.thin_plate import affine_motion, thin_plate_motions
from flawcast.generators.blocks.geometry import coordinate_grid, gaussian_maps
from flawcast.generators.blocks.layers import (
    AntiAliasInterpolation,
    Hourglass,
    UpBlock,
    instance_norm,
)

KEYPOINT_VARIANCE = 0.01  # of the bumps that tell the network where keypoints are


@dataclass(frozen=True)
class DenseMotion:
    """Where each pixel comes from and what is visible.

    Args:
        deformation: Backward flow (B, h, w, 2), the centres of the outer pixels at -1 and 1.
        masks: Occlusion masks in [0, 1] for the features' resolutions, finest first, (B, 1, ., .).
    """

    deformation: Tensor
    masks: tuple[Tensor, ...]


class DenseMotionNetwork(nn.Module):
    """Weighs the splines and the background for every pixel (sections 3.1 and 3.2 of the paper).

    Args:
        common: Number of splines and whether there are several masks.
        params: Sizes.
        levels: Resolutions of the features that masks are wanted for.
    """

    def __init__(self, common: CommonParams, params: DenseMotionParams, levels: int) -> None:
        super().__init__()
        self.levels, self.multi_mask = levels, common.multi_mask
        self.down = (
            AntiAliasInterpolation(common.num_channels, params.scale_factor)
            if params.halvings
            else nn.Identity()
        )
        motions = common.num_tps + 1  # the background is one more
        self.hourglass = Hourglass(
            common.num_channels * motions + POINTS * common.num_tps + 1,
            params.block_expansion,
            params.num_blocks,
            params.max_features,
            instance_norm,
        )
        finest = self.hourglass.out_filters
        self.maps = nn.Conv2d(finest, motions, 7, padding=3)
        widths = [finest]  # of the features that masks are made of, coarsest first
        if common.multi_mask:
            self.up = nn.ModuleList(
                UpBlock(finest // 2**step, finest // 2 ** (step + 1), instance_norm)
                for step in range(params.halvings)
            )
            coarser = levels - params.halvings
            widths = [
                2 * min(params.max_features, params.block_expansion * 2**level)
                for level in range(coarser - 1, 0, -1)
            ]
            widths += [finest // 2**step for step in range(params.halvings + 1)]
        self.occlusion = nn.ModuleList(nn.Conv2d(width, 1, 7, padding=3) for width in widths)

    def forward(
        self,
        thumbnail: Tensor,
        source: Tensor,
        driving: Tensor,
        background: Tensor | None = None,
        dropout: float = 0.0,
    ) -> DenseMotion:
        """Flow and masks that move a source to a driving pose.

        Args:
            thumbnail: Small source images, as `down` makes them, (B, 3, h, w).
            source: Keypoints of the source, (B, K, 2).
            driving: Keypoints to move to, (B, K, 2).
            background: Affine motion of the background, (B, 3, 3); None: it stands still.
            dropout: Probability that a spline is left out, for training.
        """
        size = (thumbnail.shape[2], thumbnail.shape[3])
        motions = _motions(size, source, driving, background)  # (B, N + 1, h, w, 2)
        batch, count = motions.shape[:2]
        copies = thumbnail.repeat_interleave(count, dim=0)  # (B * (N + 1), 3, h, w)
        moved = F.grid_sample(copies, motions.flatten(0, 1), align_corners=True)
        bumps = gaussian_maps(driving, size, KEYPOINT_VARIANCE) - gaussian_maps(
            source, size, KEYPOINT_VARIANCE
        )
        bumps = F.pad(bumps, (0, 0, 0, 0, 1, 0))  # none for the background
        moved = moved.unflatten(0, (batch, count)).flatten(1, 2)
        steps = self.hourglass.levels(torch.cat([bumps, moved], dim=1))
        weights = self._weights(self.maps(steps[-1]), dropout)
        # Not a matrix product: autocast would do that one in half precision, half a pixel off.
        deformation = (weights[..., None] * motions).sum(1)
        return DenseMotion(deformation, self._masks(steps))

    @staticmethod
    def _weights(logits: Tensor, dropout: float) -> Tensor:
        """Share of each motion in every pixel, whole splines left out at random (eq. 6 to 8)."""
        if dropout:
            dropped = torch.rand(logits.shape[:2], device=logits.device) < dropout
            dropped[:, 0] = False  # the background always stays
            logits = logits.masked_fill(dropped[:, :, None, None], -torch.inf)
        return F.softmax(logits, dim=1)

    def _masks(self, steps: list[Tensor]) -> tuple[Tensor, ...]:
        """Occlusion masks, finest first, from the hourglass's resolutions, coarsest first."""
        if not self.multi_mask:
            return (torch.sigmoid(self.occlusion[0](steps[-1])),) * self.levels
        steps = steps[-(self.levels - len(self.up)) :]
        for block in self.up:
            steps = [*steps, block(steps[-1])]
        masks = [
            torch.sigmoid(layer(step)) for layer, step in zip(self.occlusion, steps, strict=True)
        ]
        return tuple(reversed(masks))


def _motions(
    size: tuple[int, int], source: Tensor, driving: Tensor, background: Tensor | None
) -> Tensor:
    """Backward flow of the background and of each spline: (B, N + 1, h, w, 2)."""
    points, targets = (
        keypoints.unflatten(1, (-1, POINTS)) for keypoints in (driving, source.expand_as(driving))
    )
    splines = thin_plate_motions(points, targets, size)
    if background is None:
        still = coordinate_grid(*size, splines).expand(len(splines), -1, -1, -1)
    else:
        still = affine_motion(background, size)
    return torch.cat([still[:, None], splines], dim=1)
