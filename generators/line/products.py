"""The six products: each draws its outline and prints its surface."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

TEXTURE = 512  # pixels across a part's square texture, whatever the size of the frames

Colour = tuple[float, float, float]
Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]
Product = Callable[[np.random.Generator, Floats, Mask], tuple[Floats, float]]


def to_pixels(points: NDArray[np.floating] | list[tuple[float, float]]) -> NDArray[np.int32]:
    """Points of the part's plane as texture pixels with 4 fractional bits, for OpenCV."""
    pixels = (np.asarray(points, np.float64) + 1) / 2 * TEXTURE - 0.5
    return np.round(pixels * 16).astype(np.int32)


def fill(image: NDArray[np.generic], points: list[tuple[float, float]], value: object) -> None:
    """Fill a polygon given in the part's plane."""
    cv2.fillPoly(image, [to_pixels(points)], value, cv2.LINE_8, 4)  # type: ignore[call-overload]


def disc(image: NDArray[np.generic], centre: tuple[float, float], radius: float, value: object,
          width: float = 0) -> None:  # fmt: skip
    """Draw a disc, or a ring of some width, given in the part's plane."""
    x, y = to_pixels([centre])[0]
    thick = max(1, round(width * TEXTURE / 2)) if width else -1
    reach = round(radius * TEXTURE / 2 * 16)
    cv2.circle(image, (int(x), int(y)), reach, value, thick, cv2.LINE_8, 4)  # type: ignore[call-overload]


def rounded(half_width: float, half_height: float, radius: float) -> list[tuple[float, float]]:
    """Corners of a rounded rectangle around the origin."""
    points = []
    for turn, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        for angle in np.linspace(0, np.pi / 2, 9) + turn * np.pi / 2:
            x = sx * (half_width - radius) + radius * np.cos(angle)
            y = sy * (half_height - radius) + radius * np.sin(angle)
            points.append((float(x), float(y)))
    return points


