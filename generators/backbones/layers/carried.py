"""Where in the source frame each pixel of a drawn frame comes from, and masks that ride along."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers.composite import cover, nearest_cut_out
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.backbones.layers.motion import Field, dense_motion
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

COVERED = 127  # alpha above which a pixel shows the part
FARTHEST = 0.25  # least difference, as a share of the width, that a motion map shows as 255


@dataclass(frozen=True)
class Origins:
    """Where the pixels of one frame come from in the main source frame.

    Args:
        places: Pixel positions, (H, W, 2); their own where no part is.
        valid: Whether the source frame shows what is there, (H, W): not where a part has uncovered
            the background, nor where a part shows what the source frame hides.
        uncovered: Background that a part hides in the source frame, (H, W).
    """

    places: Field
    valid: Mask
    uncovered: Mask


@dataclass(frozen=True)
class Carrier:
    """Finds the origins of frames drawn from one source.

    Args:
        appearance: What the source looks like.
    """

    appearance: LayerAppearance

    def origins(self, driving: Keypoints) -> Origins:
        """Origins of the frame at some keypoints, (D,)."""
        look, size = self.appearance, self.appearance.size
        height, width = size
        places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
        uncovered = self._covered_in_source.copy()
        valid = ~uncovered
        for layer, cuts in enumerate(look.layers):
            if not cuts:
                continue
            group = np.repeat(look.groups == layer, 6)
            main, own = look.keypoints[group], driving[group]
            box, alpha = cover(cuts[nearest_cut_out(cuts, own)], own, size)
            left, top, right, bottom = box
            if right <= left or bottom <= top:
                continue
            came = dense_motion(main, own, box, size)
            part = alpha > COVERED
            places[top:bottom, left:right][part] = came[part]
            uncovered[top:bottom, left:right][part] = False
            columns, rows = np.rint(came[..., 0]), np.rint(came[..., 1])
            inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
            columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
            seen = inside & self._covered_in_source[rows.astype(int), columns.astype(int)]
            valid[top:bottom, left:right][part] = seen[part]
        return Origins(places, valid, uncovered)

    @cached_property
    def _covered_in_source(self) -> Mask:
        """Where parts are in the main source frame, (H, W)."""
        look = self.appearance
        covered = np.zeros(look.size, bool)
        for layer, cuts in enumerate(look.layers):
            if cuts:
                own = look.keypoints[np.repeat(look.groups == layer, 6)]
                box, alpha = cover(cuts[nearest_cut_out(cuts, own)], own, look.size)
                left, top, right, bottom = box
                covered[top:bottom, left:right] |= alpha > COVERED
        return covered


def carry_levels(levels: Image, origins: Origins) -> Image:
    """Levels of the main source frame in another frame: (H, W) -> (H, W), 0, PART or DEFECT.

    The defect and the part are carried separately, so that no level between them appears.
    """
    moved = np.zeros_like(levels)
    for level in (PART, DEFECT):
        share = cv2.remap(
            np.where(levels >= level, np.uint8(255), np.uint8(0)),
            origins.places,
            None,
            cv2.INTER_LINEAR,
            borderValue=0,
        )
        moved[share > COVERED] = level
    moved[origins.uncovered] = 0
    return moved


def motion_difference(origins: Origins, usual: Origins) -> tuple[Image, Mask]:
    """How much each pixel's motion differs from the usual one, 255 for `FARTHEST` and more.

    Args:
        origins: Of the frame.
        usual: Of the same frame of the usual video.

    Returns:
        The map and where it is reliable, each (H, W).
    """
    away = origins.places - usual.places
    apart = cv2.magnitude(away[..., 0], away[..., 1]) / (FARTHEST * away.shape[1])
    grey = np.rint(np.minimum(apart, 1) * 255).astype(np.uint8)
    return grey, origins.valid & usual.valid
