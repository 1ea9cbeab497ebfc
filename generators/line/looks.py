"""What the built-in line may look like: a plain square picture, or a textured wide one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError
from flawcast.generators.line.belt import LENGTH, WIDTH, Surroundings, draw_surroundings
from flawcast.generators.line.geometry import Camera
from flawcast.generators.line.materials import MATERIALS, grain
from flawcast.generators.line.products import KINDS, Product

FROM_ABOVE = Camera(float(np.radians(9)), 9.0)  # nearly so, through a long lens
EDGES = (0.212, 0.79)  # of the textured belt, as fractions of the picture's width
FINE = 960  # texture pixels per world unit of that belt
THREADS = 42  # of its weave, per world unit


@dataclass(frozen=True)
class Look:
    """A kind of line.

    Args:
        kinds: Products on its belt.
        areas: Smallest and largest area of a part, in squares of the picture's width.
        surroundings: Draws belt, rails and light.
        way: Shortest and longest way of the belt in a clip, in widths of the picture.
        whole: Whether every part stays whole in the picture; otherwise it enters and leaves.
        noise: Standard deviation of the sensor noise on the [0, 1] scale.
        sizes: Smallest and largest width of a picture, in pixels.
        size: The usual width.
        aspect: Height of a picture over its width.
    """

    kinds: Mapping[str, Product]
    areas: tuple[float, float]
    surroundings: Callable[[np.random.Generator], Surroundings]
    way: tuple[float, float]
    whole: bool
    noise: float
    sizes: tuple[int, int]
    size: int
    aspect: float

    def rows(self, width: int) -> slice:
        """The rows of the square picture that a picture of this width shows."""
        height = round(width * self.aspect)
        top = (width - height) // 2
        return slice(top, top + height)


def look_of(name: str) -> Look:
    """The look of this name.

    Raises:
        SettingsError: If there is none.
    """
    if name not in LOOKS:
        raise SettingsError(f"look: expected one of {', '.join(LOOKS)}; got {name!r}")
    return LOOKS[name]


def _textured_surroundings(rng: np.random.Generator) -> Surroundings:
    """A woven belt between aluminium rails, lit from one side, seen from above."""
    direction = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.6, -0.2), 1.0])
    return Surroundings(
        belt=_woven(rng),
        rails=_aluminium(rng),
        lamp=direction / np.linalg.norm(direction),
        gradient=(float(rng.uniform(-0.22, 0.22)), float(rng.uniform(-0.12, 0.12))),
        vignette=float(rng.uniform(0.15, 0.3)),
        highlight=(float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.35, 0.6)), 0.25),
        camera=FROM_ABOVE,
        edges=EDGES,
        endless=True,
    )


def _woven(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A belt of coarse cloth with worn streaks, stains and a splice."""
    rows, columns = round(WIDTH * FINE), round(LENGTH * FINE)
    colours = ((0.24, 0.25, 0.26), (0.16, 0.27, 0.22), (0.19, 0.24, 0.33), (0.36, 0.35, 0.33))
    colour = np.array(colours[rng.integers(len(colours))], np.float32)
    along = np.arange(columns, dtype=np.float32)[None] / columns * round(THREADS * LENGTH)
    across = np.arange(rows, dtype=np.float32)[:, None] / rows * round(THREADS * WIDTH)
    over = np.sin(np.pi * along) * np.sin(np.pi * across)  # which thread lies on top
    ridge = np.where(over > 0, np.cos(2 * np.pi * across), np.cos(2 * np.pi * along))
    relief = 0.10 * np.sqrt(np.abs(over)) * ridge + 0.05 * over
    size = (rows, columns)
    relief += 0.05 * grain(rng, size, (5, 5)) + 0.04 * grain(rng, size, (30, 24))
    relief += 0.05 * grain(rng, size, (400, 9)) + 0.06 * grain(rng, size, (260, 200))
    stains = np.clip(grain(rng, size, (90, 70)) + 0.4 * grain(rng, size, (14, 14)) - 1.9, 0, 1)
    relief -= 0.35 * stains
    start = float(rng.uniform(0.1, 0.8)) * columns
    splice = np.abs(np.arange(columns)[None] - start - 0.15 * np.arange(rows)[:, None])
    relief -= 0.3 * np.exp(-((splice / 5) ** 2)).astype(np.float32)
    picture = colour * (1 + relief[..., None]) * 255
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _aluminium(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rails of drawn aluminium with a groove and screws; the belt's area stays black."""
    side = 1024
    image = np.zeros((side, side, 3), np.float32)
    depth = {0: 0.25, 5: 0.7, 9: 1.15, 14: 1.0, 26: 1.0, 28: 0.35, 36: 0.3, 38: 1.05, 60: 0.95}
    shade = np.interp(np.arange(side), list(depth), list(depth.values())).astype(np.float32)
    top, bottom = round(EDGES[0] * side), round(EDGES[1] * side)
    profile = np.zeros(side, np.float32)
    profile[:top] = shade[:top][::-1]
    profile[bottom:] = shade[: side - bottom]
    drawn = (
        1 + 0.05 * grain(rng, (side, side), (300, 1.5)) + 0.04 * grain(rng, (side, side), (90, 60))
    )
    tint = np.array((0.97, 1.0, 1.02), np.float32) * float(rng.uniform(0.46, 0.58))
    image[:] = (profile[:, None] * drawn)[..., None] * tint
    for x in range(int(rng.integers(40, 220)), side, 256):
        for y in (top - 24, bottom + 24):
            cv2.circle(image, (x, y), 7, (0.16, 0.16, 0.17), -1, cv2.LINE_AA)
            cv2.circle(image, (x - 1, y - 1), 5, (0.5, 0.5, 0.5), -1, cv2.LINE_AA)
            cv2.circle(image, (x, y), 2, (0.12, 0.12, 0.12), -1, cv2.LINE_AA)
    return np.clip(image * 255, 0, 255).astype(np.uint8)


LOOKS: dict[str, Look] = {
    "plain": Look(
        kinds=KINDS,
        areas=(0.14, 0.18),
        surroundings=draw_surroundings,
        way=(0.25, 0.3),
        whole=True,
        noise=0.006,
        sizes=(64, 256),
        size=64,
        aspect=1.0,
    ),
    "textured": Look(
        kinds=MATERIALS,
        areas=(0.055, 0.08),
        surroundings=_textured_surroundings,
        way=(1.05, 1.25),
        whole=False,
        noise=0.009,
        sizes=(192, 960),
        size=480,
        aspect=2 / 3,
    ),
}
