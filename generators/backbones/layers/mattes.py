"""Mattes: where a clip's moving parts are, and how much of each pixel they cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Alpha = NDArray[np.float32]

SMALLEST_SHARE = 0.0015  # of the frame: smaller moving regions are noise or reflections
SHADOW_RANGE = (0.45, 0.94)  # how bright a shadow is beside the bare plate


def difference(frame: Image, background: Image) -> Alpha:
    """How far a frame departs from its background, [0, 255], (H, W).

    A change of the light that is the same all over is taken out first.
    """
    offset = frame.astype(np.float32) - background
    light = np.median(offset[::4, ::4].reshape(-1, 3), axis=0)
    offset -= np.clip(light, -12, 12)
    red, green, blue = cv2.split(np.abs(cv2.GaussianBlur(offset, (0, 0), 0.8)))
    return cv2.max(cv2.max(red, green), blue)  # NumPy takes ten times as long for three values


def moving_bound(frames: Image, backgrounds: Image) -> float:
    """Gray levels by which a pixel must differ from its background to count as moving.

    Args:
        frames: RGB, (T, H, W, 3).
        backgrounds: RGB, (T, H, W, 3) or (1, H, W, 3).
    """
    return _bound(_differences(frames, backgrounds))


def moving_masks(frames: Image, backgrounds: Image, bound: float | None = None) -> Mask:
    """Where each frame shows something that is not the background.

    Strong differences seed a region, weak ones extend it. Holes are filled.

    Args:
        frames: RGB, (T, H, W, 3).
        backgrounds: RGB, (T, H, W, 3), or (1, H, W, 3) for a plate that stands still.
        bound: Gray levels; None to find it by `moving_bound`.

    Returns:
        (T, H, W).
    """
    values = _differences(frames, backgrounds)
    weak = _bound(values) if bound is None else bound
    return np.stack([_regions(one, weak) for one in values])


def _differences(frames: Image, backgrounds: Image) -> list[Alpha]:
    """How far each frame departs from its background."""
    still = np.broadcast_to(backgrounds, frames.shape)
    return [difference(frame, own) for frame, own in zip(frames, still, strict=True)]


def _bound(values: Sequence[Alpha]) -> float:
    """Gray levels above what most of the picture differs by in most frames."""
    # Half a frame and more is background.
    return 9.0 + 3.5 * float(np.median([np.median(one[::2, ::2]) for one in values]))


def _regions(values: Alpha, weak: float) -> Mask:
    """Connected regions above `weak` that hold something above twice as much, cleaned."""
    smallest = max(12, round(SMALLEST_SHARE * values.size))
    side = max(3, round(min(values.shape) / 80)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    mask = cv2.morphologyEx((values > weak).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    padded = cv2.copyMakeBorder(mask, side, side, side, side, cv2.BORDER_REPLICATE)
    mask = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[side:-side, side:-side]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    keep = np.zeros(count, bool)
    strong = np.bincount(labels[values > 2 * weak], minlength=count)
    keep[1:] = (stats[1:, cv2.CC_STAT_AREA] >= smallest) & (strong[1:] >= smallest // 4)
    return filled(keep[labels])


def filled(mask: Mask) -> Mask:
    """Fill the holes of a mask: (H, W) -> (H, W)."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    full = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(full, outlines, -1, 1, cv2.FILLED)
    return full.astype(bool)


def components(mask: Mask) -> list[Mask]:
    """The connected regions of a mask, largest first."""
    smallest = max(12, round(SMALLEST_SHARE * mask.size))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = sorted(range(1, count), key=lambda index: -stats[index, cv2.CC_STAT_AREA])
    return [labels == index for index in order if stats[index, cv2.CC_STAT_AREA] >= smallest]


