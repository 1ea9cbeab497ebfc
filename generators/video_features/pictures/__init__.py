"""Features of pictures by a network that was trained on photographs, and kept frozen."""

from flawcast.generators.video_features.pictures.efficientnet_lite import EfficientNetLite0
from flawcast.generators.video_features.pictures.pretrained import (
    CHANNELS,
    STRIDES,
    check_pretrained,
    load_pretrained,
)

__all__ = ["CHANNELS", "STRIDES", "EfficientNetLite0", "check_pretrained", "load_pretrained"]
