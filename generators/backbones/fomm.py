"""The first-order motion model: keypoints with Jacobians, dense motion, generator."""

from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from flawcast.configs.keypoint_layouts import KeypointLayout, keypoint_layout
from flawcast.configs.settings import Settings
from flawcast.generators.backbones.base import (
    BACKBONES,
    Appearance,
    MotionBackbone,
    Rendering,
    check_length,
)
from flawcast.generators.blocks.geometry import (
    coordinate_grid,
    gaussian_maps,
    in_single,
    inverse_2x2,
    resize_maps,
    warp,
)
from flawcast.generators.blocks.layers import (
    AntiAliasInterpolation,
    DownBlock,
    Hourglass,
    ResBlock,
    SameBlock,
    UpBlock,
)
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs

KEYPOINT_VARIANCE = 0.01  # of the bumps that show the dense motion network the keypoints
PIXELS_AT_ONCE = 2**16  # decoded at once on a CPU: one frame at 256x256


class CommonParams(Settings):
    """Sizes that all parts share."""

    num_kp: int = Field(10, ge=1)
    num_channels: int = Field(3, ge=3, le=3)
    estimate_jacobian: Literal[True] = True  # all published models have Jacobians


class HourglassParams(Settings):
    """Size of an hourglass and the resolution it works at."""

    block_expansion: int = Field(32, ge=1)
    max_features: int = Field(1024, ge=1)
    num_blocks: int = Field(5, ge=1)
    scale_factor: float = Field(0.25, gt=0, le=1)


class KPDetectorParams(HourglassParams):
    """Keypoint detector."""

    temperature: float = Field(0.1, gt=0)
    single_jacobian_map: bool = False  # one Jacobian map for all keypoints, as for mgif-256


class DenseMotionParams(HourglassParams):
    """Dense motion network."""

    block_expansion: int = Field(64, ge=1)


class GeneratorParams(Settings):
    """Occlusion-aware generator."""

    block_expansion: int = Field(64, ge=1)
    max_features: int = Field(512, ge=1)
    num_down_blocks: int = Field(2, ge=0)
    num_bottleneck_blocks: int = Field(6, ge=0)
    estimate_occlusion_map: bool = True
    dense_motion_params: DenseMotionParams = DenseMotionParams()


