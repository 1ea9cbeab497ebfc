"""What a defect says of itself, against what its pictures and its part's true motion show."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.flows.benchmarks.defect_hosts import Homography, MovingHost
from flawcast.generators.defects.drawing import draw
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import HALF, DefectLayer
from flawcast.generators.defects.making import Order, sketched
from flawcast.generators.defects.motion import field_of_affine, move

FEWEST = 12  # pixels of a mask whose agreement says something


def mask_agreement(moving: MovingHost, order: Order, layer: DefectLayer) -> list[float]:
    """IoU of the moved mask with the defect drawn into the true part of each later frame.

    Args:
        moving: The part and its true motion.
        order: What was asked for, with the seed that made the layer.
        layer: The defect on the first frame.
    """
    sketch, placement, rng = sketched(moving.hosts[0], order)
    values = []
    for host, motion in zip(moving.hosts[1:], moving.motions[1:], strict=True):
        moved = move(layer, field_of_affine(motion, host.size), visible=host.part).mask
        matrix = _affine_at(motion, placement.centre) @ _square(placement.matrix)
        drawn = draw(host, sketch, replace(placement, matrix=matrix), layer.wanted, rng)
        left, top, right, bottom = drawn.box
        truth = np.zeros(host.part.shape, bool)
        truth[top:bottom, left:right] = drawn.cover > HALF
        either = int((moved | truth).sum())
        if either >= FEWEST:
            values.append(float((moved & truth).sum() / either))
    return values


def size_error(host: Host, layer: DefectLayer) -> float:
    """Difference of the mask's length to the length that was asked for, in extents."""
    pixels = np.argwhere(layer.mask())[:, ::-1].astype(np.float64)
    in_plane = np.linalg.solve(host.plane, pixels.T).T.astype(np.float32)
    measured = (max(cv2.minAreaRect(in_plane)[1]) + 1) / host.extent
    return abs(float(measured) - layer.length)


def angle_error(host: Host, layer: DefectLayer, asked: float) -> float:
    """Degrees between the mask's long side and the angle that was asked for."""
    pixels = np.argwhere(layer.mask())[:, ::-1].astype(np.float64)
    in_plane = np.linalg.solve(host.plane, (pixels - pixels.mean(0)).T).T
    _, _, directions = np.linalg.svd(in_plane, full_matrices=False)
    measured = np.degrees(np.arctan2(directions[0, 1], directions[0, 0]))
    return abs(float((measured - asked + 90) % 180 - 90))


def place_error(layer: DefectLayer, at: tuple[float, float]) -> float:
    """Distance of the mask's centre from a place, in extents."""
    return float(np.hypot(*np.subtract(layer.place, at)))


def _affine_at(motion: Homography, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine map that is next to a homography near a point, (2, 3)."""
    x, y, w = motion @ np.array([*point, 1.0])
    there = np.array([x, y]) / w
    linear = (motion[:2, :2] - np.outer(there, motion[2, :2])) / w
    return np.column_stack([linear, there - linear @ point])


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine map as (3, 3)."""
    return np.vstack([matrix, [0, 0, 1]])
