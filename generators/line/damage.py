"""Cracks and chips: a path drawn once from the seed, then opened bit by bit."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line.parts import Part
from flawcast.generators.line.products import Floats, Mask


@dataclass(frozen=True)
class Damage:
    """A crack or a chip in the part's plane.

    Args:
        paths: Jagged lines, each (n, 2), the main crack first; or one closed rim for a chip.
        starts: When each path begins to grow, as a share of the main crack's growth.
        chip: Whether the only path is the rim of a chip.
        width: Width of the open crack.
    """

    paths: tuple[Floats, ...]
    starts: tuple[float, ...]
    chip: bool
    width: float


def draw_damage(rng: np.random.Generator, part: Part, chip: bool) -> Damage:
    """Choose where the part breaks."""
    outline = part.outlines[0]
    edge = outline[rng.integers(len(outline))].astype(np.float64)
    if chip:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 14))
        radii = rng.uniform(0.34, 0.5) * rng.uniform(0.7, 1.2, 14)
        centre = edge * 0.88
        rim = centre + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
        return Damage((rim.astype(np.float32),), (0.0,), True, 0.0)
    turn = np.radians(rng.uniform(-25, 25))
    inwards = -edge / np.linalg.norm(edge)
    across = np.array([-inwards[1], inwards[0]])
    heading = np.cos(turn) * inwards + np.sin(turn) * across
    length = rng.uniform(1.1, 1.7)
    main = _jagged(rng, edge, edge + length * heading, 0.1)
    paths, starts = [main], [0.0]
    for _ in range(int(rng.integers(1, 3))):
        knot = int(rng.integers(6, 22))
        fork = np.radians(rng.uniform(25, 55)) * rng.choice([-1, 1])
        cos, sin = np.cos(fork), np.sin(fork)
        branch = rng.uniform(0.3, 0.6) * (np.array([[cos, -sin], [sin, cos]]) @ heading)
        paths.append(_jagged(rng, main[knot], main[knot] + branch, 0.07))
        starts.append(knot / (len(main) - 1))
    return Damage(tuple(paths), tuple(starts), False, float(rng.uniform(0.075, 0.11)))


def break_part(
    damage: Damage, share: float, texture: NDArray[np.uint8], shade: float
) -> tuple[NDArray[np.uint8], Mask]:
    """Paint the damage that is open so far on a top face of any resolution.

    Args:
        damage: The crack or chip.
        share: How much of it is open, 0 to 1.
        texture: Top face, RGB, (n, n, 3); it is not changed.
        shade: Mean brightness of the face, 0 to 1, so that the damage stands out.

    Returns:
        The damaged face and where the damage is, (n, n), 0 or 255.
    """
    face, broken = texture.copy(), np.zeros(texture.shape[:2], np.uint8)
    if share <= 0:
        return face, broken
    scale = len(texture) / 2
    if damage.chip:
        rim = damage.paths[0]
        middle = rim.mean(axis=0)
        pixels = [_fixed(middle + (rim - middle) * share, scale)]
        cv2.fillPoly(broken, pixels, 255, cv2.LINE_8, 4)
        _spall(face, broken, shade)
        cv2.polylines(face, pixels, True, (28, 24, 24), max(1, round(0.03 * scale)), cv2.LINE_AA, 4)
        return face, broken
    for path, start in zip(damage.paths, damage.starts, strict=True):
        grown = (share - start) / (1 - start) if start else share
        if grown > 0:
            _open(face, broken, path, grown, damage.width * (0.55 + 0.45 * share), scale)
    return face, broken


def _open(face: NDArray[np.uint8], broken: Mask, path: Floats, grown: float, width: float,
          scale: float) -> None:  # fmt: skip
    """Draw a crack that is wide at its root and ends in a fine tip."""
    knots = grown * (len(path) - 1)
    whole = int(knots)
    line = path[: whole + 1]
    if whole < len(path) - 1:
        tip = path[whole] + (knots - whole) * (path[whole + 1] - path[whole])
        line = np.vstack([line, tip])
    root = np.linspace(1, 0.3, max(2, len(line))) * width / 2
    step = np.gradient(line, axis=0)
    normal = np.column_stack([-step[:, 1], step[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
    side = normal * root[: len(line), None]
    lip = _fixed(np.vstack([line + 1.5 * side, (line - 1.2 * side)[::-1]]), scale)
    gap = _fixed(np.vstack([line + side, (line - side)[::-1]]), scale)
    cv2.fillPoly(face, [lip], (236, 232, 224), cv2.LINE_AA, 4)
    cv2.fillPoly(face, [gap], (16, 13, 13), cv2.LINE_AA, 4)
    cv2.fillPoly(broken, [lip], 255, cv2.LINE_8, 4)


def _spall(face: NDArray[np.uint8], broken: Mask, shade: float) -> None:
    """Show the rough inside of the material where a chip has broken out."""
    rows, columns = np.mgrid[: len(face), : len(face)] / len(face)
    rough = 0.5 + 0.25 * np.sin(47 * rows + 31 * columns) + 0.25 * np.sin(83 * columns - 59 * rows)
    inside = (0.34 if shade > 0.45 else 0.75) * (0.75 + 0.5 * rough)
    grey = np.clip(inside[..., None] * np.array([255, 240, 228]), 0, 255).astype(np.uint8)
    np.copyto(face, grey, where=broken[..., None] > 0)


def _jagged(
    rng: np.random.Generator, start: NDArray[np.floating], end: NDArray[np.floating], swing: float
) -> Floats:
    """A line between two points that wanders to both sides."""
    share = np.linspace(0, 1, 33)
    line = start + share[:, None] * (end - start)
    across = np.array([-(end - start)[1], (end - start)[0]]) / np.linalg.norm(end - start)
    walk = np.zeros(33)
    for beats in (4, 8, 16):
        knots = rng.uniform(-1, 1, beats + 1) * (4 / beats) ** 0.8
        walk += np.interp(share, np.linspace(0, 1, beats + 1), knots)
    walk -= walk[0] + share * (walk[-1] - walk[0])
    return np.asarray(line + swing * walk[:, None] * across, np.float32)


def _fixed(points: NDArray[np.floating], scale: float) -> NDArray[np.int32]:
    """Points of the part's plane as pixels with 4 fractional bits."""
    return np.round(((points + 1) * scale - 0.5) * 16).astype(np.int32)
