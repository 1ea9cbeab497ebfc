"""The parts on the belt: random outlines, surfaces and sizes from a seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line.products import (
    KINDS,
    TEXTURE,
    Colour,
    Floats,
    Mask,
    Product,
    to_pixels,
)

PAINTS: tuple[Colour, ...] = (
    (0.80, 0.81, 0.83),  # zinc
    (0.93, 0.92, 0.88),  # white plastic
    (0.95, 0.77, 0.22),  # signal yellow
    (0.93, 0.50, 0.24),  # orange primer
    (0.45, 0.70, 0.93),  # light blue
    (0.55, 0.83, 0.55),  # pale green
    (0.90, 0.62, 0.62),  # oxide pink
)


@dataclass(frozen=True)
class Part:
    """A prism: one outline (with holes), a printed top face and a height.

    Args:
        kind: Name of the product.
        texture: Top face, RGB, (512, 512, 3), covering [-1, 1] x [-1, 1] of the part's own plane.
        alpha: Where the top face has material, (512, 512), 0 to 255.
        outlines: Closed polygons in the same plane, the outer one first, then holes.
        side: Colour of the walls, RGB in [0, 1].
        half: World units per unit of the part's plane; the frame is about one world unit wide.
        height: Thickness in world units.
        gloss: Strength of the highlight, 0 to 1.
    """

    kind: str
    texture: NDArray[np.uint8]
    alpha: Mask
    outlines: tuple[Floats, ...]
    side: Colour
    half: float
    height: float
    gloss: float


def draw_part(
    rng: np.random.Generator,
    kinds: Mapping[str, Product] = KINDS,
    areas: tuple[float, float] = (0.14, 0.18),
) -> Part:
    """Draw one product: its kind, colours, print, wear and size all come from `rng`.

    Args:
        rng: Decides it all.
        kinds: Products to choose from.
        areas: Smallest and largest area of its outline, in squares of the picture's width.
    """
    kind = str(rng.choice(sorted(kinds)))
    paint = np.array(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.75, 0.87)
    surface = np.broadcast_to(paint.astype(np.float32), (TEXTURE, TEXTURE, 3)).copy()
    alpha = np.zeros((TEXTURE, TEXTURE), np.uint8)
    surface, height = kinds[kind](rng, surface, alpha)
    surface = _worn(rng, _bevelled(surface, alpha))
    outlines = _outlines(alpha)
    area = float((alpha > 127).mean()) * 4  # of the outline, in units of the part's plane
    extent = float(np.abs(outlines[0]).max(axis=0).max())
    half = min(np.sqrt(rng.uniform(*areas) / area), 0.285 / extent)
    inside = surface[alpha > 127].mean(axis=0)
    red, green, blue = (float(value) for value in np.clip(inside * 0.82, 0, 1))
    return Part(
        kind=kind,
        texture=np.clip(surface * 255, 0, 255).astype(np.uint8),
        alpha=alpha,
        outlines=outlines,
        side=(red, green, blue),
        half=float(half),
        height=float(height * half),
        gloss=float(rng.uniform(0.3, 1.0)),
    )


def _bevelled(surface: Floats, alpha: Mask) -> Floats:
    """Lighten the rims that face the lamp and darken the others."""
    height = np.minimum(cv2.distanceTransform(alpha, cv2.DIST_L2, 3), 12)
    height = cv2.GaussianBlur(height, (0, 0), 3)
    slope = (height - np.roll(height, (3, 3), (0, 1))) / 3
    return np.asarray(surface * (1 + 0.16 * slope[..., None]), np.float32)


def _worn(rng: np.random.Generator, surface: Floats) -> Floats:
    """Add brushing, grain, soft stains and a few scratches."""
    grain = rng.standard_normal((TEXTURE // 4, TEXTURE // 4)).astype(np.float32)
    brushed = cv2.blur(grain, (int(rng.integers(1, 24)), 1))
    brushed = cv2.resize(brushed / brushed.std(), (TEXTURE, TEXTURE))
    stains = cv2.resize(rng.standard_normal((7, 7)).astype(np.float32), (TEXTURE, TEXTURE),
                        interpolation=cv2.INTER_CUBIC)  # fmt: skip
    gain = 1 + 0.03 * brushed + 0.05 * stains
    for _ in range(int(rng.integers(2, 6))):
        start, turn = rng.uniform(-0.8, 0.8, 2), rng.uniform(0, np.pi)
        end = start + rng.uniform(0.15, 0.5) * np.array([np.cos(turn), np.sin(turn)])
        line = to_pixels(np.stack([start, end]))
        cv2.polylines(gain, [line], False, float(rng.uniform(0.82, 1.15)), 2, cv2.LINE_8, 4)
    return np.asarray(surface * gain[..., None], np.float32)


def _outlines(alpha: Mask) -> tuple[Floats, ...]:
    """Evenly spaced points along the outer edge and every hole, counter to each other."""
    contours, _ = cv2.findContours(alpha, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    smooth = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        pixels = contour[:, 0].astype(np.float32)
        count = max(16, round(len(pixels) / 16))
        place = np.linspace(0, len(pixels), count, endpoint=False).astype(int)
        smooth.append(((pixels[place] + 0.5) / TEXTURE * 2 - 1).astype(np.float32))
    return tuple(smooth)
