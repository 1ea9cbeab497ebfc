"""What training asks of a motion backbone: pairs of frames in, weighted losses out."""

from dataclasses import dataclass

from torch import Tensor, nn

from flawcast.configs.settings import LossWeights, MotionTraining
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.head_pose import HeadPoseTeacher
from flawcast.generators.training.losses.perceptual import PerceptualLoss


@dataclass(frozen=True)
class Pairs:
    """One step's training data.

    Args:
        source: Frames that are animated, (B, 3, H, W) in [0, 1].
        driving: Other frames of the same clips, (B, 3, H, W).
        warp: A random warp for each driving frame, for the equivariance losses.
        done: Share of the training that is done, in [0, 1): some losses begin or end on the way.
    """

    source: Tensor
    driving: Tensor
    warp: RandomWarp
    done: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a backbone made of a step's pairs.

    Args:
        losses: Weighted losses by name, scalars; their sum is minimised.
        prediction: The driving frames as rendered from the sources, (B, 3, H, W).
        positions: Keypoints of the driving frames, (B, K, 2), for a discriminator that sees them.
    """

    losses: dict[str, Tensor]
    prediction: Tensor
    positions: Tensor


class Objective(nn.Module):
    """What the losses compare with, and what each of them counts.

    Args:
        settings: Features, scales, weights and when losses begin.

    Raises:
        ModelError: If a file of weights that the settings name is absent or does not fit.
    """

    def __init__(self, settings: MotionTraining) -> None:
        super().__init__()
        self.settings = settings
        self.perceptual = PerceptualLoss(settings)
        file = settings.head_pose_file
        self.head_pose = None if file is None else HeadPoseTeacher(file)

    @property
    def weights(self) -> LossWeights:
        """What each loss counts."""
        return self.settings.loss_weights
