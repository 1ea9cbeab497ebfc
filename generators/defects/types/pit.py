"""Pits and dents: what is pressed or eaten into a surface, and shows by its shading."""

from typing import ClassVar

import numpy as np

from flawcast.generators.defects.sketch import DEFECT_TYPES, Grid, Sketch, Where, clouds
from flawcast.generators.defects.types.stain import spreading


@DEFECT_TYPES.register("pit")
class Pit:
    """One to five small holes: a dark bottom, a wall that shades, a rim that catches light."""

    places: ClassVar[tuple[Where, ...]] = ("inside",)
    sizes: ClassVar[tuple[float, float]] = (0.04, 0.12)
    contrasts: ClassVar[tuple[float, float] | None] = (3.0, 24.0)
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        x, y = grid.plane()
        rough = clouds(rng, grid.nodes, 6, 3)
        cover, relief, dark = grid.zeros(), grid.zeros(), grid.zeros()
        onset = np.ones_like(cover)
        count = int(rng.choice([1, 2, 3, 5], p=[0.55, 0.2, 0.15, 0.1]))
        for number in range(count):
            radius = 0.9 if count == 1 else max(rng.uniform(0.2, 0.45), grid.pixel)
            reach = 0.95 - radius
            turn = rng.uniform(0, 2 * np.pi)
            place = reach * np.array([np.cos(turn), np.sin(turn)]) if count > 1 else np.zeros(2)
            stretch = rng.uniform(0.75, 1.0)
            way = np.hypot(x - place[0], (y - place[1]) / stretch) / radius + 0.06 * rough
            here = grid.inside((way - 1) * np.float32(radius))
            bowl = np.clip(1 - way**2, 0, 1)
            onset = np.where(here > cover, (number + np.clip(way, 0, 1)) / count, onset)
            cover = np.maximum(cover, here)
            relief = np.minimum(relief, -0.42 * radius * np.sqrt(bowl))
            dark = np.maximum(dark, here * (0.3 + 0.45 * bowl + 0.06 * rough))
        tone = -np.clip(dark, 0, 0.95)[..., None] * np.ones(3, np.float32)
        return Sketch(cover, tone, relief, 0.5 * cover, grid.zeros(), onset.astype(np.float32))


@DEFECT_TYPES.register("dent")
class Dent:
    """A shallow hollow without a change of colour: one side is darker, the other one lighter."""

    places: ClassVar[tuple[Where, ...]] = ("inside",)
    sizes: ClassVar[tuple[float, float]] = (0.1, 0.3)
    contrasts: ClassVar[tuple[float, float] | None] = (2.0, 12.0)
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        x, y = grid.plane()
        aspect = rng.uniform(0.5, 1.0)
        way = np.hypot(x, y / aspect) + 0.04 * clouds(rng, grid.nodes, 2, 2)
        cover = grid.inside(way - np.float32(0.95))
        flat = np.clip(way / 0.95, 0, 1)
        bowl = (1 - flat**2) ** 2  # level at its rim, so that the shading fades out there
        relief = -rng.uniform(0.2, 0.35) * bowl.astype(np.float32)
        deep = -0.08 * bowl[..., None] * np.ones(3, np.float32)  # less of the sky is seen from it
        onset = spreading(rng, grid, cover)
        return Sketch(cover, deep.astype(np.float32), relief, grid.zeros(), grid.zeros(), onset)
