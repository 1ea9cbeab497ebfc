"""What every motion backbone does: keypoints of frames, appearance of a source, rendering."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from configs.errors import ModelError
from configs.registry import Registry
from configs.settings import LossWeights, validated
from generators.equivariance import RandomWarp
from generators.perceptual import PerceptualLoss
from generators.weights import load_into, read_weights, write_weights

BACKBONE_FILE = "backbone.safetensors"


@dataclass(frozen=True)
class KeypointLayout:
    """How one keypoint vector is laid out.

    Args:
        name: "fomm", "tps" or "vid2vid".
        keypoints: K.
        per_keypoint: Values per keypoint, in order (FOMM: x, y, J00, J01, J10, J11).
    """

    name: str
    keypoints: int
    per_keypoint: tuple[str, ...]

    @property
    def length(self) -> int:
        """D, the length of one keypoint vector."""
        return self.keypoints * len(self.per_keypoint)


class Appearance:
    """What a backbone knows of a source frame: computed once, used for every future. Opaque."""


class MotionBackbone(nn.Module, ABC):
    """A motion-transfer model behind three steps.

    Args:
        config: The backbone's own settings, an instance of `Config`.
    """

    Config: ClassVar[type[BaseModel]]
    name: ClassVar[str]

    def __init__(self, config: BaseModel) -> None:
        super().__init__()
        self.config = config

    @property
    @abstractmethod
    def layout(self) -> KeypointLayout:
        """How this backbone's keypoint vectors are laid out."""

    @abstractmethod
    def keypoints(self, frames: Tensor) -> Tensor:
        """Find the keypoints of each frame: (T, 3, H, W) in [0, 1] -> (T, D)."""

    @abstractmethod
    def appearance(self, source: Tensor) -> Appearance:
        """Encode a source frame once: (3, H, W) in [0, 1] -> what `render` needs of it."""

    @abstractmethod
    def render(self, appearance: Appearance, keypoints: Tensor) -> Tensor:
        """Draw the source moved to each keypoint vector: (F, D) -> (F, 3, H, W) in [0, 1]."""

    @abstractmethod
    def relative(self, keypoints: Tensor, start: Tensor, source: Tensor) -> Tensor:
        """Carry a foreign motion over to a source, relative to where each of them starts.

        Args:
            keypoints: Of the driving clip, (F, D).
            start: The driving clip's first, (D,).
            source: The source frame's own, (D,).

        Returns:
            Keypoints for `render`, (F, D); equal to `source` where the driving clip stands still.
        """

    @abstractmethod
    def losses(
        self,
        source: Tensor,
        driving: Tensor,
        warp: RandomWarp,
        perceptual: PerceptualLoss,
        weights: LossWeights,
    ) -> dict[str, Tensor]:
        """Weighted training losses by name for pairs of frames of the same clips.

        Args:
            source: (B, 3, H, W) in [0, 1].
            driving: Other frames of the same clips, (B, 3, H, W).
            warp: A random warp for each driving frame, for the equivariance losses.
            perceptual: Compares rendered with driving frames.
            weights: What each loss counts.
        """


BACKBONES: Registry[type[MotionBackbone]] = Registry("backbone", "generators.backbones")


def build_backbone(name: str, config: dict[str, Any], seed: int = 0) -> MotionBackbone:
    """Make a backbone with fresh weights, the same for the same seed.

    Raises:
        SettingsError: If the name is unknown or the configuration does not fit the backbone.
    """
    kind = BACKBONES[name]
    settings = validated(kind.Config, config, f"backbone {name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(settings)


def check_length(layout: KeypointLayout, keypoints: Tensor) -> None:
    """Refuse keypoints that are not of the backbone's length.

    Raises:
        ModelError: If D differs.
    """
    if keypoints.shape[-1] != layout.length:
        raise ModelError(
            f"keypoints: {layout.name} with {layout.keypoints} keypoints expects vectors of length "
            f"D = {layout.length}, got {keypoints.shape[-1]}; use the forecaster of the same model"
        )


def save_backbone(backbone: MotionBackbone, path: Path) -> None:
    """Write a backbone's weights, with its name and sizes in the header."""
    header = {"backbone": backbone.name, "config": backbone.config.model_dump(mode="json")}
    write_weights(path, backbone.state_dict(), header)


def load_backbone(path: Path | str) -> MotionBackbone:
    """Read a backbone from a model folder (or its `backbone.safetensors`), in eval mode.

    Raises:
        ModelError: If the folder or file is absent, damaged or not a backbone.
    """
    path = Path(path)
    path = path / BACKBONE_FILE if path.is_dir() else path
    tensors, header = read_weights(path)
    if not isinstance(header.get("backbone"), str) or not isinstance(header.get("config"), dict):
        raise ModelError(f"model: expected a motion backbone in {path}, found other weights")
    backbone = build_backbone(header["backbone"], header["config"])
    load_into(backbone, tensors, f"backbone {header['backbone']}")
    # Channels last renders a quarter faster on a CPU, with differences of 1e-5.
    return backbone.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
