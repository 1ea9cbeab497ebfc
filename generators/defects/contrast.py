"""Contrast-to-noise: how far a defect stands out, measured on pictures and never assumed."""

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.membrane import membrane

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

FLOOR = 3.0  # gray levels: a smoother surface than this does not make a defect more visible
WINDOW = 5  # pixels along a side, in which the spread of a surface is measured
CALM = 0.3  # quantile of those spreads that counts
SMOOTHED = 1.5  # pixels by which a ring is smoothed before it is continued inwards
GAP = 2  # pixels between a defect and its ring
FEWEST = 24  # pixels of a ring


def contrast_of(severity: float, contrasts: tuple[float, float]) -> float:
    """The contrast-to-noise that a severity asks for: equal steps are equal ratios.

    Args:
        severity: From 0 to 1.
        contrasts: Those of severity 0 and 1, for a type of defect.

    Example:
        >>> contrast_of(0.5, (2.0, 18.0))
        6.0
    """
    lowest, highest = contrasts
    return float(lowest * (highest / lowest) ** severity)


def ring_around(mask: Mask, part: Mask) -> Mask:
    """The part's surface beside a defect, about as wide as the defect is thick: (H, W)."""
    thick = float(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3).max(initial=0))
    wide = GAP + max(4, round(1.5 * thick))
    near = _widened(mask, wide) & ~_widened(mask, GAP) & part
    return near if near.sum() >= FEWEST else part & ~_widened(mask, GAP)


def noise_around(picture: Image, mask: Mask, part: Mask) -> float:
    """Spread of the surface beside a defect, gray levels: its texture and its noise.

    It is the spread within small windows in the calmer part of the ring, so that the borders of a
    print do not count, and at least `FLOOR`.
    """
    ring = ring_around(mask, part)
    if not ring.any():
        return FLOOR
    rows, columns = np.nonzero(ring)
    top, left = max(0, rows.min() - WINDOW), max(0, columns.min() - WINDOW)
    box = slice(top, rows.max() + WINDOW + 1), slice(left, columns.max() + WINDOW + 1)
    values = picture[box].astype(np.float32)
    mean = cv2.blur(values, (WINDOW, WINDOW))
    variance = cv2.blur(values * values, (WINDOW, WINDOW)) - mean * mean
    spread = np.quantile(variance[ring[box]].mean(-1), CALM) * (WINDOW**2 / (WINDOW**2 - 1))
    return max(FLOOR, float(np.sqrt(max(0.0, spread))))


def contrast_to_noise(before: Image, after: Image, mask: Mask, part: Mask) -> float:
    """How far a defect changed a part, over the spread of the surface beside it.

    Args:
        before: The part without the defect, RGB, (H, W, 3).
        after: The same with it.
        mask: The defect, (H, W).
        part: The part, (H, W).
    """
    if not mask.any():
        return 0.0
    change = after[mask].astype(np.float32) - before[mask]
    return float(np.sqrt((change**2).mean())) / noise_around(before, mask, part)


def visible_contrast(picture: Image, mask: Mask, part: Mask) -> float:
    """How far the inside of a mask stands out from its surround, in one picture.

    The inside is compared with the colours that the surround continues to: the root mean square of
    the difference, less what the surround's own spread explains, over that spread. So a dent,
    light on one side and dark on the other, stands out as well as a spot, and a part's own shading
    does not.

    Args:
        picture: RGB, (H, W, 3).
        mask: The defect, (H, W).
        part: The part, (H, W).
    """
    ring = ring_around(mask, part)
    if not mask.any() or not ring.any():
        return 0.0
    rows, columns = np.nonzero(ring | mask)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    values = picture[box].astype(np.float32)
    smooth = cv2.GaussianBlur(values * ring[box][..., None], (0, 0), SMOOTHED)
    weight = cv2.GaussianBlur(ring[box].astype(np.float32), (0, 0), SMOOTHED)
    level = membrane(smooth / np.maximum(weight, 1e-3)[..., None], ring[box])
    spread = noise_around(picture, mask, part)
    inside = float(((values - level)[mask[box]] ** 2).mean())
    return float(np.sqrt(max(0.0, inside - spread**2))) / spread


def _widened(mask: Mask, pixels: int) -> Mask:
    """A mask, wider by so many pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
