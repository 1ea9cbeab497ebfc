"""How clips are read: size, fit and stride."""

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from flawcast.configs.frozen import Settings

Mosaic = Literal["rggb", "bggr", "grbg", "gbrg"]  # the first row's two colours, then the second's
LARGEST = 4320  # short side of 8K video
NATIVE = 512  # short side: larger frames are shrunk, unless their own size is asked for


class ClipSettings(Settings):
    """How a clip is read: size, shape and rate of its frames.

    Args:
        size: Height and width in pixels; with the fit "keep", the longest short side.
        fit: How a frame becomes square: centre crop, pad with black, or stretch. "keep" leaves it
            its own aspect, and shrinks it only where its short side is longer than `size`.
        stride: Keep every n-th frame.
        max_frames: Read no more frames than this, after the stride; None for all.
        mosaic: Order of the colours in the greys of a colour camera's raw pictures; None for what
            the name of a folder or file says.
    """

    size: int = Field(default=64, ge=16, le=LARGEST)
    fit: Literal["crop", "pad", "stretch", "keep"] = "crop"
    stride: int = Field(default=1, ge=1)
    max_frames: int | None = Field(default=None, ge=1, le=20_000)
    mosaic: Mosaic | None = None

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older clips do not have, so that they keep their ids."""
        values: dict[str, Any] = dump(self)
        if values.get("mosaic") is None:
            values.pop("mosaic", None)
        return values