class FOMMConfig(Settings):
    """Sizes of the model, named as in the official configuration files; defaults are vox-256."""

    common_params: CommonParams = CommonParams()
    kp_detector_params: KPDetectorParams = KPDetectorParams()
    generator_params: GeneratorParams = GeneratorParams()


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of B frames: positions in [-1, 1], (B, K, 2), and Jacobians, (B, K, 2, 2)."""

    value: Tensor
    jacobian: Tensor

    def vectors(self) -> Tensor:
        """Lay out as (B, D): per keypoint x, y, J00, J01, J10, J11."""
        return torch.cat([self.value, self.jacobian.flatten(2)], dim=2).flatten(1)

    @staticmethod
    def from_vectors(vectors: Tensor) -> "Keypoints":
        """Read (B, D) vectors."""
        parts = vectors.unflatten(1, (-1, 6))
        return Keypoints(parts[..., :2], parts[..., 2:].unflatten(-1, (2, 2)))


@dataclass(frozen=True)
class FOMMAppearance(Appearance):
    """Keypoints, encoded features and small image of a source frame, with a batch axis."""

    keypoints: Keypoints
    features: Tensor
    thumbnail: Tensor


@dataclass(frozen=True)
class DenseMotion:
    """Backward flow (B, h, w, 2) in [-1, 1] and occlusion map (B, 1, h, w) in [0, 1]."""

    deformation: Tensor
    occlusion: Tensor | None


class KPDetector(nn.Module):
    """Keypoints as centres of mass of softmax heatmaps (section 3.1 of the paper)."""

    def __init__(self, common: CommonParams, params: KPDetectorParams) -> None:
        super().__init__()
        self.temperature = params.temperature
        self.predictor = Hourglass(
            common.num_channels, params.block_expansion, params.num_blocks, params.max_features
        )
        width = self.predictor.out_filters
        self.kp = nn.Conv2d(width, common.num_kp, 7)
        maps = 1 if params.single_jacobian_map else common.num_kp
        self.jacobian = nn.Conv2d(width, 4 * maps, 7)
        # A Jacobian starts as the identity: at first every keypoint only translates.
        nn.init.zeros_(self.jacobian.weight)
        with torch.no_grad():
            cast(nn.Parameter, self.jacobian.bias).copy_(torch.tensor([1.0, 0, 0, 1] * maps))
        self.down = AntiAliasInterpolation(common.num_channels, params.scale_factor)

    def forward(self, frames: Tensor) -> Keypoints:
        """(B, 3, H, W) -> keypoints of each frame."""
        features = self.predictor(self.down(frames))
        logits = self.kp(features)
        heat = F.softmax(logits.flatten(2).float() / self.temperature, dim=2).view_as(logits)
        grid = coordinate_grid(heat.shape[2], heat.shape[3], heat)
        maps = self.jacobian(features).unflatten(1, (-1, 4))  # (B, K or 1, 4, h, w)
        maps = maps.expand(-1, heat.shape[1], -1, -1, -1)
        with in_single(heat):
            value = torch.einsum("bkhw,hwc->bkc", heat, grid)
            jacobian = torch.einsum("bkhw,bkchw->bkc", heat, maps.float())
        return Keypoints(value, jacobian.unflatten(-1, (2, 2)))


class DenseMotionNetwork(nn.Module):
    """Joins the keypoints' local affine motions into one backward flow (section 3.2)."""

    def __init__(self, common: CommonParams, params: DenseMotionParams, occlusion: bool) -> None:
        super().__init__()
        motions = common.num_kp + 1  # the background stands still
        self.hourglass = Hourglass(
            motions * (common.num_channels + 1),
            params.block_expansion,
            params.num_blocks,
            params.max_features,
        )
        self.mask = nn.Conv2d(self.hourglass.out_filters, motions, 7, padding=3)
        self.occlusion = (
            nn.Conv2d(self.hourglass.out_filters, 1, 7, padding=3) if occlusion else None
        )
        self.down = AntiAliasInterpolation(common.num_channels, params.scale_factor)

    def forward(self, thumbnail: Tensor, source: Keypoints, driving: Keypoints) -> DenseMotion:
        """Flow and occlusion from a small source image (B, 3, h, w) and two sets of keypoints."""
        size = (thumbnail.shape[2], thumbnail.shape[3])
        motions = self._sparse_motions(size, source, driving)  # (B, K+1, h, w, 2)
        batch, count = motions.shape[:2]
        copies = thumbnail.repeat_interleave(count, dim=0)  # (B*(K+1), 3, h, w)
        moved = F.grid_sample(copies, motions.flatten(0, 1), align_corners=False)
        bumps = gaussian_maps(driving.value, size, KEYPOINT_VARIANCE) - gaussian_maps(
            source.value, size, KEYPOINT_VARIANCE
        )
        bumps = F.pad(bumps, (0, 0, 0, 0, 1, 0))[:, :, None]  # none for the background
        features = torch.cat([bumps, moved.unflatten(0, (batch, count))], dim=2).flatten(1, 2)
        features = self.hourglass(features)
        weights = F.softmax(self.mask(features), dim=1)
        with in_single(motions):
            deformation = torch.einsum("bkhw,bkhwc->bhwc", weights.float(), motions)
        occlusion = None if self.occlusion is None else torch.sigmoid(self.occlusion(features))
        return DenseMotion(deformation, occlusion)

    @staticmethod
    def _sparse_motions(size: tuple[int, int], source: Keypoints, driving: Keypoints) -> Tensor:
        """Backward flow of each keypoint (eq. 4), after the identity: (B, K+1, h, w, 2)."""
        grid = coordinate_grid(*size, driving.value)
        offsets = grid - driving.value[:, :, None, None]  # (B, K, h, w, 2)
        with in_single(offsets):
            jacobian = source.jacobian @ inverse_2x2(driving.jacobian)
            moved = torch.einsum("bkij,bkhwj->bkhwi", jacobian, offsets)
        moved = moved + source.value[:, :, None, None]
        identity = grid.expand(moved.shape[0], 1, *grid.shape)
        return torch.cat([identity, moved], dim=1)


class OcclusionAwareGenerator(nn.Module):
    """Encodes the source, warps its features, hides what was occluded, paints the frame (3.2)."""

    def __init__(self, common: CommonParams, params: GeneratorParams) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork(
            common, params.dense_motion_params, params.estimate_occlusion_map
        )
        widths = [
            min(params.max_features, params.block_expansion * 2**level)
            for level in range(params.num_down_blocks + 1)
        ]
        self.first = SameBlock(common.num_channels, widths[0], 7)
        self.down_blocks = nn.ModuleList(map(DownBlock, widths[:-1], widths[1:]))
        self.bottleneck = nn.Sequential()
        for index in range(params.num_bottleneck_blocks):
            self.bottleneck.add_module(f"r{index}", ResBlock(widths[-1]))
        self.up_blocks = nn.ModuleList(map(UpBlock, widths[:0:-1], widths[-2::-1]))
        self.final = nn.Conv2d(widths[0], common.num_channels, 7, padding=3)

    def encode(self, source: Tensor) -> Tensor:
        """(B, 3, H, W) -> features (B, C, h, w)."""
        features = self.first(source)
        for block in self.down_blocks:
            features = block(features)
        return features

    def decode(self, features: Tensor, motion: DenseMotion) -> Tensor:
        """Warp the source's features by the dense motion and paint: -> (B, 3, H, W)."""
        out = warp(features, motion.deformation)
        if motion.occlusion is not None:
            out = out * resize_maps(motion.occlusion, out)
        out = self.bottleneck(out)
        for block in self.up_blocks:
            out = block(out)
        return torch.sigmoid(self.final(out))


