"""Sketches: a defect before it is put on a part, on a square grid in its own plane."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.registry import Registry
from flawcast.generators.backbones.layers.vision import cv2

Floats = NDArray[np.float32]
Where = Literal["inside", "edge"]

SPAN = 1.2  # the grid reaches from -SPAN to SPAN; the defect itself from -1 to 1
FINENESS = 3  # nodes of the grid per pixel of the source frame
FEWEST, MOST = 96, 768  # nodes along a side
PER_PATCH = 6  # random values along a side of a soft patch


@dataclass(frozen=True)
class Sketch:
    """How a defect changes the part under it.

    The plane's unit is half the defect's length, its x axis the defect's direction; at an edge, x
    points into the part.

    Args:
        cover: How much of each node lies in the defect, [0, 1], (n, n). The mask comes from it.
        tone: Relative change of brightness for each channel, (n, n, 3): -1 is black, 1 is white.
        relief: Height of the surface, in units of the plane, (n, n); the lamp shades it.
        opaque: How much the part's own texture is gone, [0, 1], (n, n).
        hole: How much the part itself is gone, [0, 1], (n, n).
        onset: When each node turns defective, from 0 to 1, (n, n).
        anchor: The point that lies on the part's outline, where the defect is at an edge.
    """

    cover: Floats
    tone: Floats
    relief: Floats
    opaque: Floats
    hole: Floats
    onset: Floats
    anchor: tuple[float, float] = (-1.0, 0.0)

    def fitted(self, where: Where, turn: bool) -> NDArray[np.float64]:
        """Map that makes the defect 2 long and puts its centre, or its anchor, on the origin.

        Args:
            where: Inside, its centre comes to lie on the origin, at an edge its anchor.
            turn: Whether it is turned along x, inside.

        Returns:
            (2, 3).
        """
        rows, columns = np.nonzero(self.cover > 0.5)
        if len(rows) < 3:
            return np.eye(2, 3)
        points = (np.stack([columns, rows], -1) + 0.5) * (2 * SPAN / len(self.cover)) - SPAN
        box = cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))).astype(np.float64)
        sides = box[1] - box[0], box[2] - box[1]
        long = max(sides, key=lambda side: float(np.linalg.norm(side)))
        length = float(np.linalg.norm(long))
        inside = where == "inside"
        x, y = long / length if turn and inside else (1.0, 0.0)
        if x < 0:
            x, y = -x, -y
        linear = np.array([[x, y], [-y, x]]) * 2 / length
        middle = box.mean(0) if inside else np.asarray(self.anchor)
        return np.concatenate([linear, -(linear @ middle)[:, None]], 1)


@dataclass(frozen=True)
class Grid:
    """The nodes that a type draws on.

    Args:
        nodes: Along each side.
        pixel: One pixel of the source frame, in units of the plane.
    """

    nodes: int
    pixel: float

    @staticmethod
    def for_length(pixels: float) -> "Grid":
        """A grid for a defect of so many pixels."""
        nodes = int(np.clip(np.ceil(SPAN * pixels * FINENESS), FEWEST, MOST))
        return Grid(nodes, 2 / pixels)

    @property
    def step(self) -> float:
        """Distance between nodes."""
        return 2 * SPAN / self.nodes

    def plane(self) -> tuple[Floats, Floats]:
        """The plane's x and y of each node, (n, n) each."""
        line = ((np.arange(self.nodes) + 0.5) * self.step - SPAN).astype(np.float32)
        x, y = np.meshgrid(line, line)
        return x, y

    def zeros(self) -> Floats:
        """Nothing, (n, n)."""
        return np.zeros((self.nodes, self.nodes), np.float32)

    def inside(self, distance: Floats) -> Floats:
        """Share of each node that lies inside an outline, by the distance to it, (n, n)."""
        return np.clip(0.5 - distance / self.step, 0, 1).astype(np.float32)

    def stroke(self, line: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Distance of each node from a line, and how far along it the nearest point is.

        Args:
            line: Points in the plane, (m, 2).

        Returns:
            Distances in units of the plane and shares from 0 to 1, (n, n) each.
        """
        along = np.linspace(0, 1, 4 * self.nodes)
        points = [np.interp(along, np.linspace(0, 1, len(line)), line[:, axis]) for axis in (0, 1)]
        columns, rows = (
            np.clip(((values + SPAN) / self.step).astype(int), 0, self.nodes - 1)
            for values in points
        )
        free = np.ones((self.nodes, self.nodes), np.uint8)
        free[rows, columns] = 0
        distance, labels = cv2.distanceTransformWithLabels(
            free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        share = np.zeros(int(labels.max()) + 1, np.float32)
        share[labels[rows, columns]] = along
        return distance * np.float32(self.step), share[labels]


class DefectType(Protocol):
    """A procedural type: where it may lie, how large it usually is, and how it looks."""

    places: ClassVar[tuple[Where, ...]]
    sizes: ClassVar[tuple[float, float]]  # usual lengths, shares of the part's extent
    contrasts: ClassVar[tuple[float, float] | None]  # of severity 0 and 1; None: it has its own
    directed: ClassVar[bool]  # whether it has a direction that an angle can turn

    def sketch(self, rng: np.random.Generator, grid: Grid) -> Sketch:
        """Draw one of it."""


DEFECT_TYPES: Registry[type[DefectType]] = Registry(
    "defect type", "flawcast.generators.defects.types"
)


def clouds(rng: np.random.Generator, nodes: int, beats: int, octaves: int = 3) -> Floats:
    """Soft random patches with mean 0 and standard deviation 1, (n, n).

    Args:
        rng: Where randomness comes from.
        nodes: n.
        beats: Patches along a side in the coarsest octave.
        octaves: How many finer octaves are added, each half as strong.
    """
    total = np.zeros((nodes, nodes), np.float32)
    for octave in range(octaves):
        side = min(nodes, PER_PATCH * beats * 2**octave)
        values = rng.standard_normal((side, side)).astype(np.float32)
        values = cv2.GaussianBlur(values, (0, 0), PER_PATCH / 3)  # patches without a grid's axes
        values *= np.float32(1 / (values.std() * 2**octave))
        total += cv2.resize(values, (nodes, nodes), interpolation=cv2.INTER_CUBIC)
    return (total - total.mean()) / max(1e-6, float(total.std()))


def wander(rng: np.random.Generator, count: int, beats: int, octaves: int = 3) -> Floats:
    """A random course with mean 0 and standard deviation about 1, (count,)."""
    total = np.zeros(count)
    for octave in range(octaves):
        knots = beats * 2**octave + 1
        values = rng.standard_normal(knots)
        total += np.interp(np.linspace(0, knots - 1, count), np.arange(knots), values) / 2**octave
    return total.astype(np.float32)
