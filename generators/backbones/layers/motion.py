"""Dense motion of one part: where each pixel of a driving frame comes from in the source frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.keypoints import Keypoints, unpacked
from flawcast.generators.backbones.layers.vision import cv2

Field = NDArray[np.float32]  # (h, w, 2)
Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels; right and bottom excluded

GRID_STEP = 12  # pixels between nodes of the small grid at least
MOST_NODES = 40  # of the small grid, along each side of a box
SAME = 1e-5  # of the frame: keypoints whose motions differ less are one rigid part
SPREAD = 0.5  # width of a keypoint's Gaussian, in mean distances between neighbours
UNSURE = 0.02  # pixels from a whole number within which rounding might decide
LEAST_DETERMINANT = 0.05  # a sampled Jacobian near zero would tear the part apart


def part_motion(
    source: Keypoints, driving: Keypoints, nodes: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Where points of the driving frame come from, by the keypoints of one part.

    Every keypoint knows a local affine motion. A softmax of negative squared distances blends
    them, so that the motion is exactly affine where all keypoints agree.

    Args:
        source: Keypoints of the source frame, (6 k,).
        driving: Keypoints of the driving frame, (6 k,).
        nodes: Points of the driving frame, (n, 2), in [-1, 1].

    Returns:
        Points of the source frame, (n, 2), in [-1, 1].

    Reference:
        Siarohin et al., 2019, First order motion model, eq. 4: the local motions.
    """
    places, jacobians = unpacked(source)
    there, there_jacobians = unpacked(driving)
    local = jacobians @ inverse(there_jacobians)  # (k, 2, 2)
    constant = places - (local @ there[..., None])[..., 0]  # (k, 2)
    if max(np.ptp(local, axis=0).max(), np.ptp(constant, axis=0).max()) < SAME:
        return (nodes @ local.mean(0).T + constant.mean(0)).astype(np.float32)
    weight = _shares(there, nodes)
    blend = (weight @ local.reshape(-1, 4)).reshape(-1, 2, 2)
    came = weight @ constant
    came += blend[..., 0] * nodes[:, :1] + blend[..., 1] * nodes[:, 1:]
    return came.astype(np.float32)


def inverse(jacobians: Keypoints) -> Keypoints:
    """Inverse of 2x2 matrices (..., 2, 2), bounded where a sampled one is close to singular."""
    a, b, c, d = (jacobians[..., i, j] for i in (0, 1) for j in (0, 1))
    determinant = a * d - b * c
    sign = np.where(determinant < 0, -1, 1)
    determinant = sign * np.maximum(np.abs(determinant), LEAST_DETERMINANT)
    adjugate = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    return adjugate / determinant[..., None, None]


def driven_box(source: Keypoints, driving: Keypoints, box: Box, size: tuple[int, int]) -> Box:
    """The box of the driving frame that a source box may come to lie in.

    Args:
        source: Keypoints of the part in the source frame, (6 k,).
        driving: Keypoints of the part in the driving frame, (6 k,).
        box: Where the part is in the source frame.
        size: (H, W).

    Returns:
        The box, cut to the frame; empty where the part is outside.
    """
    unit = 2 / np.array(size[::-1], np.float32)
    there = (part_motion(driving, source, _rim(box, size)) + 1) / unit - 0.5
    low = np.floor(there.min(0) - 2).clip(0, size[::-1]).astype(int)
    high = np.ceil(there.max(0) + 3).clip(0, size[::-1]).astype(int)
    return int(low[0]), int(low[1]), int(max(low[0], high[0])), int(max(low[1], high[1]))


def driven_boxes(
    source: Keypoints, driving: Keypoints, box: Box, size: tuple[int, int]
) -> list[Box]:
    """The boxes that `driven_box` finds for many driving frames, (F, 6 k), at once.

    Where rounding might decide, it is asked itself: the same part is drawn in the same box always.
    """
    nodes = _rim(box, size)
    there, there_jacobians = unpacked(source)
    places, jacobians = unpacked(driving)
    local = jacobians @ inverse(there_jacobians)  # (F, k, 2, 2)
    constant = places - (local @ there[..., None])[..., 0]  # (F, k, 2)
    weight = _shares(there, nodes)  # (n, k)
    came = np.einsum("nk,fkij,nj->fni", weight, local, nodes, optimize=True)
    came += np.einsum("nk,fki->fni", weight, constant)
    pixels = (came + 1) * (np.array(size[::-1]) / 2) - 0.5
    low, high = pixels.min(1) - 2, pixels.max(1) + 3  # (F, 2)
    edges = np.concatenate([low, high], axis=1)
    unsure = (np.abs(edges - np.rint(edges)) < UNSURE).any(axis=1)
    low = np.floor(low).clip(0, size[::-1]).astype(int)
    high = np.maximum(low, np.ceil(high).clip(0, size[::-1]).astype(int))
    return [
        driven_box(source, one, box, size) if ask else (left, top, right, bottom)
        for one, ask, (left, top), (right, bottom) in zip(
            driving, unsure.tolist(), low.tolist(), high.tolist(), strict=True
        )
    ]


def _rim(box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Points on and in a box, (25, 2), in [-1, 1]."""
    left, top, right, bottom = box
    xs, ys = np.linspace(left - 1, right, 5), np.linspace(top - 1, bottom, 5)
    rim = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2).astype(np.float32)
    unit = 2 / np.array(size[::-1], np.float32)
    return ((rim + 0.5) * unit - 1).astype(np.float32, copy=False)


def _shares(there: Keypoints, nodes: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Share of each keypoint in the motion of each point, (n, k)."""
    squares = (there**2).sum(-1)
    distance = squares - 2 * nodes @ there.T  # (n, k), less a term that all keypoints share
    distance -= distance.min(-1, keepdims=True)
    gaps = ((there[:, None] - there[None]) ** 2).sum(-1) + 1e3 * np.eye(len(there))
    width = max(1e-3, SPREAD**2 * float(gaps.min(-1).mean()))
    weight = np.exp(distance * (-0.5 / width))
    return weight / weight.sum(-1, keepdims=True)


def dense_motion(source: Keypoints, driving: Keypoints, box: Box, size: tuple[int, int]) -> Field:
    """Motion of a part for every pixel of a box, computed on a small grid and enlarged.

    What is enlarged is the difference to the identity, which stays exact at native size.

    Args:
        source: Keypoints of the part in the source frame, (6 k,).
        driving: Keypoints of the part in the driving frame, (6 k,).
        box: Pixels of the driving frame to find, not empty.
        size: (H, W).

    Returns:
        Pixel positions in the source frame, (box height, box width, 2), float32.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    step = max(GRID_STEP, -(-max(width, height) // MOST_NODES))
    columns, rows = -(-width // step) + 2, -(-height // step) + 2  # one more cell on each side
    xs = left + (np.arange(columns) - 0.5) * step - 0.5
    ys = top + (np.arange(rows) - 0.5) * step - 0.5
    nodes = np.stack(np.meshgrid(xs, ys), -1).astype(np.float32)
    unit = 2 / np.array(size[::-1], np.float32)
    came = part_motion(source, driving, (nodes.reshape(-1, 2) + 0.5) * unit - 1)
    residual = ((came + 1) / unit - 0.5).reshape(rows, columns, 2) - nodes
    large = cv2.resize(residual, (columns * step, rows * step), interpolation=cv2.INTER_LINEAR)
    enlarged = large[step : step + height, step : step + width]
    enlarged[..., 0] += np.arange(left, right, dtype=np.float32)
    enlarged[..., 1] += np.arange(top, bottom, dtype=np.float32)[:, None]
    return enlarged
