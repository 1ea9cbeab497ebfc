"""Masks that stand in pictures of their own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import Draw, naming
from flawcast.generators.clips.annotations.outlines import Mask, Size
from flawcast.generators.clips.pictures import read_picture


def drawn_in(files: Sequence[Path]) -> Draw | None:
    """What draws the masks of some pictures, in which every value but 0 is the defect.

    Args:
        files: The pictures; none where only the label is known.
    """
    if not files:
        return None

    def draw(size: Size) -> Mask:
        mask = np.zeros(size, bool)
        for file in files:
            with naming(file.name):
                if not file.is_file():
                    raise AnnotationError("there is no such mask")
                values = read_picture(file, numbers=True).max(axis=2)
            if values.shape != size:
                raise AnnotationError(
                    f"{file.name}: expected a mask of {size[1]}x{size[0]} as its picture, got "
                    f"{values.shape[1]}x{values.shape[0]}"
                )
            mask |= values > 0
        return mask

    return draw
