"""Features of whole videos, for distances between sets of them."""

from flawcast.generators.video_features.pixel_features import filtered_features
from flawcast.generators.video_features.transformer import AttentiveProbe, VJEPAEncoder, VJEPASizes
from flawcast.generators.video_features.vjepa import VJEPA

__all__ = [
    "VJEPA",
    "AttentiveProbe",
    "VJEPAEncoder",
    "VJEPASizes",
    "filtered_features",
]