def _plate(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A plate with four holes, printed stripes and a part number."""
    width, height = 0.9, float(rng.uniform(0.68, 0.86))
    fill(alpha, rounded(width, height, 0.16), 255)
    ink = _ink(rng)
    for start in np.arange(-0.55, 0.0, 0.17):
        x = float(start)
        fill(surface, [(x, -height), (x + 0.08, -height), (x + 0.08, height), (x, height)], ink)
    _text(surface, f"FC{rng.integers(10, 99)}", (0.02, 0.16), ink)
    for sx in (-1, 1):
        for sy in (-1, 1):
            disc(surface, (sx * 0.7, sy * (height - 0.2)), 0.14, (0.35, 0.36, 0.38), 0.03)
            disc(alpha, (sx * 0.7, sy * (height - 0.2)), 0.1, 0)
    return surface, float(rng.uniform(0.14, 0.22))


def _gear(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A toothed disc with a bore, turned rings and a painted timing mark."""
    teeth = int(rng.integers(9, 14))
    phase = np.linspace(0, 2 * np.pi, teeth * 24, endpoint=False)
    radius = 0.8 + 0.1 * np.tanh(3 * np.sin(teeth * phase))
    fill(alpha, list(zip(radius * np.cos(phase), radius * np.sin(phase), strict=True)), 255)
    grid = np.linspace(-1, 1, TEXTURE, dtype=np.float32)
    distance = np.hypot(grid[None], grid[:, None])
    surface *= (1 + 0.05 * np.sin(distance * 60))[..., None]
    ink = _ink(rng)
    disc(surface, (0, 0), 0.68, tuple((0.75 * surface.mean(axis=(0, 1))).tolist()), 0.05)
    disc(surface, (0, 0), 0.36, ink, 0.12)
    spokes = int(rng.integers(3, 6))
    for angle in np.arange(spokes) * 2 * np.pi / spokes:
        disc(alpha, (0.52 * np.cos(angle), 0.52 * np.sin(angle)), 0.11, 0)
    fill(surface, [(0.62, -0.07), (0.9, -0.07), (0.9, 0.07), (0.62, 0.07)], ink)
    disc(alpha, (0, 0), 0.2, 0)
    return surface, float(rng.uniform(0.18, 0.28))


def _bracket(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """An L-shaped bracket with a rib and mounting holes."""
    leg = float(rng.uniform(0.62, 0.78))
    inner = leg - 0.88
    corners = [(-0.88, -0.88), (inner, -0.88), (inner, -inner - 0.12), (0.0, 0.88 - leg)]
    corners += [(0.88, 0.88 - leg), (0.88, 0.88), (-0.88, 0.88)]
    fill(alpha, corners, 255)
    ink = _ink(rng)
    fill(surface, [(-0.6, 0.5), (-0.5, 0.6), (0.2, -0.1), (0.1, -0.2)], ink)
    fill(surface, [(-0.88, -0.62), (inner, -0.62), (inner, -0.5), (-0.88, -0.5)], ink)
    fill(surface, [(0.5, 0.0), (0.62, 0.0), (0.62, 0.9), (0.5, 0.9)], ink)
    for x, y in ((-0.56, -0.22), (0.24, 0.56), (-0.56, 0.56)):
        disc(surface, (x, y), 0.17, (0.36, 0.36, 0.38), 0.03)
        disc(alpha, (x, y), 0.12, 0)
    return surface, float(rng.uniform(0.16, 0.24))


def _box(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A carton with tape, a white label and a bar code."""
    surface[:] = np.array((0.84, 0.68, 0.48), np.float32) * rng.uniform(0.78, 0.9)
    width, height = 0.9, float(rng.uniform(0.66, 0.88))
    fill(alpha, rounded(width, height, 0.03), 255)
    fill(surface, [(-0.9, -0.1), (0.9, -0.1), (0.9, 0.1), (-0.9, 0.1)], (0.70, 0.54, 0.34))
    fill(surface, rounded(0.9, 0.012, 0.01), (0.45, 0.33, 0.2))
    ink, x0 = _ink(rng), float(rng.uniform(-0.75, -0.1))
    top = float(rng.choice([-0.6, -0.05]))
    label = [(x0, top), (x0 + 0.8, top), (x0 + 0.8, top + 0.62), (x0, top + 0.62)]
    fill(surface, label, (0.86, 0.86, 0.84))
    fill(surface, [(x, min(y, top + 0.17)) for x, y in label], ink)
    x = x0 + 0.06
    while x < x0 + 0.68:
        bar = float(rng.choice([0.02, 0.04, 0.06]))
        bottom = top + 0.54
        code = [(x, top + 0.25), (x + bar, top + 0.25), (x + bar, bottom), (x, bottom)]
        fill(surface, code, (0.1, 0.1, 0.12))
        x += bar + float(rng.choice([0.03, 0.05]))
    return surface, float(rng.uniform(0.3, 0.42))


def _bottle(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A lying flask with a cap, a label and a rounded body."""
    body, neck = float(rng.uniform(0.56, 0.66)), 0.24
    fill(alpha, [(x - 0.27, y) for x, y in rounded(0.64, body, 0.2)], 255)
    fill(alpha, [(0.2, -body + 0.15), (0.52, -neck), (0.52, neck), (0.2, body - 0.15)], 255)
    fill(alpha, [(0.45, -neck), (0.92, -neck), (0.92, neck), (0.45, neck)], 255)
    ink = _ink(rng)
    fill(surface, [(-0.7, -0.9), (0.06, -0.9), (0.06, 0.9), (-0.7, 0.9)], (0.86, 0.85, 0.81))
    fill(surface, [(-0.7, -0.9), (-0.58, -0.9), (-0.58, 0.9), (-0.7, 0.9)], ink)
    fill(surface, [(-0.06, -0.9), (0.06, -0.9), (0.06, 0.9), (-0.06, 0.9)], ink)
    disc(surface, (-0.32, 0.0), 0.2, ink)
    disc(surface, (-0.32, 0.0), 0.1, (0.86, 0.85, 0.81))
    fill(surface, [(0.6, -0.9), (1.0, -0.9), (1.0, 0.9), (0.6, 0.9)], ink)
    for x in np.arange(0.63, 0.93, 0.06):
        fill(surface, [(x, -0.9), (x + 0.02, -0.9), (x + 0.02, 0.9), (x, 0.9)], (0.2, 0.2, 0.22))
    across = np.linspace(-1, 1, TEXTURE, dtype=np.float32) / body
    rounding = 0.72 + 0.36 * np.sqrt(np.clip(1 - (across * 0.95 + 0.15) ** 2, 0, 1))
    return surface * rounding[:, None, None], float(rng.uniform(0.22, 0.32))


def _rod(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A rod with a large and a small eye and a forged web."""
    large, small = 0.52, float(rng.uniform(0.36, 0.44))
    left, right = (-0.42, 0.0), (0.92 - small, 0.0)
    disc(alpha, left, large, 255)
    disc(alpha, right, small, 255)
    fill(alpha, [(-0.4, -0.4), (0.6, -0.3), (0.6, 0.3), (-0.4, 0.4)], 255)
    ink = _ink(rng)
    disc(surface, left, 0.4, ink, 0.14)
    disc(surface, right, 0.27, ink, 0.1)
    fill(surface, [(0.02, -0.12), (0.34, -0.09), (0.34, 0.09), (0.02, 0.12)], ink)
    disc(alpha, left, 0.23, 0)
    disc(alpha, right, 0.13, 0)
    return surface, float(rng.uniform(0.2, 0.3))


KINDS: dict[str, Product] = {
    "plate": _plate,
    "gear": _gear,
    "bracket": _bracket,
    "box": _box,
    "bottle": _bottle,
    "rod": _rod,
}


def _ink(rng: np.random.Generator) -> Colour:
    """A saturated printing colour."""
    inks: tuple[Colour, ...] = (
        (0.20, 0.31, 0.58),
        (0.66, 0.20, 0.18),
        (0.18, 0.43, 0.31),
        (0.27, 0.27, 0.30),
        (0.48, 0.25, 0.48),
    )
    return inks[rng.integers(len(inks))]


def _text(surface: Floats, text: str, place: tuple[float, float], ink: Colour) -> None:
    """Print letters with the baseline's left end at `place`."""
    x, y = to_pixels([place])[0] // 16
    font = cv2.FONT_HERSHEY_SIMPLEX
    letters = np.zeros(surface.shape[:2], np.uint8)
    cv2.putText(letters, text, (int(x), int(y)), font, 2.4, 255, 9, cv2.LINE_8)
    surface[letters > 127] = ink
