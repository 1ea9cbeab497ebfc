"""What adapting lowers: the true motion of a pasted part is known, and so is its picture."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from flawcast.configs.adapt_settings import AdaptLosses
from flawcast.generators.backbones.layers.detector import Detection, PartDetector, shared_motion
from flawcast.generators.blocks.geometry import inverse_2x2
from flawcast.generators.training.self_made.pairs import PairBatch

LEVELS = 3  # of a pyramid
FAR = 1.5  # from the frame's middle, half frames: points of a part beyond are not compared


def detector_losses(
    detector: PartDetector, pairs: PairBatch, weights: AdaptLosses
) -> tuple[dict[str, Tensor], Tensor]:
    """Weighted losses of a detector, whose motion is the one that `layers` draws with.

    Args:
        detector: Finds the keypoints of both frames.
        pairs: Pairs with known motion.
        weights: What each loss counts.

    Returns:
        Losses by name, and the error of the motion, as a share of half the frame.
    """
    frames = torch.cat([pairs.source, pairs.driving])
    plates = torch.cat([pairs.source_plate, pairs.driving_plate])
    found: Detection = detector(frames, plates)
    count = len(pairs.source)
    source = Detection(found.value[:count].float(), found.jacobian[:count].float())
    driving = Detection(found.value[count:].float(), found.jacobian[count:].float())
    motion = shared_motion(source, driving)
    there = moved(pairs.points, pairs.source_pose)
    wanted = moved(pairs.points, pairs.driving_pose)
    within = (wanted.abs().amax(-1) < FAR).float()
    gaps = (moved(there, motion) - wanted).abs().sum(-1)
    error = (gaps * within).sum() / within.sum().clamp_min(1)
    pose = composed(motion, pairs.source_pose)
    clean, behind, true_alpha = (_half(one) for one in (pairs.clean, pairs.behind, pairs.alpha))
    drawn = drawn_part(pairs.part, pose, clean.shape[-1])
    alpha = drawn[:, 3:]
    picture = behind * (1 - alpha) + drawn[:, :3]
    losses = {
        "flow": weights.flow * error,
        "composite": weights.composite * pyramid(picture, clean),
        "alpha": weights.alpha * pyramid(alpha, true_alpha),
        "equivariance": weights.equivariance * equivariance(source, driving, pairs),
        "spread": weights.spread * (_spread(source, there) + _spread(driving, wanted)),
    }
    return losses, error.detach()


def moved(points: Tensor, motion: Tensor) -> Tensor:
    """Points after affine motions: (B, n, 2), (B, 2, 3) -> (B, n, 2)."""
    return points @ motion[..., :2].mT + motion[:, None, :, 2]


def composed(second: Tensor, first: Tensor) -> Tensor:
    """One affine motion after another, (B, 2, 3) each."""
    linear = second[..., :2] @ first[..., :2]
    shift = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return torch.cat([linear, shift], dim=-1)


def inverted(motion: Tensor) -> Tensor:
    """The inverse of affine motions, (B, 2, 3)."""
    linear = inverse_2x2(motion[..., :2])
    return torch.cat([linear, -linear @ motion[..., 2:]], dim=-1)


def drawn_part(part: Tensor, pose: Tensor, side: int) -> Tensor:
    """Parts at poses: (B, 4, c, c), (B, 2, 3) -> (B, 4, side, side)."""
    size = [len(part), part.shape[1], side, side]
    places = F.affine_grid(inverted(pose), size, align_corners=False)
    return F.grid_sample(part, places, align_corners=False)


def pyramid(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of values and of slopes, over several sizes: scalars in [0, 1]."""
    total = drawn.new_zeros(())
    for level in range(LEVELS):
        if level:
            drawn, truth = F.avg_pool2d(drawn, 2), F.avg_pool2d(truth, 2)
        gap = drawn - truth
        total = total + gap.abs().mean()
        total = total + gap.diff(dim=-1).abs().mean() + gap.diff(dim=-2).abs().mean()
    return total / LEVELS


def _half(pictures: Tensor) -> Tensor:
    """Half the size: pictures only guide the motion, whose error is known anyway."""
    return F.avg_pool2d(pictures, 2)


def equivariance(source: Detection, driving: Detection, pairs: PairBatch) -> Tensor:
    """Every keypoint goes and turns as its part does."""
    true = composed(pairs.driving_pose, inverted(pairs.source_pose))
    places = (moved(source.value, true) - driving.value).abs().sum(-1)
    turned = true[:, None, :, :2] @ source.jacobian
    turn = (inverse_2x2(driving.jacobian) @ turned - torch.eye(2, device=places.device)).abs()
    near = (moved(source.value, true).abs().amax(-1) < FAR).float()
    return ((places + turn.mean((-1, -2)).clamp_max(2)) * near).mean()


def _spread(found: Detection, points: Tensor) -> Tensor:
    """Keypoints have the mean and the spread of the part's points."""
    inside = points.clamp(-1, 1)
    here, there = found.value, inside
    mean = (here.mean(1) - there.mean(1)).abs().sum(-1)
    width = (here.std(1) - 0.8 * there.std(1)).abs().sum(-1)
    return (mean + width).mean()


def as_floats(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Plain values for a log."""
    return {name: float(value.detach()) for name, value in losses.items()}
