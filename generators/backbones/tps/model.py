"""The thin-plate-spline motion model: keypoints in fives, a spline through each, inpainting."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.keypoint_layouts import KeypointLayout, keypoint_layout
from flawcast.configs.settings import MotionDropout, validated
from flawcast.generators.backbones.base import (
    BACKBONES,
    Appearance,
    MotionBackbone,
    Rendering,
    check_length,
)
from flawcast.generators.backbones.tps.avd import AVDNetwork, random_scale
from flawcast.generators.backbones.tps.dense_motion import DenseMotion, DenseMotionNetwork
from flawcast.generators.backbones.tps.encoders import BGMotionPredictor, KPDetector
from flawcast.generators.backbones.tps.inpainting import (
    InpaintingNetwork,
    hidden_features,
    moved_features,
)
from flawcast.generators.backbones.tps.settings import POINTS, TPSConfig
from flawcast.generators.blocks.geometry import resize_maps
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs


@dataclass(frozen=True)
class TPSAppearance(Appearance):
    """A source frame, its keypoints, features and small image, with a batch axis.

    Args:
        frames: (B, 3, H, W).
        keypoints: (B, K, 2).
        features: Features at every resolution, finest first.
        thumbnail: Small image for the dense motion network, (B, 3, h, w).
    """

    frames: Tensor
    keypoints: Tensor
    features: tuple[Tensor, ...]
    thumbnail: Tensor

    def expanded(self, count: int) -> "TPSAppearance":
        """The same source for `count` poses, without a copy."""
        return TPSAppearance(
            self.frames.expand(count, -1, -1, -1),
            self.keypoints.expand(count, -1, -1),
            tuple(level.expand(count, -1, -1, -1) for level in self.features),
            self.thumbnail.expand(count, -1, -1, -1),
        )


@BACKBONES.register("tps")
class TPS(MotionBackbone):
    """Thin-plate-spline motion model, with the official architecture and state-dict names.

    Rendering lets the background stand still, as the published model does; its predicted motion
    takes part in training alone. The network for `avd` is trained after all the rest, by
    `flawcast.generators.training.avd`: outside of it, its parameters are frozen.

    Reference:
        Zhao & Zhang, 2022, https://arxiv.org/abs/2203.14367
    """

    Config = TPSConfig
    training_only = frozenset({"bg_predictor", "avd_network"})

    def __init__(self, config: TPSConfig) -> None:
        super().__init__(config)
        common = config.common_params
        levels = config.generator_params.num_down_blocks + 1
        self.kp_detector = KPDetector(common, config.encoder_params)
        self.dense_motion_network = DenseMotionNetwork(common, config.dense_motion_params, levels)
        self.inpainting_network = InpaintingNetwork(common, config.generator_params)
        self.bg_predictor = BGMotionPredictor(common, config.encoder_params) if common.bg else None
        self.avd_network: AVDNetwork | None = None
        if config.avd_network_params is not None:
            self.avd_network = AVDNetwork(common, config.avd_network_params)
            self.avd_network.requires_grad_(False)
        self._layout = keypoint_layout("tps", POINTS * common.num_tps)

    @classmethod
    def fitted(
        cls, config: dict[str, Any], networks: dict[str, dict[str, Tensor]]
    ) -> dict[str, Any]:
        """Leave out the background and AVD networks where a checkpoint has none."""
        sizes = validated(TPSConfig, config, "backbone tps")
        common, avd = sizes.common_params, sizes.avd_network_params
        background = common.bg and "bg_predictor" in networks
        return sizes.model_copy(
            update={
                "common_params": common.model_copy(update={"bg": background}),
                "avd_network_params": avd if "avd_network" in networks else None,
            }
        ).model_dump(mode="json")

    @property
    def layout(self) -> KeypointLayout:
        """Per keypoint x, y, five keypoints per spline: D = 10 splines."""
        return self._layout

    def keypoints(self, frames: Tensor) -> Tensor:
        """Find the keypoints of each frame: (T, 3, H, W) in [0, 1] -> (T, D)."""
        keypoints: Tensor = self.kp_detector(frames)
        return keypoints.flatten(1)

    def appearance(self, source: Tensor) -> TPSAppearance:
        """Encode a source frame once: (3, H, W) in [0, 1] -> keypoints and features."""
        return self._encode(source[None])

    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw the source moved to each keypoint vector, with dense motion and occlusion map.

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        check_length(self.layout, keypoints)
        assert isinstance(appearance, TPSAppearance)  # noqa: S101 - narrows the type
        painted, motion = self.animate(appearance, keypoints.unflatten(1, (-1, 2)))
        # The mix of painted and moved pixels may pass 1 by a rounding error.
        return Rendering(
            painted.clamp(0, 1),
            _edges_at_one(motion.deformation, painted),
            resize_maps(motion.masks[0], painted, align_corners=True),
        )

    def animate(
        self,
        appearance: TPSAppearance,
        keypoints: Tensor,
        background: Tensor | None = None,
        dropout: float = 0.0,
    ) -> tuple[Tensor, DenseMotion]:
        """Move a source as in training.

        Args:
            appearance: Appearance of one source, or of F sources.
            keypoints: Poses to move to, (F, K, 2).
            background: Affine motion of the background, (F, 3, 3); None if it stands still.
            dropout: Probability that a spline is left out.

        Returns:
            Frames (F, 3, H, W) and the motion that made them.
        """
        moved = appearance.expanded(len(keypoints))
        motion: DenseMotion = self.dense_motion_network(
            moved.thumbnail, moved.keypoints, keypoints, background, dropout
        )
        return self.inpainting_network.decode(moved.frames, moved.features, motion), motion

    def positions(self, keypoints: Tensor) -> Tensor:
        """Where the keypoints lie in the frame: (F, D) -> (F, K, 2), x and y in [-1, 1]."""
        return keypoints.unflatten(1, (-1, 2))

    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Add the driving displacement to the source's keypoints."""
        return source + scale * (keypoints - start)

    @property
    def disentangles(self) -> bool:
        """Whether the model has a network for avd motion."""
        return self.avd_network is not None

    def avd(self, keypoints: Tensor, source: Tensor) -> Tensor:
        """Transfer poses of a driving clip to a source by animation via disentanglement.

        Args:
            keypoints: Keypoints of the driving clip, (F, D).
            source: Keypoints of the source frame, (D,).

        Returns:
            Keypoints for `render`, (F, D): the driving poses with the source's shape.

        Raises:
            ModelError: If this model has no network for it, or the vectors have a wrong length.
        """
        check_length(self.layout, keypoints)
        carried: Tensor = self.disentangler()(source.expand_as(keypoints), keypoints)
        return carried

    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """The original's losses for pairs of frames of the same clips (section 3.3).

        The splines' dropout draws from torch's global generator.
        """
        settings, weights = objective.settings, objective.weights
        appearance = self._encode(pairs.source)
        keypoints: Tensor = self.kp_detector(pairs.driving)
        background = None
        if self.bg_predictor is not None and pairs.done >= settings.background_from:
            background = self.bg_predictor(pairs.source, pairs.driving)
        prediction, motion = self.animate(
            appearance, keypoints, background, dropout_probability(settings.dropout, pairs.done)
        )
        warped = pairs.warp.points(self.kp_detector(pairs.warp.frames(pairs.driving)))
        losses = {
            "perceptual": objective.perceptual(prediction, pairs.driving),
            "equivariance_value": weights.equivariance_value * (keypoints - warped).abs().mean(),
            "warp": weights.warp_loss * self._warp_loss(appearance, motion, pairs.driving),
        }
        if self.bg_predictor is not None and background is not None:
            there_and_back = background @ self.bg_predictor(pairs.driving, pairs.source)
            unit = torch.eye(3, device=background.device)
            losses["bg"] = weights.bg * (unit - there_and_back).abs().mean()
        return Outcome(losses, prediction, keypoints)

    def avd_losses(
        self, source: Tensor, driving: Tensor, most: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Losses by name of the network behind `avd`.

        The network sees the driving pose stretched at random and must give it back unstretched, so
        that the shape has to come from the source. Keypoints are found without gradients.

        Args:
            source: Frames, (B, 3, H, W) in [0, 1].
            driving: Other frames of the same clips, (B, 3, H, W).
            most: Largest change of size, relative.
            generator: Decides the stretch, on the CPU.

        Raises:
            ModelError: If this model has no such network.
        """
        network = self.disentangler()
        with torch.no_grad():
            own, wanted = self.keypoints(source), self.keypoints(driving)
            stretched = random_scale(self.positions(wanted), most, generator).flatten(1)
        return {"avd": (wanted - network(own, stretched)).abs().mean()}

    def disentangler(self) -> AVDNetwork:
        """The network behind `avd`.

        Raises:
            ModelError: If this model has none.
        """
        if self.avd_network is None:
            raise self._no_avd()
        return self.avd_network

    def _warp_loss(self, source: TPSAppearance, motion: DenseMotion, driving: Tensor) -> Tensor:
        """How far the source's moved features are from the driving frame's: a scalar.

        Only the flow learns from it: features and masks are held, or both could shrink to nothing.
        """
        masks = tuple(mask.detach() for mask in motion.masks)
        held = DenseMotion(motion.deformation, masks)
        moved = moved_features([level.detach() for level in source.features], held)
        with torch.no_grad():
            wanted = hidden_features(self.inpainting_network.encode(driving), held)
        differences = [
            (ours - theirs).abs().mean() for ours, theirs in zip(moved, wanted, strict=True)
        ]
        return torch.stack(differences).sum()

    def _encode(self, sources: Tensor) -> TPSAppearance:
        """Appearance of a batch of sources (B, 3, H, W)."""
        return TPSAppearance(
            frames=sources,
            keypoints=self.kp_detector(sources),
            features=self.inpainting_network.encode(sources),
            thumbnail=self.dense_motion_network.down(sources),
        )


def dropout_probability(settings: MotionDropout, done: float) -> float:
    """Probability that a spline is left out when such a share of the training is done."""
    if done >= settings.until:
        return 0.0
    risen = min(done / settings.ramp, 1.0)
    return settings.lowest + risen * (settings.highest - settings.lowest)


def _edges_at_one(deformation: Tensor, frames: Tensor) -> Tensor:
    """A flow with -1 and 1 at the centres of the outer pixels as one with them at the outer edges.

    What the two mean depends on the number of pixels, so the flow is first brought to the frames'
    size, as the inpainting network does when it moves the source itself.

    Args:
        deformation: (F, h, w, 2).
        frames: (F, 3, H, W).

    Returns:
        (F, H, W, 2) as `Rendering.deformation` has it.
    """
    fine = resize_maps(deformation.permute(0, 3, 1, 2), frames, align_corners=True)
    height, width = frames.shape[2:]
    shares = fine.new_tensor([(width - 1) / width, (height - 1) / height])
    return fine.permute(0, 2, 3, 1) * shares
