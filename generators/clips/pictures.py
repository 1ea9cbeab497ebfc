"""Read pictures of cameras and drawing programs as RGB uint8 frames."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from flawcast.configs.errors import ClipError

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


def read_pictures(files: list[Path], numbers: bool = False) -> Iterator[Frame]:
    """Read pictures of a folder, each as RGB (H, W, 3); `numbers` as in `read_picture`.

    Raises:
        ClipError: If one is damaged or is a link out of its folder; the message names it.
    """
    for file in files:
        if not file.resolve().is_relative_to(file.parent.resolve()):
            raise ClipError(f"{file.name} is a link that leads out of the folder")
        try:
            yield read_picture(file, numbers)
        except ClipError as error:
            raise ClipError(f"{file.name}: {error}") from None


def read_picture(path: Path, numbers: bool = False) -> Frame:
    """Read one picture as RGB (H, W, 3), turned upright according to its EXIF data.

    Args:
        path: The picture.
        numbers: Keep 16-bit values up to 255 unscaled, because masks hold class numbers.

    Raises:
        ClipError: If it cannot be read completely; the message is only the reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                check_pixels(image)
                return to_rgb(ImageOps.exif_transpose(image), numbers)
    except UNREADABLE as error:
        raise ClipError(f"not a readable picture ({reason_of(error)})") from None
    except ClipError:
        raise
    except DAMAGED as error:
        raise ClipError(f"damaged ({reason_of(error)})") from None


def to_rgb(image: Image.Image, numbers: bool = False) -> Frame:
    """Convert a picture to RGB (H, W, 3): transparency becomes black, 16 bits are scaled to 8."""
    if image.mode.startswith("I;16"):  # Pillow would clip these at 255, to white
        grey = np.asarray(image).astype(np.uint32)
        if not numbers or grey.max(initial=0) > 255:
            grey = (grey + 128) // 257
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ClipError("expected a picture of 8 or 16 bits, got one of 32; convert it")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear)
    return np.asarray(image.convert("RGB"))


def check_pixels(image: Image.Image) -> None:
    """Refuse pictures that would fill the memory."""
    if image.width * image.height > MOST_PIXELS:
        raise ClipError(f"expected at most 64 megapixels, got {image.width}x{image.height}")


def reason_of(error: BaseException) -> str:
    """A decoder's error message on one line, without paths."""
    text = getattr(error, "strerror", None) or str(error).split(":")[-1]
    return " ".join(str(text).split()).lower() or type(error).__name__
