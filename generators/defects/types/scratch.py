"""Scratches: long fine grooves, pressed more and less hard, often several side by side."""

from typing import ClassVar

import numpy as np

from flawcast.generators.defects.sketch import DEFECT_TYPES, Grid, Sketch, Where, wander

POINTS = 200


@DEFECT_TYPES.register("scratch")
class Scratch:
    """One to three nearly parallel grooves, bright where the surface shines, else dark."""

    places: ClassVar[tuple[Where, ...]] = ("inside",)
    sizes: ClassVar[tuple[float, float]] = (0.2, 0.6)
    contrasts: ClassVar[tuple[float, float] | None] = (2.5, 16.0)
    directed: ClassVar[bool] = True

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        sign = 1.0 if rng.uniform() < 0.6 else -1.0
        bow = rng.uniform(-0.12, 0.12)
        cover, strength = grid.zeros(), grid.zeros()
        onset, relief = np.ones_like(cover), grid.zeros()
        count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
        for number in range(count):
            first = number == 0  # it spans the whole length
            start, end = (-1.0, 1.0) if first else np.sort(rng.uniform(-0.9, 0.9, 2))
            x = np.linspace(start, end, POINTS)
            y = bow * (x**2 - 0.4) + 0.008 * wander(rng, POINTS, 4)
            y += 0 if first else rng.choice([-1, 1]) * rng.uniform(0.03, 0.09) * (1 + 0.3 * x)
            width = max(rng.uniform(0.008, 0.016), (0.8 if first else 0.55) * grid.pixel)
            press = np.clip(0.8 + 0.22 * wander(rng, POINTS, 6), 0.45, 1.1)
            ends = np.minimum(1, np.minimum(x - start, end - x) / (0.15 * (end - start)))
            distance, along = grid.stroke(np.column_stack([x, y]))
            half = width * np.interp(along, np.linspace(0, 1, POINTS), 0.55 + 0.45 * ends)
            force = np.interp(along, np.linspace(0, 1, POINTS), press)
            here = grid.inside(distance - half.astype(np.float32))
            onset = np.where(here > cover, along, onset)
            cover = np.maximum(cover, here)
            strength = np.maximum(strength, here * force.astype(np.float32))
            relief = np.minimum(relief, -0.5 * here * half.astype(np.float32))
        tone = (sign * 0.6 * strength)[..., None] * np.ones(3, np.float32)
        return Sketch(cover, tone, relief, grid.zeros(), grid.zeros(), onset)
