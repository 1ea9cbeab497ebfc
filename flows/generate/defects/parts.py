"""The part that a set's defect is put on: a cut-out of `layers`, or what moves in the clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers import observe
from flawcast.generators.backbones.layers.background import enlarged
from flawcast.generators.backbones.layers.mattes import soft_matte
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.backbones.layers.observation import background_at
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.defects import Host, RefusedError, measure_host
from flawcast.generators.defects.host import SMALLEST_PART

SOLID = 0.9  # of a matte, from which a pixel belongs to the part
SHOWN = 0.6  # of a part, that the source frame must show to be the frame that is measured
SHADE, EVEN = (0.2, 0.92), 0.14  # of the background's light that a shadow leaves; its hue
PLAIN, HOLES = 1.08, (12, 0.15)  # the same for a hole; its pixels, and its share of the mask
SPIKES = 14  # of the side of a part as a square: what is thinner sticks out by mistake
STILL_PART = 0.5  # of a mask, that must be left without its shadow
LEAST_SHARE = 0.3  # of the largest part's area: smaller ones get no defect

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ChosenPart:
    """The part that gets a defect.

    Args:
        host: The part, in the frame that it is measured in.
        part: Which layer of the appearance it is; 0 for a learned model.
        cut: Which of its cut-outs was measured.
    """

    host: Host
    part: int = 0
    cut: int = 0


def part_on_layers(look: LayerAppearance, in_source: bool) -> ChosenPart:
    """Choose the main part of a source, and measure it where it is seen best.

    The source frame itself is taken if it shows most of the part.

    Args:
        look: What the source looks like.
        in_source: Whether only the source frame may be measured, as for a drawn region.

    Raises:
        RefusedError: If no part is large enough, or the source frame shows none.
    """
    solid: dict[int, tuple[int, Mask]] = {}
    for part, cuts in enumerate(look.layers):
        main = look.keypoints[np.repeat(look.groups == part, 6)]
        usable = [
            number
            for number, cut in enumerate(cuts)
            if not in_source or np.array_equal(cut.keypoints, main)
        ]
        if not usable:
            continue
        first = usable[0]
        shows = np.array_equal(cuts[first].keypoints, main) and cuts[first].visible >= SHOWN
        best = first if shows else max(usable, key=lambda number: cuts[number].visible)
        picture, mask, background = _laid(look, part, best)
        mask = without_shadow(picture, background, mask)
        if mask.sum() >= SMALLEST_PART:
            solid[part] = best, mask
    if not solid:
        raise RefusedError(
            "no_part",
            f"part: expected a part of at least {SMALLEST_PART} pixels, the source shows none; "
            "use larger frames or other windows",
        )
    largest = max(mask.sum() for _, mask in solid.values())
    # The first part explains most of the motion; what a later one is, is less certain.
    part = next(part for part, (_, mask) in solid.items() if mask.sum() >= LEAST_SHARE * largest)
    cut, mask = solid[part]
    picture, _, background = _laid(look, part, cut)
    return ChosenPart(measure_host(picture, mask, background), part, cut)


def _laid(look: LayerAppearance, part: int, cut: int) -> tuple[Image, Mask, Image]:
    """A cut-out over its background, where it is solid, and the background: its frame, rebuilt."""
    one, (height, width) = look.layers[part][cut], look.size
    background = look.plate
    if look.belt is not None and cut == 0:
        background = look.belt.over(look.plate, look.belt_start)
    left, top, right, bottom = one.box
    inner = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    rows, columns = inner[0].stop - inner[0].start, inner[1].stop - inner[1].start
    above, before = max(0, -top), max(0, -left)
    pixels = one.pixels[above : above + rows, before : before + columns]
    picture, mask = background.copy(), np.zeros(look.size, bool)
    if rows <= 0 or columns <= 0:
        return picture, mask, background
    rest = 1 - pixels[..., 3:] / np.float32(255)
    picture[inner] = np.clip(pixels[..., :3] + rest * picture[inner], 0, 255).round()
    mask[inner] = pixels[..., 3] > SOLID * 255
    return picture, mask, background


def without_shadow(picture: Image, background: Image, mask: Mask) -> Mask:
    """A part's mask without its holes and the strong shadow around it, which moves as it does.

    A shadow is the background, evenly darker, and begins at the mask's outline. What looks like
    that inside is a hole. A part that looks like that itself keeps its mask.

    Args:
        picture: RGB, (H, W, 3).
        background: What it would show without the part, (H, W, 3).
        mask: (H, W).
    """
    band = max(1.0, min(mask.shape) / 256)
    ratio = cv2.GaussianBlur(picture, (0, 0), band).astype(np.float32) + 4
    ratio /= cv2.GaussianBlur(background, (0, 0), band).astype(np.float32) + 4
    level = ratio.mean(-1)
    even = (ratio.max(-1) - ratio.min(-1) < EVEN) & (level > SHADE[0]) & mask
    outline = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    dark = even & (level < SHADE[1])
    _, regions = cv2.connectedComponents(dark.astype(np.uint8))
    left = mask & ~(np.isin(regions, np.unique(regions[outline & dark])) & dark)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(
        (even & (level < PLAIN)).astype(np.uint8)
    )
    areas = stats[:, cv2.CC_STAT_AREA]
    hole = (areas >= HOLES[0]) & (areas <= HOLES[1] * mask.sum())
    hole[0] = False
    hole[np.unique(regions[outline])] = False
    left &= ~hole[regions]
    solid = _largest(left)
    return solid if solid.sum() >= STILL_PART * mask.sum() else _largest(mask)


def _largest(mask: Mask) -> Mask:
    """The largest region of a mask, without thin spikes."""
    side = max(3, round(float(np.sqrt(mask.sum())) / SPIKES)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(opened)
    if len(stats) < 2:
        return mask
    return np.asarray(regions == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def part_of_clip(
    frames: Image, index: int, levels: Image | None, earlier: Sequence[Image] = ()
) -> ChosenPart:
    """The part of a source that a learned model animates: its mask, or what moves in the clip.

    Args:
        frames: Frames that may be looked at, RGB, (T, H, W, 3).
        index: Which of them is the source.
        levels: Mask of the source, (H, W), if its clip has masks.
        earlier: More frames of the same camera, (T', H, W, 3) each.

    Raises:
        RefusedError: If no part is known.
    """
    source = frames[index]
    drawn = np.zeros(source.shape[:2], bool)  # masks that are all defect do not tell the part
    if levels is not None and ((levels >= PART) & (levels < DEFECT)).any():
        drawn = levels >= PART
    try:
        seen = observe(frames, None, earlier)
        failure = seen.failure
    except ClipError as error:
        seen, failure = None, str(error)
    if seen is not None and seen.tracks and not failure:
        background = background_at(seen, index)
        if drawn.sum() >= SMALLEST_PART:
            return ChosenPart(measure_host(source, drawn, background))
        track = seen.tracks[0]
        mask = enlarged(carried(track.mask, track), frames.shape[1:3])[index]
        matte = soft_matte(source, background, mask, shadow=False) if mask.any() else mask
        solid = without_shadow(source, background, matte > SOLID)
        if solid.sum() >= SMALLEST_PART:
            return ChosenPart(measure_host(source, solid, background))
        failure = "the source frame does not show the part"
    if drawn.sum() >= SMALLEST_PART:
        return ChosenPart(measure_host(source, drawn))
    raise RefusedError(
        "no_part",
        f"part: expected one that moves, or masks that tell it, found none: {failure}; "
        "give the clip masks with the part at 128",
    )
