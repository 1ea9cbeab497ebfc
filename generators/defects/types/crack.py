"""Cracks: jagged dark gaps that branch, wide at the root and fine at the tips."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.defects.sketch import DEFECT_TYPES, Grid, Sketch, Where

POINTS = 129  # of a path: a power of two and one, for halving


@dataclass(frozen=True)
class Path:
    """A crack's path: points (n, 2), half widths at its ends, and when it starts and ends."""

    line: NDArray[np.float64]
    widths: tuple[float, float]
    times: tuple[float, float]


@DEFECT_TYPES.register("crack")
class Crack:
    """A crack that starts at an edge, or anywhere, and grows from its root to its tips."""

    places: ClassVar[tuple[Where, ...]] = ("edge", "inside")
    sizes: ClassVar[tuple[float, float]] = (0.25, 0.6)
    contrasts: ClassVar[tuple[float, float] | None] = (3.0, 30.0)
    directed: ClassVar[bool] = True

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        width = max(rng.uniform(0.012, 0.026), 0.8 * grid.pixel)
        thin = 0.55 * grid.pixel
        swing = rng.uniform(0.05, 0.11)
        main = _jagged(rng, np.array([-1.0, 0.0]), np.array([1.0, 0.0]), swing)
        paths = [Path(main, (width, max(thin, 0.35 * width)), (0.0, 1.0))]
        for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.2, 0.35, 0.3, 0.15]))):
            knot = int(rng.integers(POINTS // 5, POINTS * 4 // 5))
            paths.append(_branch(rng, main, knot, width, thin))
        cover, depth = grid.zeros(), grid.zeros()
        onset = np.ones_like(cover)
        for path in paths:
            distance, along = grid.stroke(path.line)
            half = path.widths[0] + (path.widths[1] - path.widths[0]) * along
            here = grid.inside(distance - half)
            time = path.times[0] + (path.times[1] - path.times[0]) * along
            opening = 0.2 * np.clip(distance / np.maximum(half, 1e-6), 0, 1)  # it widens as it runs
            onset = np.where(here > 0, np.minimum(onset, np.minimum(time + opening, 1)), onset)
            cover = np.maximum(cover, here)
            depth = np.maximum(depth, here * np.clip(half - distance + thin, 0, None))
        warm = np.array([0.92, 0.95, 0.97], np.float32)  # light from inside the gap is a bit warm
        tone = -cover[..., None] * warm
        relief = -0.9 * depth
        return Sketch(cover, tone, relief, grid.zeros(), grid.zeros(), onset)


def _branch(
    rng: np.random.Generator, main: NDArray[np.float64], knot: int, width: float, thin: float
) -> Path:
    """A finer crack that leaves the main one at a knot."""
    heading = main[min(knot + 8, POINTS - 1)] - main[knot - 8]
    heading /= np.linalg.norm(heading)
    fork = np.radians(rng.uniform(20, 55)) * rng.choice([-1, 1])
    cos, sin = np.cos(fork), np.sin(fork)
    end = main[knot] + rng.uniform(0.2, 0.55) * np.array([[cos, -sin], [sin, cos]]) @ heading
    line = _jagged(rng, main[knot], np.clip(end, -1, 1), rng.uniform(0.04, 0.09))
    start = knot / (POINTS - 1)
    return Path(line, (max(thin, 0.6 * width), thin), (start, min(1.0, start + 0.5)))


def _jagged(
    rng: np.random.Generator, start: NDArray[np.float64], end: NDArray[np.float64], swing: float
) -> NDArray[np.float64]:
    """A line that departs to both sides, by halving: rough on all scales, as fractures are."""
    offsets = np.zeros(POINTS)
    step, reach = POINTS - 1, swing
    while step > 1:
        middle = np.arange(step // 2, POINTS - 1, step)
        mean = (offsets[middle - step // 2] + offsets[middle + step // 2]) / 2
        offsets[middle] = mean + reach * rng.uniform(-1, 1, len(middle))
        step, reach = step // 2, reach * 0.58
    way = end - start
    across = np.array([-way[1], way[0]])
    share = np.linspace(0, 1, POINTS)
    return start + share[:, None] * way + offsets[:, None] * across
