"""Sizes of the thin-plate-spline motion model, named as in the official configuration files."""

from math import log2
from typing import Self

from pydantic import Field, model_validator

from flawcast.configs.settings import Settings

POINTS = 5  # control points of each thin-plate spline; the published models' only choice


class CommonParams(Settings):
    """What all parts share."""

    num_tps: int = Field(10, ge=1)
    num_channels: int = Field(3, ge=3, le=3)
    bg: bool = True  # predict an affine motion of the background, for training
    multi_mask: bool = True  # an occlusion mask of its own for each resolution of the features


class EncoderParams(Settings):
    """The ResNet-18 of the keypoint detector and of the background predictor.

    The official files have no such section: their encoders are as wide as the default.
    """

    block_expansion: int = Field(64, ge=1)


class GeneratorParams(Settings):
    """Inpainting network."""

    block_expansion: int = Field(64, ge=1)
    max_features: int = Field(512, ge=1)
    num_down_blocks: int = Field(3, ge=1)


class DenseMotionParams(Settings):
    """Dense motion network and the resolution it works at."""

    block_expansion: int = Field(64, ge=1)
    max_features: int = Field(1024, ge=1)
    num_blocks: int = Field(5, ge=1)
    scale_factor: float = Field(0.25, gt=0, le=1)

    @property
    def halvings(self) -> int:
        """How often a frame is halved before the network sees it."""
        return round(-log2(self.scale_factor))


class AVDNetworkParams(Settings):
    """Network that carries a pose over to another object (animation via disentanglement)."""

    id_bottle_size: int = Field(64, ge=1)
    pose_bottle_size: int = Field(64, ge=1)


class TPSConfig(Settings):
    """Sizes of the model; defaults are vox-256 without `avd_network_params`."""

    common_params: CommonParams = CommonParams()
    encoder_params: EncoderParams = EncoderParams()
    generator_params: GeneratorParams = GeneratorParams()
    dense_motion_params: DenseMotionParams = DenseMotionParams()
    avd_network_params: AVDNetworkParams | None = None  # none: a model without that network

    @model_validator(mode="after")
    def _masks_fit(self) -> Self:
        dense, levels = self.dense_motion_params, self.generator_params.num_down_blocks
        if dense.scale_factor != 0.5**dense.halvings:
            raise ValueError("expected dense_motion_params.scale_factor 1, 0.5, 0.25, ...")
        if self.common_params.multi_mask and not (
            dense.halvings <= levels < dense.halvings + dense.num_blocks
        ):
            raise ValueError(
                "expected generator_params.num_down_blocks from "
                f"{dense.halvings} to {dense.halvings + dense.num_blocks - 1} for one mask "
                "per resolution"
            )
        return self
