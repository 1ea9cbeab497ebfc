"""Sizes of face-vid2vid, named as in the official configuration files; defaults are vox-256."""

from typing import Literal

from pydantic import Field, model_validator

from flawcast.configs.settings import Settings


class CommonParams(Settings):
    """What all parts share."""

    num_kp: int = Field(15, ge=1)
    image_channel: int = Field(3, ge=3, le=3)
    feature_channel: int = Field(32, ge=1)
    estimate_jacobian: Literal[False] = False  # no published model has Jacobians


class KPDetectorParams(Settings):
    """Detector of the canonical keypoints: a 2D encoder, a reshape to a volume, a 3D decoder."""

    temperature: float = Field(0.1, gt=0)
    block_expansion: int = Field(32, ge=1)
    max_features: int = Field(1024, ge=1)
    scale_factor: float = Field(0.25, gt=0, le=1)
    num_blocks: int = Field(5, ge=1)
    reshape_channel: int = Field(16384, ge=1)
    reshape_depth: int = Field(16, ge=2)

    @property
    def width(self) -> int:
        """Channels where the 2D encoder ends and the 3D decoder begins."""
        return min(self.max_features, self.block_expansion * 2**self.num_blocks)

    @model_validator(mode="after")
    def _volume_fits(self) -> "KPDetectorParams":
        """The reshape must give the channels that the decoder expects."""
        if self.reshape_channel != self.width * self.reshape_depth:
            raise ValueError(
                f"reshape_channel: expected {self.width} channels x reshape_depth "
                f"{self.reshape_depth} = {self.width * self.reshape_depth}"
            )
        return self


class HEEstimatorParams(Settings):
    """Estimator of head pose and expression.

    The original fixes the widths of its stages; here they are 1/8, 1/4, 1/2 and all of
    `max_features`, which gives the same at the published 2048 and lets smaller models be small.
    """

    block_expansion: int = Field(64, ge=1)
    max_features: int = Field(2048, ge=32, multiple_of=32)
    num_bins: int = Field(66, ge=2)


class DenseMotionParams(Settings):
    """Dense motion network."""

    block_expansion: int = Field(32, ge=1)
    max_features: int = Field(1024, ge=1)
    num_blocks: int = Field(5, ge=1)
    reshape_depth: int = Field(16, ge=2)
    compress: int = Field(4, ge=1)


class GeneratorParams(Settings):
    """Either generator; the SPADE decoder's sizes, fixed in the original, follow from these."""

    block_expansion: int = Field(64, ge=1)
    max_features: int = Field(512, ge=1)
    num_down_blocks: int = Field(2, ge=1)
    reshape_channel: int = Field(32, ge=1)
    reshape_depth: int = Field(16, ge=2)
    num_resblocks: int = Field(6, ge=0)
    estimate_occlusion_map: bool = True
    dense_motion_params: DenseMotionParams = DenseMotionParams()

    @model_validator(mode="after")
    def _volume_fits(self) -> "GeneratorParams":
        """All parts must speak of the same volume of features."""
        if self.max_features != self.reshape_channel * self.reshape_depth:
            raise ValueError(
                f"max_features: expected reshape_channel {self.reshape_channel} x reshape_depth "
                f"{self.reshape_depth} = {self.reshape_channel * self.reshape_depth}"
            )
        if self.dense_motion_params.reshape_depth != self.reshape_depth:
            raise ValueError(
                f"dense_motion_params.reshape_depth: expected {self.reshape_depth} as above"
            )
        return self


class Vid2VidConfig(Settings):
    """Sizes of the model.

    Args:
        generator: "original" paints with residual and up blocks, "spade" with a SPADE decoder.
    """

    generator: Literal["original", "spade"] = "original"
    common_params: CommonParams = CommonParams()
    kp_detector_params: KPDetectorParams = KPDetectorParams()
    he_estimator_params: HEEstimatorParams = HEEstimatorParams()
    generator_params: GeneratorParams = GeneratorParams()

    @model_validator(mode="after")
    def _channels_fit(self) -> "Vid2VidConfig":
        """The dense motion network reads the generator's volume."""
        if self.common_params.feature_channel != self.generator_params.reshape_channel:
            raise ValueError(
                "common_params.feature_channel: expected generator_params.reshape_channel = "
                f"{self.generator_params.reshape_channel}"
            )
        return self
