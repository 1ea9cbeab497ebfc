"""Pictures of cameras with 10, 12, 14 or 16 bits, and what of them becomes 8 bits.

Industrial cameras write 12 bits into files of 16. How many bits are in use is decided by the
largest value of the whole clip, never frame by frame: a lamp that is switched on must get brighter.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import ClipError

DEPTHS = (8, 10, 12, 14, 16)
_MOSAIC = re.compile(
    r"bayer[ _-]?(rggb|bggr|grbg|gbrg|rg|bg|gr|gb)(?![a-z])"
    r"|(?<![a-z])(rggb|bggr|grbg|gbrg)(?![a-z])",
    re.IGNORECASE,
)
# OpenCV names a mosaic by the second row's second and third pixel.
_PATTERNS = {
    "rg": cv2.COLOR_BayerBG2RGB,
    "bg": cv2.COLOR_BayerRG2RGB,
    "gr": cv2.COLOR_BayerGB2RGB,
    "gb": cv2.COLOR_BayerGR2RGB,
}

Values = NDArray[np.uint16]


def bits_in_use(largest: int) -> int:
    """The depth of a camera whose largest value is this one.

    Example:
        >>> bits_in_use(4000), bits_in_use(65_000)
        (12, 16)
    """
    return next(bits for bits in DEPTHS if largest < 2**bits)


def to_eight_bits(values: Values, bits: int) -> NDArray[np.uint8]:
    """Scale values of a depth to 8 bits, rounded."""
    if bits == 8:
        return values.astype(np.uint8)
    most = 2**bits - 1
    return ((values.astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)


def deep_values(image: Image.Image) -> Values | None:
    """Values of a picture with more than 8 bits, (H, W) or (H, W, 3); None for all others.

    Raises:
        ClipError: If it has more than 16 bits.
    """
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() >= 2**16:
            raise ClipError("expected a picture of 8 or 16 bits, got one of 32; convert it")
        return values.astype(np.uint16)
    return None


def deep_colours(path: Path) -> Values | None:
    """Colours of a PNG or TIFF with 16 bits a channel, RGB; None for all other files.

    Pillow would cut their lower 8 bits, and with them all that a camera of 10 bits saw.
    """
    with path.open("rb") as stream:
        head = stream.read(26)
    is_png = head[:8] == b"\x89PNG\r\n\x1a\n"
    if not ((is_png and head[24] == 16 and head[25] in (2, 6)) or head[:4] in _TIFF):
        return None
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16 or picture.ndim != 3:
        return None
    colours = np.ascontiguousarray(picture[..., 2::-1])
    if picture.shape[2] == 4:  # transparency becomes black, as in pictures of 8 bits
        colours = colours * (picture[..., 3:].astype(np.float32) / (2**16 - 1))
    return colours.astype(np.uint16, copy=False)


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def largest_of(pictures: Iterable[Values]) -> int:
    """The largest value of a clip's pictures."""
    return max((int(values.max(initial=0)) for values in pictures), default=0)


def mosaic_of(path: Path, said: str | None = None) -> int | None:
    """OpenCV's code for the mosaic that a file or its folder is named after, as `cam_BayerRG8`.

    Args:
        path: The file.
        said: The order of colours that was named for it; "" for none, whatever its name.
    """
    if said is not None:
        return _PATTERNS[said[:2]] if said else None
    found = _MOSAIC.search(path.stem) or _MOSAIC.search(path.parent.name)
    return _PATTERNS[(found[1] or found[2]).lower()[:2]] if found else None


def to_colour(grey: NDArray[np.uint8], mosaic: int | None) -> NDArray[np.uint8]:
    """Make RGB (H, W, 3) of grey or mosaic values."""
    if mosaic is None:
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(grey), mosaic), np.uint8)
