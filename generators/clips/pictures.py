"""Read pictures of cameras and drawing programs as RGB uint8 frames."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.depth import (
    bits_in_use,
    deep_colours,
    deep_values,
    largest_of,
    mosaic_of,
    to_colour,
    to_eight_bits,
)

MOST_PIXELS = 64 * 2**20  # pixels of one picture; more is a mistake or an attack
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError)
DAMAGED = (  # errors that decoders raise for damaged bytes
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    IndexError,
    struct.error,
    zlib.error,
    cv2.error,
)

Frame = NDArray[np.uint8]


def read_pictures(
    files: list[Path], numbers: bool = False, bits: int = 0, mosaic: str | None = None
) -> Iterator[Frame]:
    """Read pictures of a folder, each as RGB (H, W, 3); the arguments are `read_picture`'s.

    Raises:
        ClipError: If one is damaged or is a link out of its folder; the message names it.
    """
    for file in files:
        if not file.resolve().is_relative_to(file.parent.resolve()):
            raise ClipError(f"{file.name} is a link that leads out of the folder")
        try:
            yield read_picture(file, numbers, bits, mosaic)
        except ClipError as error:
            raise ClipError(f"{file.name}: {error}") from None


def read_picture(
    path: Path, numbers: bool = False, bits: int = 0, mosaic: str | None = None
) -> Frame:
    """Read one picture as RGB (H, W, 3), turned upright according to its EXIF data.

    Args:
        path: The picture.
        numbers: Keep 16-bit values up to 255 unscaled, because masks hold class numbers.
        bits: The depth of a deep picture's clip; 0 for that of the picture alone.
        mosaic: The order of colours in a raw picture; None for what its name says.

    Raises:
        ClipError: If it cannot be read completely; the message is only the reason.
    """
    with _as_clip_errors():
        colours = None if numbers else deep_colours(path)
        if colours is not None:
            return to_eight_bits(colours, bits or bits_in_use(largest_of([colours])))
        with Image.open(path) as image:
            check_pixels(image)
            upright = ImageOps.exif_transpose(image)
            return to_rgb(upright, numbers, bits, mosaic_of(path, "" if numbers else mosaic))
    raise AssertionError  # the context above either returns or raises


def to_rgb(
    image: Image.Image, numbers: bool = False, bits: int = 0, mosaic: int | None = None
) -> Frame:
    """Convert a picture to RGB (H, W, 3): transparency becomes black, deep pictures have 8 bits.

    Args:
        image: The picture.
        numbers: Whether it is a mask: values up to 255 stay, and one that is drawn by its
            transparency alone is that.
        bits: The depth of a deep picture's clip; 0 for that of the picture alone.
        mosaic: OpenCV's code for the mosaic of a colour camera's grey values; None without.
    """
    deep = deep_values(image)
    if deep is not None:
        if numbers:
            grey = to_eight_bits(deep, 8 if deep.max(initial=0) < 256 else 16)
        else:
            grey = to_eight_bits(deep, bits or bits_in_use(largest_of([deep])))
        return to_colour(grey, mosaic)
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        if numbers and _is_drawn_by_transparency(clear):
            return np.asarray(clear.getchannel("A").convert("RGB"))
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear)
    if mosaic is not None and image.mode == "L":
        return to_colour(np.asarray(image), mosaic)
    return np.asarray(image.convert("RGB"))


def _is_drawn_by_transparency(clear: Image.Image) -> bool:
    """Whether a mask has one colour and several degrees of transparency."""
    (low, high) = clear.getchannel("A").getextrema()
    colours = [clear.getchannel(name).getextrema() for name in "RGB"]
    return low != high and all(first == last for first, last in colours)


def depth_of(files: list[Path]) -> int:
    """The depth of a clip of pictures; 0 if none is deep.

    Only a clip whose first picture is deep is read once more for it.
    """
    largest = -1
    for file in files:
        with _as_clip_errors(), Image.open(file) as image:
            check_pixels(image)
            values = deep_colours(file)
            values = deep_values(image) if values is None else values
            if values is None and largest < 0:
                return 0
            if values is not None:
                largest = max(largest, largest_of([values]))
    return bits_in_use(largest) if largest >= 0 else 0


@contextmanager
def _as_clip_errors() -> Iterator[None]:
    """Turn what decoders raise into the reason that a clip cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UNREADABLE as error:
        raise ClipError(f"not a readable picture ({reason_of(error)})") from None
    except ClipError:
        raise
    except DAMAGED as error:
        raise ClipError(f"damaged ({reason_of(error)})") from None


def check_pixels(image: Image.Image) -> None:
    """Refuse pictures that would fill the memory."""
    if image.width * image.height > MOST_PIXELS:
        raise ClipError(f"expected at most 64 megapixels, got {image.width}x{image.height}")


def reason_of(error: BaseException) -> str:
    """A decoder's error message on one line, without paths."""
    text = getattr(error, "strerror", None) or str(error).split(":")[-1]
    return " ".join(str(text).split()).lower() or type(error).__name__
