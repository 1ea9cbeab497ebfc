"""False edges: which of two plates has fewer edges that the frames do not show."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Measure = Callable[[Image, Image], NDArray[np.float32]]

LEAST_CONSTANT = 0.22  # of a region that a guess may fill
MOST_EDGE = 20.0  # gray levels per pixel


def least_edges(
    first: Image,
    second: Image,
    moving: Mask,
    frames: Image,
    margin: float,
    measure: Measure | None = None,
    constant: Mask | None = None,
) -> tuple[Image, Mask]:
    """Take the second image in every region where it shows less false edge than the first.

    Args:
        first: RGB, (H, W, 3).
        second: RGB, (H, W, 3).
        moving: Where they may differ, (H, W).
        frames: RGB, (T, H, W, 3).
        margin: The least gain that counts, gray levels per pixel of the region's outline.
        measure: How false edges of an image are found; None for `_false_edges`.
        constant: Pixels that show the same in all frames, or the same in none; a guess is only for
            regions of such.

    Returns:
        The mixed image, and where the second was taken.
    """
    taken = np.zeros(moving.shape, bool)
    differing = cv2.GaussianBlur(cv2.absdiff(first, second), (0, 0), 1.0).max(-1)
    regions = ((differing > 16) & moving).astype(np.uint8)
    regions = cv2.morphologyEx(regions, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(regions)
    smallest = moving.size // 4000
    boxes = [index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= smallest]
    if not boxes:
        return first, taken
    small = np.ones((3, 3), np.uint8)
    every = cv2.dilate(np.isin(labels, boxes).astype(np.uint8), small)
    mixed = np.where(every[..., None] > 0, second, first)
    measure = measure or _false_edges
    gain = measure(first, frames) - measure(mixed, frames)
    for index in boxes:
        region = cv2.dilate((labels == index).astype(np.uint8), small)
        wide = cv2.dilate(region, np.ones((5, 5), np.uint8))
        outline = wide - cv2.erode(region, np.ones((5, 5), np.uint8))
        if gain[wide > 0].sum() > margin * outline.sum():
            taken |= (region > 0) & _mostly(constant, labels == index)
    return np.where(taken[..., None], second, first), taken


def _false_edges(image: Image, frames: Image) -> NDArray[np.float32]:
    """How far a plate's edges are from those that the frames show at the same place.

    A rail is an edge in most frames, at one place. The rim of a part that was left in the plate is
    an edge in one frame at most, and what is smooth is then nearer to the others. A frame that
    shows something else altogether counts no more than `MOST_EDGE`.

    Args:
        image: The plate, RGB, (H, W, 3).
        frames: RGB, (T, H, W, 3).

    Returns:
        (H, W), gray levels per pixel.

    Reference:
        Weiss, 2001, Deriving intrinsic images from image sequences: edges that stay.
    """
    across, down = _gradient(image)
    total = np.zeros(across.shape, np.float32)
    for frame in frames:
        x, y = _gradient(frame)
        total += np.minimum(np.hypot(x - across, y - down), MOST_EDGE)
    return total / np.float32(len(frames))


def _mostly(constant: Mask | None, region: Mask) -> bool:
    """Whether a good part of a region never changes, so that no frame can show its plate."""
    return constant is None or bool(constant[region].mean() > LEAST_CONSTANT)


def edge_energy(image: Image, frames: Image) -> NDArray[np.float32]:
    """All edge energy, for a part that stood still before it left: (H, W)."""
    return np.hypot(*_gradient(image))


def unshared_edges(image: Image, frames: Image) -> NDArray[np.float32]:
    """Edge energy of a plate where few frames show the same edge at the same place: (H, W).

    A guess lacks all edges, true and false, so that only the false ones may speak for it.
    """
    across, down = _gradient(image)
    energy = np.hypot(across, down)
    shared = np.zeros(energy.shape, np.float32)
    for frame in frames:
        x, y = _gradient(frame)
        shared += np.hypot(x - across, y - down) < 0.4 * energy + 6
    share = np.maximum(shared - 1, 0) / max(1, len(frames) - 1)  # one frame proves nothing
    return energy * (1 - np.minimum(1, 2.5 * share))


def _gradient(image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slope of the brightness across and down, per pixel: (H, W, 3) -> two of (H, W)."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    return (
        cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25),
        cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25),
    )
