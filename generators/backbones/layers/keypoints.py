"""Keypoint vectors of tracked parts: K points with a position and a Jacobian each, shared out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.affine import Affine, Points, moved
from flawcast.generators.backbones.layers.tracking import Track
from flawcast.generators.backbones.layers.vision import cv2

Keypoints = NDArray[np.float32]  # (T, 6 K): x, y, J00, J01, J10, J11 per keypoint, in [-1, 1]
Groups = NDArray[np.int64]  # (K,): layer of each keypoint

KEYPOINTS = 10  # as FOMM's: D = 60


def shared_out(areas: Sequence[float], keypoints: int = KEYPOINTS) -> Groups:
    """Give each layer its keypoints, more to a larger one but at least two: (K,)."""
    sizes = np.sqrt(np.asarray(areas, np.float64))
    counts = np.maximum(2, np.floor(keypoints * sizes / sizes.sum())).astype(int)
    while counts.sum() != keypoints:
        gap = keypoints * sizes / sizes.sum() - counts
        if counts.sum() < keypoints:
            counts[int(gap.argmax())] += 1
        else:
            counts[int(np.where(counts > 2, gap, np.inf).argmin())] -= 1
    return np.repeat(np.arange(len(counts)), counts)


def spread_points(mask: NDArray[np.bool_], count: int) -> Points:
    """Centres of a part's regions by k-means, the same for the same mask: (count, 2), pixels."""
    rows, columns = np.nonzero(mask)
    pixels = np.stack([columns, rows], -1).astype(np.float32)
    pixels = pixels[:: max(1, len(pixels) // 4000)]
    if len(pixels) < count:
        return np.resize(pixels, (count, 2))
    cv2.setRNGSeed(1)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.1)
    _, _, centres = cv2.kmeans(pixels, count, None, stop, 3, cv2.KMEANS_PP_CENTERS)
    order = np.lexsort((centres[:, 1], centres[:, 0].round()))
    return centres[order]


def track_keypoints(
    tracks: Sequence[Track], keypoints: int = KEYPOINTS
) -> tuple[Keypoints, Groups]:
    """Keypoint vectors of a clip's tracks.

    Args:
        tracks: One per layer, at least one.
        keypoints: K.

    Returns:
        Vectors (T, 6 K), float32, and the layer of each keypoint (K,).
    """
    groups = shared_out([float(one.mask.sum()) for one in tracks], keypoints)
    series = []
    for layer, one in enumerate(tracks):
        points = spread_points(one.mask, int((groups == layer).sum()))
        series.append(points_as_vectors(points, one.motions, one.mask.shape))
    return np.concatenate(series, axis=1).astype(np.float32), groups


def points_as_vectors(points: Points, motions: Affine, size: tuple[int, ...]) -> Keypoints:
    """Points of a source frame under its motions, as keypoint values.

    Args:
        points: (k, 2), pixels.
        motions: (T, 2, 3), pixels.
        size: (H, W).

    Returns:
        (T, 6 k) in normalised coordinates, the frame's outer edges at -1 and 1.
    """
    positions = np.stack([moved(points, motion) for motion in motions])  # (T, k, 2)
    unit = 2 / np.array(size[::-1], np.float64)
    places = (positions + 0.5) * unit - 1
    jacobians = motions[:, :, :2] * unit[:, None] / unit[None, :]
    jacobians = np.broadcast_to(jacobians[:, None], (*positions.shape[:2], 2, 2))
    values = np.concatenate([places, jacobians.reshape(*positions.shape[:2], 4)], -1)
    return values.reshape(len(motions), -1).astype(np.float32)


def unpacked(keypoints: Keypoints) -> tuple[Keypoints, Keypoints]:
    """Positions (..., K, 2) and Jacobians (..., K, 2, 2) of vectors (..., 6 K)."""
    values = keypoints.reshape(*keypoints.shape[:-1], -1, 6)
    return values[..., :2], values[..., 2:].reshape(*values.shape[:-1], 2, 2)


def moved_as_one(keypoints: Keypoints, past: Keypoints, groups: Groups) -> Keypoints:
    """Keypoints of which those of a layer share one affine motion from the last frame of the past.

    A layer's centre goes where its keypoints go on the mean, and it turns as they do on the mean;
    it grows or shrinks by at most the square of what the past shows. Without this a part that
    turns is torn, if its keypoints turn each on its own place.

    Args:
        keypoints: (..., 6 K).
        past: Vectors of the part as it was seen, (P, 6 K).
        groups: Layer of each keypoint, (K,).

    Returns:
        (..., 6 K), float32.
    """
    (places, jacobians), (seen_at, seen) = unpacked(keypoints), unpacked(past)
    together = np.empty((*places.shape[:-1], 6), np.float32)
    for layer in np.unique(groups):
        group = groups == layer
        own, arms = seen[-1, group], seen_at[-1, group] - seen_at[-1, group].mean(0)
        turn = jacobians[..., group, :, :].mean(-3) @ np.linalg.inv(own.mean(0))
        sizes = _size(seen[:, group].mean(1))
        size, most = _size(turn), (sizes.max() / sizes.min()) ** 2
        turn *= (np.clip(size, 1 / most, most) / size)[..., None, None]
        centre = places[..., group, :].mean(-2, keepdims=True)
        together[..., group, :2] = centre + arms @ turn.swapaxes(-1, -2)
        turned = turn[..., None, :, :] @ own
        together[..., group, 2:] = turned.reshape(*turned.shape[:-2], 4)
    return together.reshape(keypoints.shape)


def _size(jacobians: Keypoints) -> Keypoints:
    """How much larger something becomes by 2x2 matrices, (..., 2, 2) -> (...); never zero."""
    return np.sqrt(np.maximum(np.abs(np.linalg.det(jacobians)), 1e-6))


def centres(
    keypoints: Keypoints, group: NDArray[np.bool_], size: tuple[int, ...]
) -> NDArray[np.float64]:
    """Mean position of some keypoints, pixels: (T, 6 K), (K,) -> (T, 2)."""
    places = unpacked(keypoints)[0][..., group, :].mean(-2)
    return (places + 1) / 2 * np.array(size[1::-1]) - 0.5