def grown(mask: Mask, pixels: int) -> Mask:
    """Widen a mask by so many pixels; narrow it where negative."""
    if pixels == 0:
        return mask
    side = 2 * abs(pixels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    change = cv2.dilate if pixels > 0 else cv2.erode
    return change(mask.astype(np.uint8), kernel).astype(bool)


def soft_matte(frame: Image, background: Image, mask: Mask, shadow: bool = True) -> Alpha:
    """How much of each pixel the part covers, from a mask that is right to a few pixels.

    Inside it is 1 and far outside 0. Between, the pixel is taken as a mix of the background, which
    is known, and the part's colour, which is that of the nearest pixel inside. A guided filter
    ties the result to the picture's edges where part and background look alike.

    Args:
        frame: RGB, (H, W, 3).
        background: What the frame would show without the part, RGB, (H, W, 3).
        mask: The part, (H, W).
        shadow: Whether a soft shadow beside the part belongs to it.

    Returns:
        (H, W) in [0, 1].
    """
    band = max(2, round(min(mask.shape) / 110))
    inside, outside = grown(mask, -band), ~grown(mask, band)
    if not inside.any():
        inside = mask
    part = _nearest_inside(frame, inside)
    contrast = part - background.astype(np.float32)
    share = ((frame.astype(np.float32) - background) * contrast).sum(-1)
    strength = (contrast**2).sum(-1)
    mixed = (share / np.maximum(strength, 1)).clip(0, 1)
    guided = guided_filter(frame, mask.astype(np.float32), band + 1)
    trust = (strength / (strength + 3 * 25.0**2)).astype(np.float32)
    alpha = trust * mixed + (1 - trust) * guided
    alpha[inside], alpha[outside] = 1, 0
    alpha = cv2.GaussianBlur(alpha, (3, 3), 0.5)
    alpha = ((alpha - 0.04) / 0.92).clip(0, 1)  # the faintest rim is noise of the background
    if shadow:
        alpha = np.maximum(alpha, _shadow(frame, background, mask, band))
    return alpha.astype(np.float32)


def guided_filter(guide: Image, values: Alpha, radius: int, softness: float = 60.0) -> Alpha:
    """Smooth values but keep the edges of a guide picture.

    Args:
        guide: RGB, (H, W, 3).
        values: (H, W).
        radius: Half the side of the window, pixels.
        softness: Variance of the guide, [0, 255] squared, below which a window counts as flat.

    Reference:
        He et al., 2010, Guided Image Filtering, eq. 5 and 6.
    """
    grey = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = (2 * radius + 1, 2 * radius + 1)
    mean, level = cv2.blur(grey, size), cv2.blur(values, size)
    variance = cv2.blur(grey * grey, size) - mean * mean
    slope = (cv2.blur(grey * values, size) - mean * level) / (variance + softness)
    base = level - slope * mean
    return (cv2.blur(slope, size) * grey + cv2.blur(base, size)).clip(0, 1)


def cut_out(frame: Image, background: Image, alpha: Alpha) -> NDArray[np.uint8]:
    """The part's light and its matte, so that laid over the background it is the frame again.

    Args:
        frame: RGB, (H, W, 3).
        background: RGB, (H, W, 3).
        alpha: (H, W) in [0, 1].

    Returns:
        RGBA with colours multiplied by alpha, (H, W, 4).
    """
    light = frame - (1 - alpha)[..., None] * background
    light = np.clip(light, 0, 255 * alpha[..., None])
    return np.concatenate([light, 255 * alpha[..., None]], -1).round().astype(np.uint8)


def _nearest_inside(frame: Image, inside: Mask) -> Alpha:
    """Colour of the nearest pixel inside, slightly averaged: (H, W, 3)."""
    weight = inside.astype(np.float32)
    blurred = cv2.GaussianBlur(frame * weight[..., None], (5, 5), 0)
    colours = blurred / np.maximum(cv2.GaussianBlur(weight, (5, 5), 0), 1e-3)[..., None]
    _, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(inside)
    order = np.empty((labels.max() + 1, 2), int)
    order[labels[rows, columns]] = np.stack([rows, columns], -1)
    nearest = order[labels]
    return colours[nearest[..., 0], nearest[..., 1]].astype(np.float32)


def _shadow(frame: Image, background: Image, mask: Mask, band: int) -> Alpha:
    """Matte of a soft shadow: pixels beside the part that are the plate, evenly darker."""
    ratio = cv2.GaussianBlur(frame, (0, 0), band).astype(np.float32) + 4
    ratio /= cv2.GaussianBlur(background, (0, 0), band).astype(np.float32) + 4
    even = ratio.max(-1) - ratio.min(-1) < 0.12  # a shadow has the plate's colour
    level = ratio.mean(-1)
    dark = even & (level > SHADOW_RANGE[0]) & (level < SHADOW_RANGE[1])
    near = grown(mask, 6 * band)
    found = cv2.connectedComponents(((dark & near) | mask).astype(np.uint8))[1]
    joined = np.isin(found, np.unique(found[mask])) & dark & near
    darkness = np.where(joined, 1 - level, 0).astype(np.float32)
    fade = cv2.blur(near.astype(np.float32), (4 * band + 1, 4 * band + 1))
    return cv2.GaussianBlur(darkness, (0, 0), band) * fade
