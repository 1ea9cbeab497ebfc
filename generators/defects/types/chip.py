"""Chips and missing pieces: what has broken off at an edge."""

from typing import ClassVar

import numpy as np

from flawcast.generators.defects.sketch import (
    DEFECT_TYPES,
    Floats,
    Grid,
    Sketch,
    Where,
    clouds,
    wander,
)

ROUND = 256  # directions around the middle of a broken outline
BEHIND = 0.18  # how far a break reaches over the part's outline


@DEFECT_TYPES.register("chip")
class Chip:
    """A flake off an edge: the rough inside of the material shows, with a sharp rim."""

    places: ClassVar[tuple[Where, ...]] = ("edge",)
    sizes: ClassVar[tuple[float, float]] = (0.08, 0.25)
    contrasts: ClassVar[tuple[float, float] | None] = (3.0, 20.0)
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        inward, distance, onset = _broken(rng, grid)
        cover = grid.inside(distance)
        rough = clouds(rng, grid.nodes, 5, 5)
        rings = np.sin((inward + 0.1 * rough) * rng.uniform(9, 16))  # ribs of a shell-like fracture
        slope = np.clip(-distance / 0.25, 0, 1)  # steep at the rim, flat further out
        relief = -0.22 * slope - 0.012 * rough * cover - 0.008 * rings * cover
        sign = 1.0 if rng.uniform() < 0.4 else -1.0
        body = sign * (0.42 + 0.07 * rough + 0.04 * rings)
        tone = (cover * np.clip(body, -0.9, 0.9))[..., None] * np.ones(3, np.float32)
        return Sketch(
            cover, tone, relief.astype(np.float32), cover, grid.zeros(), onset, (-1.0, 0.0)
        )


@DEFECT_TYPES.register("missing_piece")
class MissingPiece:
    """A piece that is gone: what lies behind shows, and the broken wall catches light or shade."""

    places: ClassVar[tuple[Where, ...]] = ("edge",)
    sizes: ClassVar[tuple[float, float]] = (0.12, 0.35)
    contrasts: ClassVar[tuple[float, float] | None] = None  # that of the background
    directed: ClassVar[bool] = False

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""
        _, distance, onset = _broken(rng, grid)
        cover = grid.inside(distance)
        wall = max(0.06, 1.2 * grid.pixel)
        depth = np.clip(-distance / wall, 0, 1)
        shadow = 0.18 * np.clip(1 + distance / (3 * wall), 0, 1) * cover  # below the edge
        tone = -shadow[..., None] * np.ones(3, np.float32)
        relief = (-0.8 * wall * depth).astype(np.float32)
        return Sketch(cover, tone, relief, grid.zeros(), cover, onset, (-1.0, 0.0))


def _broken(rng: np.random.Generator, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """A broken outline that is open to the edge at x = -1.

    Returns:
        How far inward each node is, its distance to the outline (negative inside), and its onset
        from the edge on.
    """
    x, y = grid.plane()
    depth, half = rng.uniform(0.75, 1.3), 0.98
    behind = rng.uniform(0.15, 0.45)  # the outline meets the edge at a slant
    pointed = rng.uniform(1.2, 2.6)  # from a notch to a bite
    across, inwards = np.abs(y) / half, (x + 1 + behind * depth) / depth
    radius = (across**pointed + np.abs(inwards) ** pointed) ** (1 / pointed)
    turn = np.arctan2(y / half, inwards)
    course = np.linspace(-np.pi, np.pi, ROUND)
    jags = 0.09 * wander(rng, ROUND, 9, 4)
    jags -= np.linspace(jags[0], jags[-1], ROUND)  # the outline is closed
    rim = 0.95 + np.interp(turn, course, np.clip(jags, -0.25, 0.1)).astype(np.float32)
    distance = ((radius - rim) * min(depth, half)).astype(np.float32)
    distance = np.maximum(distance, -(x + 1 + BEHIND))
    inward = np.clip((x + 1) / depth, 0, None).astype(np.float32)
    return inward, distance, np.clip(inwards / rim, 0, 1).astype(np.float32)
