"""What adapting lowers of a FOMM: the error of its dense motion, which is known everywhere."""

import torch
import torch.nn.functional as F
from torch import Tensor

from flawcast.configs.adapt_settings import AdaptLosses
from flawcast.generators.backbones.fomm import DenseMotion, Keypoints
from flawcast.generators.backbones.layers.detector import Detection
from flawcast.generators.blocks.geometry import resize_maps
from flawcast.generators.training.self_made.losses import (
    composed,
    equivariance,
    inverted,
    moved,
    pyramid,
)
from flawcast.generators.training.self_made.pairs import PairBatch

STILL = 0.3  # weight of the background's motion beside the part's


def motion_losses(
    source: Keypoints,
    driving: Keypoints,
    found: DenseMotion,
    pairs: PairBatch,
    weights: AdaptLosses,
) -> tuple[dict[str, Tensor], Tensor]:
    """Weighted losses of a dense motion and of the keypoints that it comes from.

    Args:
        source: Keypoints of the source frames.
        driving: Keypoints of the driving frames.
        found: Motion from driving to source frames, and what is occluded.
        pairs: Pairs with known motion.
        weights: What each loss counts.

    Returns:
        Losses by name, and the error of the motion on the part, as a share of half the frame.
    """
    height, width = found.deformation.shape[1:3]
    size = [len(pairs.source), 1, height, width]
    identity = torch.eye(2, 3, device=pairs.source.device).expand(len(pairs.source), 2, 3)
    here = F.affine_grid(identity, size, align_corners=False)  # (B, h, w, 2)
    # FOMM's grid has its corners in the corner pixels' centres; everything else here has edges.
    inwards = here.new_tensor([1 - 1 / width, 1 - 1 / height])
    field = found.deformation.float() * inwards
    back = composed(pairs.source_pose, inverted(pairs.driving_pose))
    came = moved(here.flatten(1, 2), back).view_as(here)
    part = _shrunk(pairs.alpha, field)
    covered = _shrunk(pairs.source_alpha, field)
    within = (came.abs().amax(-1, keepdim=True) < 1).float()
    error = _mean((field - came).abs().sum(-1, keepdim=True), part * within)
    still = _mean((field - here).abs().sum(-1, keepdim=True), (1 - part) * (1 - covered))
    seen = (part * within + (1 - part) * (1 - covered)).permute(0, 3, 1, 2)
    large = resize_maps(field.permute(0, 3, 1, 2) - here.permute(0, 3, 1, 2), pairs.clean)
    everywhere = F.affine_grid(identity, list(pairs.clean.shape), align_corners=False)
    warped = F.grid_sample(
        pairs.source, everywhere + large.permute(0, 2, 3, 1), align_corners=False
    )
    visible = resize_maps(seen, pairs.clean)
    losses = {
        "flow": weights.flow * (error + STILL * still),
        "composite": weights.composite * pyramid(warped * visible, pairs.clean * visible),
        "equivariance": weights.equivariance
        * equivariance(
            Detection(source.value, source.jacobian),
            Detection(driving.value, driving.jacobian),
            pairs,
        ),
    }
    if found.occlusion is not None:
        losses["alpha"] = weights.alpha * (found.occlusion.float() - seen).abs().mean()
    return losses, error.detach()


def _shrunk(alpha: Tensor, field: Tensor) -> Tensor:
    """A matte at the size of a motion field: (B, 1, H, W) -> (B, h, w, 1)."""
    small = F.adaptive_avg_pool2d(alpha, (field.shape[1], field.shape[2]))
    return (small > 0.5).float().permute(0, 2, 3, 1)


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the values that are asked for; 0 where none is."""
    return (values * where).sum() / where.sum().clamp_min(1)
