"""Motion backbones, registered by name."""

from flawcast.configs.keypoint_layouts import KeypointLayout
from flawcast.generators.backbones.base import (
    BACKBONES,
    Appearance,
    Context,
    MotionBackbone,
    Rendering,
    build_backbone,
    load_backbone,
    save_backbone,
)
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.backbones.official import import_official

__all__ = [
    "BACKBONES",
    "Appearance",
    "Context",
    "KeypointLayout",
    "MotionBackbone",
    "Rendering",
    "build_backbone",
    "import_official",
    "keypoints_of",
    "load_backbone",
    "save_backbone",
]
