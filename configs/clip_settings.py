"""How clips are read: size, fit and stride."""

from typing import Literal

from pydantic import Field

from flawcast.configs.frozen import Settings


class ClipSettings(Settings):
    """How a clip is read: size, shape and rate of its frames.

    Args:
        size: Height and width in pixels.
        fit: How a frame becomes square: centre crop, pad with black, or stretch.
        stride: Keep every n-th frame.
        max_frames: Read no more frames than this, after the stride; None for all.
    """

    size: int = Field(default=64, ge=16, le=1024)
    fit: Literal["crop", "pad", "stretch"] = "crop"
    stride: int = Field(default=1, ge=1)
    max_frames: int | None = Field(default=None, ge=1, le=20_000)
