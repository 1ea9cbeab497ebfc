"""face-vid2vid: canonical 3D keypoints, head pose and expression, a volume that moves."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.keypoint_layouts import KeypointLayout, keypoint_layout
from flawcast.generators.backbones.base import (
    BACKBONES,
    Appearance,
    MotionBackbone,
    Rendering,
    check_length,
)
from flawcast.generators.backbones.vid2vid.estimators import HeadMotion, HEEstimator, KPDetector
from flawcast.generators.backbones.vid2vid.motion import flattened
from flawcast.generators.backbones.vid2vid.painters import GENERATORS, generator_kind
from flawcast.generators.backbones.vid2vid.settings import Vid2VidConfig
from flawcast.generators.backbones.vid2vid.volumes import warp_volume
from flawcast.generators.training.losses.head_pose import angles_near, rotation
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs

SPREAD = 0.1  # squared distance that two keypoints should keep (D_t of the paper)
DEPTH = 0.33  # mean depth that keypoints should have (z_t of the paper)
MOMENTUM = 0.05  # weight of a batch in the average face


@dataclass(frozen=True)
class Vid2VidAppearance(Appearance):
    """An encoded source frame, with a batch axis.

    Args:
        canonical: Canonical keypoints, (B, K, 3).
        keypoints: The same as the source holds its head, (B, K, 3).
        volume: Encoded features, (B, C, d, h, w).
        compressed: The same with few channels, for the dense motion network.
    """

    canonical: Tensor
    keypoints: Tensor
    volume: Tensor
    compressed: Tensor


@BACKBONES.register("vid2vid")
class Vid2Vid(MotionBackbone):
    """One-shot free-view talking heads, with the open implementation's sizes and names.

    A keypoint vector says how the head is held and holds nothing of whose head it is: the
    canonical keypoints come from the source and stay in its appearance.

    Reference:
        Wang et al., 2021, https://arxiv.org/abs/2011.15126
    """

    Config = Vid2VidConfig
    average_face: Tensor

    def __init__(self, config: Vid2VidConfig) -> None:
        super().__init__(config)
        common = config.common_params
        self.kp_detector = KPDetector(common, config.kp_detector_params)
        self.he_estimator = HEEstimator(common, config.he_estimator_params)
        self.generator = GENERATORS[config.generator](common, config.generator_params)
        self.register_buffer("average_face", neutral_face(common.num_kp))
        self._layout = keypoint_layout("vid2vid", common.num_kp)

    @classmethod
    def fitted(
        cls, config: dict[str, Any], networks: dict[str, dict[str, Tensor]]
    ) -> dict[str, Any]:
        """Tell from a checkpoint's keys which of the two published generators it holds."""
        if "generator" not in networks:
            return config
        return {**config, "generator": generator_kind(networks["generator"])}

    @property
    def layout(self) -> KeypointLayout:
        """Yaw, pitch, roll in degrees, translation, then K expression deviations: D = 6 + 3 K."""
        return self._layout

    def keypoints(self, frames: Tensor) -> Tensor:
        """How the head is held in each frame: (T, 3, H, W) in [0, 1] -> (T, D)."""
        motion: HeadMotion = self.he_estimator(frames)
        return motion.vectors()

    def appearance(self, source: Tensor) -> Vid2VidAppearance:
        """Encode a source frame once: (3, H, W) in [0, 1] -> keypoints and volume."""
        return self._encode(source[None])

    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw the source moved to each keypoint vector, with dense motion and occlusion map.

        The dense motion goes through a volume; what is shown of it is its mean over depth, where
        each slice counts as much as it shows (`flattened`).

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        check_length(self.layout, keypoints)
        assert isinstance(appearance, Vid2VidAppearance)  # noqa: S101 - narrows the type
        driving = HeadMotion.from_vectors(keypoints).moved(appearance.canonical)
        return self._move(appearance, driving)

    def positions(self, keypoints: Tensor) -> Tensor:
        """Where the keypoints lie in the frame: (F, D) -> (F, K, 2), x and y nearly in [-1, 1].

        They are those of the average face, turned, moved and deformed as the vector says: the
        mean of the canonical keypoints that training saw, a neutral face before.
        """
        return HeadMotion.from_vectors(keypoints).moved(self.average_face[None])[..., :2]

    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Turn the source's head as the driving one turned since its start, and add the rest.

        Rotations are composed as matrices and never scaled; displacements of translation and
        expression are multiplied by the scale and added to the source's.
        """
        moved, first, own = map(HeadMotion.from_vectors, (keypoints, start[None], source[None]))
        turned, began, held = (
            rotation(motion.angles.double()) for motion in (moved, first, own)
        )  # double: angles read back from matrices lose digits near a quarter turn
        guess = own.angles + moved.angles - first.angles
        return HeadMotion(
            angles_near(turned @ began.mT @ held, guess.double()).to(keypoints.dtype),
            own.translation + scale * (moved.translation - first.translation),
            own.expression + scale * (moved.expression - first.expression),
        ).vectors()

    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """The paper's losses for pairs of frames of the same clips (section 3.3), without GAN."""
        weights, warp = objective.weights, pairs.warp
        appearance = self._encode(pairs.source)
        if self.training:
            self._remember(appearance.canonical)
        motion: HeadMotion = self.he_estimator(pairs.driving)
        driving = motion.moved(appearance.canonical)
        prediction = self._move(appearance, driving).frames
        warped_motion: HeadMotion = self.he_estimator(warp.frames(pairs.driving))
        warped = warped_motion.moved(appearance.canonical)
        value = (driving[..., :2] - warp.points(warped[..., :2])).abs().mean()
        deviation = motion.expression.abs().sum((1, 2)).mean()
        losses = {
            "perceptual": objective.perceptual(prediction, pairs.driving),
            "equivariance_value": weights.equivariance_value * value,
            "keypoint": weights.keypoint * keypoint_prior(driving),
            "expression": weights.expression * deviation,
        }
        if objective.head_pose is not None:
            truth = objective.head_pose(pairs.driving)
            error = (motion.angles - truth).abs().sum(1).mean()
            losses["headpose"] = weights.headpose * error
        return Outcome(losses, prediction, driving[..., :2])

    def _encode(self, sources: Tensor) -> Vid2VidAppearance:
        """Appearance of a batch of sources (B, 3, H, W)."""
        canonical = self.kp_detector(sources)
        motion: HeadMotion = self.he_estimator(sources)
        volume = self.generator.encode(sources)
        return Vid2VidAppearance(
            canonical=canonical,
            keypoints=motion.moved(canonical),
            volume=volume,
            compressed=self.generator.dense_motion_network.compressed(volume),
        )

    def _move(self, appearance: Vid2VidAppearance, driving: Tensor) -> Rendering:
        """Render one source, or as many as there are sets of keypoints (F, K, 3)."""
        frames = len(driving)
        motion = self.generator.dense_motion_network(
            appearance.compressed.expand(frames, -1, -1, -1, -1),
            appearance.keypoints.expand(frames, -1, -1),
            driving,
        )
        volume = appearance.volume.expand(frames, -1, -1, -1, -1)
        moved = warp_volume(volume, motion.deformation)
        painted = self.generator.decode(moved, motion)
        return Rendering(painted, flattened(motion.deformation, moved), motion.occlusion)

    @torch.no_grad()
    def _remember(self, canonical: Tensor) -> None:
        """Let the average face follow the canonical keypoints of a batch (B, K, 3)."""
        self.average_face.lerp_(canonical.mean(0).to(self.average_face.dtype), MOMENTUM)


def keypoint_prior(keypoints: Tensor) -> Tensor:
    """Keeps keypoints apart and at a common mean depth: (B, K, 3) -> a scalar.

    Reference:
        Wang et al., 2021, https://arxiv.org/abs/2011.15126, supplement, keypoint prior loss
    """
    squared = (keypoints[:, :, None] - keypoints[:, None]).square().sum(-1)  # (B, K, K)
    apart = 1 - torch.eye(keypoints.shape[1], device=keypoints.device)
    crowded = ((SPREAD - squared).clamp_min(0) * apart).sum((1, 2)).mean()
    return crowded + (keypoints[..., 2].mean(1) - DEPTH).abs().mean()


def neutral_face(count: int) -> Tensor:
    """Keypoints spread evenly over the front of a ball that fills half of the frame: (K, 3)."""
    index = torch.arange(count, dtype=torch.float32) + 0.5
    radius, angle = (index / count).sqrt(), index * math.pi * (3 - math.sqrt(5))
    x, y = radius * angle.cos(), radius * angle.sin()
    z = (1 - radius**2).clamp_min(0).sqrt()
    z = z - z.mean() + 2 * DEPTH
    return torch.stack([x, y, z], dim=-1) / 2
