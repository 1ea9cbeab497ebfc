"""The `layers` motion model: parts of a clip, cut out and moved over its plate, untrained."""

from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.backbones.layers.model import appearance, best_sources, render
from flawcast.generators.backbones.layers.observation import Observation, observe

__all__ = [
    "LayersBackbone",
    "Observation",
    "appearance",
    "best_sources",
    "observe",
    "render",
]
