"""Stains and discolorations: what lies on a surface, or has changed its colour."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.defects.sketch import DEFECT_TYPES, Floats, Grid, Sketch, Where, clouds

# How much less red, green and blue light comes back, as shares of the strongest.
LIQUIDS: dict[str, tuple[float, float, float]] = {
    "oil": (0.80, 0.90, 1.00),
    "rust": (0.35, 0.75, 1.00),
    "coffee": (0.60, 0.85, 1.00),
    "grease": (0.95, 1.00, 1.00),
    "ink": (1.00, 0.90, 0.55),
}
TINTS: dict[str, tuple[float, float, float]] = {  # negative darkens a channel, positive lightens it
    "heat": (-0.10, -0.35, -0.80),
    "blue": (-0.80, -0.45, 0.10),
    "bleached": (0.70, 0.75, 0.80),
    "yellowed": (-0.05, -0.20, -0.90),
    "sooty": (-0.85, -0.80, -0.75),
}


@DEFECT_TYPES.register("stain")
class Stain:
    """A dried drop of a liquid: uneven inside, often darker at its rim, with a few splashes."""

    places: ClassVar[tuple[Where, ...]] = ("inside",)
    sizes: ClassVar[tuple[float, float]] = (0.1, 0.3)
    contrasts: ClassVar[tuple[float, float] | None] = (2.0, 18.0)
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        x, y = grid.plane()
        aspect = rng.uniform(0.55, 1.0)
        radius = np.hypot(x, y / aspect) + 0.13 * clouds(rng, grid.nodes, 4, 4)
        distance = radius - 0.78
        for _ in range(int(rng.integers(0, 5))):  # splashes
            turn, way = rng.uniform(0, 2 * np.pi), rng.uniform(0.82, 0.95)
            place = way * np.cos(turn), way * aspect * np.sin(turn)
            drop = np.hypot(x - place[0], y - place[1]) - rng.uniform(0.02, 0.07)
            distance = np.minimum(distance, drop.astype(np.float32))
        soft = max(rng.uniform(0.03, 0.12), 0.5 * grid.pixel)
        cover = 1 / (1 + np.exp(np.clip(4 * distance / soft, -30, 30))).astype(np.float32)
        rim = rng.uniform(0.0, 0.7) * np.exp(-((distance + 0.09) ** 2) / (2 * 0.06**2))
        body = 0.5 + 0.16 * clouds(rng, grid.nodes, 3, 4) + rim
        film = cover * np.clip(body, 0.12, 1.2)
        colour = np.array(LIQUIDS[str(rng.choice(sorted(LIQUIDS)))], np.float32)
        tone = -0.75 * film[..., None] * colour
        onset = spreading(rng, grid, cover)
        return Sketch(cover, tone, grid.zeros(), grid.zeros(), grid.zeros(), onset)


@DEFECT_TYPES.register("discoloration")
class Discoloration:
    """A wide area whose colour has turned, with a soft and cloudy border."""

    places: ClassVar[tuple[Where, ...]] = ("inside",)
    sizes: ClassVar[tuple[float, float]] = (0.25, 0.55)
    contrasts: ClassVar[tuple[float, float] | None] = (2.0, 12.0)
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        x, y = grid.plane()
        radius = np.hypot(x, y / rng.uniform(0.5, 1.0)) + 0.12 * clouds(rng, grid.nodes, 3, 3)
        soft = rng.uniform(0.2, 0.4)
        cover = np.clip(0.5 + (0.72 - radius) / soft, 0, 1).astype(np.float32)
        cover *= cover * (3 - 2 * cover)
        cover *= np.clip((SPAN_FADE - np.hypot(x, y)) / 0.1, 0, 1)
        patches = np.clip(0.9 + 0.08 * clouds(rng, grid.nodes, 2, 3), 0.6, 1.2)
        colour = np.array(TINTS[str(rng.choice(sorted(TINTS)))], np.float32)
        tone = 0.5 * (cover * patches)[..., None] * colour
        onset = spreading(rng, grid, cover)
        return Sketch(cover, tone, grid.zeros(), grid.zeros(), grid.zeros(), onset)


SPAN_FADE = 1.15  # units of the plane: nothing reaches the grid's own border


def spreading(rng: np.random.Generator, grid: Grid, cover: NDArray[np.float32]) -> Floats:
    """An onset that runs from somewhere near the middle to the outline, unevenly, (n, n)."""
    x, y = grid.plane()
    middle = rng.uniform(-0.2, 0.2, 2)
    way = np.hypot(x - middle[0], y - middle[1]) + 0.08 * clouds(rng, grid.nodes, 4, 3)
    inside = way[cover > 0.5]
    if not len(inside):
        return grid.zeros()
    low, high = float(inside.min()), float(inside.max())
    return np.clip((way - low) / max(1e-6, high - low), 0, 1).astype(np.float32)
