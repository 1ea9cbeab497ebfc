"""Motion backbones: one file each, found by name."""

from generators.backbones.base import (
    BACKBONES,
    Appearance,
    KeypointLayout,
    MotionBackbone,
    Rendering,
    build_backbone,
    load_backbone,
    save_backbone,
)

__all__ = [
    "BACKBONES",
    "Appearance",
    "KeypointLayout",
    "MotionBackbone",
    "Rendering",
    "build_backbone",
    "load_backbone",
    "save_backbone",
]
