"""Label Studio's own run lengths of brush masks: runs of RGBA values in a string of bits.

Reference:
    https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.outlines import Mask, Size

CHANNELS = 4  # red, green, blue and opacity, which is the mask


def brush_mask(rle: Sequence[int], size: Size) -> Mask:
    """The mask of a brush.

    Args:
        rle: The bytes of its run lengths.
        size: (H, W) that it was drawn at.

    Raises:
        AnnotationError: If it is not of this size, or is damaged.
    """
    values = unpacked(bytes(rle))
    if len(values) != size[0] * size[1] * CHANNELS:
        raise AnnotationError(
            f"expected a brush mask of {size[1]}x{size[0]}, got one of {len(values) // CHANNELS} "
            "pixels"
        )
    mask: Mask = values.reshape(*size, CHANNELS)[..., -1] > 0
    return mask


def unpacked(data: bytes) -> NDArray[np.uint8]:
    """The values that run lengths stand for.

    Raises:
        AnnotationError: If they end too early.
    """
    length, place = 8 * len(data), 0

    def take(bits: int) -> int:
        nonlocal place
        place += bits
        if place > length:
            raise AnnotationError("expected run lengths of a brush mask, they end too early")
        start, end = (place - bits) // 8, -(-place // 8)
        piece = int.from_bytes(data[start:end])
        return piece >> (8 * end - place) & ((1 << bits) - 1)

    count, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    runs: list[int] = []
    values: list[int] = []
    total = 0
    while total < count:
        repeated = take(1)
        run = take(sizes[take(2)]) + 1
        runs += [run] if repeated else [1] * run
        values += [take(word) for _ in range(1 if repeated else run)]
        total += run
    return np.repeat(np.asarray(values, np.uint8), runs)[:count]