@BACKBONES.register("fomm")
class FOMM(MotionBackbone):
    """First-order motion model, with the official architecture and state-dict names.

    Reference:
        Siarohin et al., 2019, https://arxiv.org/abs/2003.00196
    """

    Config = FOMMConfig
    batch_pixels = (
        2**19
    )  # weights of the dense motion network are read once for 8 frames at 256x256

    def __init__(self, config: FOMMConfig) -> None:
        super().__init__(config)
        self.kp_detector = KPDetector(config.common_params, config.kp_detector_params)
        self.generator = OcclusionAwareGenerator(config.common_params, config.generator_params)
        self._layout = keypoint_layout("fomm", config.common_params.num_kp)

    @property
    def layout(self) -> KeypointLayout:
        """Per keypoint x, y, J00, J01, J10, J11: D = 6 K."""
        return self._layout

    def keypoints(self, frames: Tensor) -> Tensor:
        """Find the keypoints of each frame: (T, 3, H, W) in [0, 1] -> (T, D)."""
        keypoints: Keypoints = self.kp_detector(frames)
        return keypoints.vectors()

    def appearance(self, source: Tensor) -> FOMMAppearance:
        """Encode a source frame once: (3, H, W) in [0, 1] -> keypoints and features."""
        return self._encode(source[None])

    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw the source moved to each keypoint vector, with dense motion and occlusion map.

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        check_length(self.layout, keypoints)
        assert isinstance(appearance, FOMMAppearance)  # noqa: S101 - narrows the type
        frames = len(keypoints)
        motion = self.generator.dense_motion_network(
            appearance.thumbnail.expand(frames, -1, -1, -1),
            appearance.keypoints,
            Keypoints.from_vectors(keypoints),
        )
        painted = self._paint(appearance.features.expand(frames, -1, -1, -1), motion)
        # The original's grid has its corners in the corner pixels' centres: where it stands still,
        # so does this field only after they are moved there.
        height, width = motion.deformation.shape[1:3]
        inwards = motion.deformation.new_tensor([1 - 1 / width, 1 - 1 / height])
        return Rendering(painted, inwards * motion.deformation, motion.occlusion)

    def _paint(self, features: Tensor, motion: DenseMotion) -> Tensor:
        """Decode all frames: on a CPU a few at a time, whose features stay in its cache."""
        height, width = features.shape[2:]
        pixels = height * width * 4 ** len(self.generator.up_blocks)
        if features.device.type != "cpu" or torch.is_grad_enabled():
            return self.generator.decode(features, motion)
        few = max(1, PIXELS_AT_ONCE // pixels)
        occlusions: tuple[Tensor | None, ...] = (None,) * len(features)
        if motion.occlusion is not None:
            occlusions = motion.occlusion.split(few)
        parts = zip(features.split(few), motion.deformation.split(few), occlusions, strict=False)
        return torch.cat(
            [
                self.generator.decode(part, DenseMotion(flow, occlusion))
                for part, flow, occlusion in parts
            ]
        )

    def positions(self, keypoints: Tensor) -> Tensor:
        """Where the keypoints lie in the frame: (F, D) -> (F, K, 2), x and y in [-1, 1]."""
        return Keypoints.from_vectors(keypoints).value

    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Add the driving displacement and compose the Jacobians' change (section 3.4)."""
        moved, first, own = map(Keypoints.from_vectors, (keypoints, start[None], source[None]))
        change = moved.jacobian @ inverse_2x2(first.jacobian)
        value = own.value + scale * (moved.value - first.value)
        return Keypoints(value, change @ own.jacobian).vectors()

    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """The original's losses for pairs of frames of the same clips (section 3.3)."""
        weights, warp = objective.weights, pairs.warp
        appearance = self._encode(pairs.source)
        keypoints: Keypoints = self.kp_detector(pairs.driving)
        prediction = self.render(appearance, keypoints.vectors())
        warped: Keypoints = self.kp_detector(warp.frames(pairs.driving))
        value = (keypoints.value - warp.points(warped.value)).abs().mean()
        mapped = warp.jacobian(warped.value) @ warped.jacobian
        unit = inverse_2x2(keypoints.jacobian) @ mapped
        jacobian = (torch.eye(2, device=unit.device) - unit).abs().mean()
        losses = {
            "perceptual": objective.perceptual(prediction, pairs.driving),
            "equivariance_value": weights.equivariance_value * value,
            "equivariance_jacobian": weights.equivariance_jacobian * jacobian,
        }
        return Outcome(losses, prediction, keypoints.value)

    def _encode(self, sources: Tensor) -> FOMMAppearance:
        """Appearance of a batch of sources (B, 3, H, W)."""
        return FOMMAppearance(
            keypoints=self.kp_detector(sources),
            features=self.generator.encode(sources),
            thumbnail=self.generator.dense_motion_network.down(sources),
        )
