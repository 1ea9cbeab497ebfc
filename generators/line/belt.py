"""The surroundings of the part: the belt's texture, the side rails and the light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line.geometry import OBLIQUE, Camera
from flawcast.generators.line.products import Floats

DETAIL = 512  # belt texture pixels per world unit, whatever the size of the frames
WIDTH, LENGTH = 1.3, 2.2  # size of the rendered piece of belt, in world units
RAIL_TOP, RAIL_BOTTOM = 0.085, 0.925  # edges of the belt in the picture


@dataclass(frozen=True)
class Surroundings:
    """Belt and rails at full detail, and the lamp.

    Args:
        belt: RGB uint8 texture, `LENGTH` x `WIDTH` world units.
        rails: RGB uint8 picture of the fixed side rails, (512, 512, 3).
        lamp: Direction towards the lamp, a unit vector (right, towards the viewer, up).
        gradient: How brightness changes across the picture, to the right and down.
        vignette: Loss of light in the corners.
        highlight: Centre and radius of the lamp's reflection, as fractions of the picture.
        camera: What looks at it all.
        edges: Where the belt ends in the picture, above and below.
        endless: Whether the belt's texture repeats; otherwise it ends.
    """

    belt: NDArray[np.uint8]
    rails: NDArray[np.uint8]
    lamp: NDArray[np.float64]
    gradient: tuple[float, float]
    vignette: float
    highlight: tuple[float, float, float]
    camera: Camera = OBLIQUE
    edges: tuple[float, float] = (RAIL_TOP, RAIL_BOTTOM)
    endless: bool = False


def draw_surroundings(rng: np.random.Generator) -> Surroundings:
    """Draw belt, rails and light from `rng`."""
    direction = np.array([rng.uniform(-0.55, 0.55), rng.uniform(-0.6, -0.1), 1.0])
    return Surroundings(
        belt=_belt(rng),
        rails=_rails(rng),
        lamp=direction / np.linalg.norm(direction),
        gradient=(float(rng.uniform(-0.16, 0.16)), float(rng.uniform(-0.12, 0.12))),
        vignette=float(rng.uniform(0.12, 0.28)),
        highlight=(
            float(rng.uniform(0.3, 0.7)),
            float(rng.uniform(0.3, 0.55)),
            float(rng.uniform(0.16, 0.28)),
        ),
    )


def light(surroundings: Surroundings, size: int) -> tuple[Floats, Floats]:
    """Gain of the light and strength of the reflection per pixel, each (H, W)."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = place[None], place[:, None]
    across, down = surroundings.gradient
    falloff = surroundings.vignette * ((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2
    gain = 1.04 + across * (x - 0.5) + down * (y - 0.5) - falloff
    centre_x, centre_y, radius = surroundings.highlight
    spot = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * radius**2))
    return gain.astype(np.float32), (0.10 * spot).astype(np.float32)


def _belt(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A ribbed, cleated, linked or plain speckled belt in a dark colour."""
    rows, columns = round(WIDTH * DETAIL), round(LENGTH * DETAIL)
    colours = ((0.30, 0.31, 0.33), (0.22, 0.36, 0.31), (0.25, 0.31, 0.40), (0.35, 0.33, 0.30))
    colour = np.array(colours[rng.integers(len(colours))], np.float32)
    along = (np.arange(columns, dtype=np.float32) / DETAIL)[None]
    across = (np.arange(rows, dtype=np.float32) / DETAIL)[:, None]
    style, pitch = rng.integers(4), float(rng.uniform(0.11, 0.17))
    phase = (along + rng.uniform()) / pitch
    relief = np.zeros((rows, columns), np.float32)
    if style == 0:  # ribs
        relief += 0.09 * np.sin(2 * np.pi * phase)
    elif style == 1:  # cleats: a light edge and a dark one
        beat = (phase / 2.2) % 1
        relief += 0.3 * np.exp(-(((beat - 0.46) / 0.045) ** 2))
        relief -= 0.26 * np.exp(-(((beat - 0.56) / 0.045) ** 2))
    elif style == 2:  # plastic links, each row shifted by half
        row = across / (pitch * 1.1)
        gap = np.minimum(np.abs((phase + 0.5 * (np.floor(row) % 2)) % 1 - 0.5), 0.5)
        seam = np.minimum(gap, np.abs(row % 1 - 0.5))
        relief -= 0.25 * np.exp(-((seam / 0.05) ** 2))
    speckle = rng.standard_normal((rows // 4, columns // 4)).astype(np.float32)
    relief += 0.05 * cv2.resize(cv2.GaussianBlur(speckle, (0, 0), 0.8), (columns, rows))
    cloud = rng.standard_normal((9, 14)).astype(np.float32)
    relief += 0.03 * cv2.resize(cloud, (columns, rows), interpolation=cv2.INTER_CUBIC)
    picture = colour * (1 + relief[..., None]) * 255
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _rails(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Metal guides along both edges of the belt, with bolts; the belt's area stays black."""
    shade = float(rng.uniform(0.4, 0.55))
    image = np.zeros((512, 512, 3), np.float32)
    profile = {0: 0.8, 6: 1.15, 14: 1.0, 30: 0.75, 40: 0.3}  # brightness by distance from the edge
    rows = np.interp(np.arange(44), list(profile), list(profile.values())).astype(np.float32)
    tint = np.array((0.96, 1.0, 1.04), np.float32) * shade
    top, bottom = round(RAIL_TOP * 512), round(RAIL_BOTTOM * 512)
    image[:top] = rows[:top, None, None] * tint
    image[bottom:] = rows[: 512 - bottom][::-1, None, None] * tint
    for x in range(int(rng.integers(20, 90)), 512, 128):
        for y in (17, 494):
            cv2.circle(image, (x, y), 10, (0.22, 0.22, 0.24), -1)
            cv2.circle(image, (x - 2, y - 2), 6, (0.62, 0.63, 0.65), -1)
    return np.clip(image * 255, 0, 255).astype(np.uint8)
