"""Parts: which moving regions of a clip belong together, and one track for each of them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.affine import moved
from flawcast.generators.backbones.layers.mattes import components, filled, grown
from flawcast.generators.backbones.layers.tracking import Track, corners, track
from flawcast.generators.backbones.layers.vision import cv2

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MOST_PARTS = 3
LEFT_OVER = 0.12  # share of the moving area that needs no further part
STILL = 8.0  # gray levels: a picture that stays differs less from frame to frame
LEAST_PATH = 1.5  # pixels: what moves less stands still


@dataclass(frozen=True)
class Seed:
    """A region from which a track may start: frame, mask (H, W) and how well it is suited."""

    frame: int
    mask: Mask
    score: float


def find_parts(greys: Grey, moving: Mask, most: int = MOST_PARTS) -> list[Track]:
    """Split what moves in a clip into parts, each with its own track.

    Args:
        greys: (T, H, W).
        moving: Where each frame differs from the background, (T, H, W).
        most: Number of parts at most.

    Returns:
        One track per part, the one that explains most first; none if nothing can be followed.
    """
    left, total = moving.copy(), int(moving.sum())
    parts: list[Track] = []
    for _ in range(most + 3):
        if len(parts) == most or left.sum() <= LEFT_OVER * total:
            break
        seed = best_seed(left)
        if seed is None:
            break
        mask = dominant_motion(greys, seed)
        found = track(greys, seed.frame, mask, left)
        found = replace(found, mask=voted_mask(left, found))
        explained = carried(found.mask, found)
        gain = (left & explained)[found.tracked].sum()
        if stands_still(greys, found):  # what a part left in the plate hides and shows again
            left[seed.frame] &= ~grown(seed.mask, 2)
        elif path_length(found) > LEAST_PATH and found.tracked.sum() > 1 and gain > 0.05 * total:
            parts.append(found)
            wide = max(2, min(mask.shape) // 50)
            left &= ~np.stack([grown(one, wide) for one in explained])
        else:
            left[seed.frame] &= ~grown(seed.mask, 2)  # not followed from here; tried elsewhere
    return parts


def best_seed(moving: Mask) -> Seed | None:
    """The region where a part is whole, of its usual size, and near the middle of the clip."""
    count = len(moving)
    seeds: list[tuple[int, Mask, float, bool]] = []
    for frame in range(count):
        for mask in components(moving[frame])[:4]:
            rim = mask[[0, -1]].sum() + mask[:, [0, -1]].sum()
            seeds.append((frame, mask, float(mask.sum()), bool(rim > 3)))
    if not seeds:
        return None
    whole = [area for _, _, area, cut in seeds if not cut] or [area for _, _, area, _ in seeds]
    usual = float(np.median([area for area in whole if area >= 0.5 * max(whole)]))
    scored = []
    for frame, mask, area, cut in seeds:
        size = min(area, usual) / max(area, usual)
        middle = 1 - abs(frame - (count - 1) / 2) / count
        scored.append(Seed(frame, mask, size * middle * (0.3 if cut else 1.0)))
    return max(scored, key=lambda seed: seed.score)


def dominant_motion(greys: Grey, seed: Seed) -> Mask:
    """The piece of a region that moves like most of it, where two parts touch.

    Points are followed to a neighbouring frame. Where a second group of them agrees on another
    motion, each pixel goes with its nearest point.
    """
    other = seed.frame + 1 if seed.frame + 1 < len(greys) else seed.frame - 1
    points = corners(greys[seed.frame], seed.mask)
    if other < 0 or len(points) < 12:
        return seed.mask
    ends, good, _ = cv2.calcOpticalFlowPyrLK(
        greys[seed.frame], greys[other], points, None, winSize=(15, 15), maxLevel=4
    )
    keep = good[:, 0].astype(bool)
    points, ends = points[keep], ends[keep]
    if len(points) < 12:
        return seed.mask
    cv2.setRNGSeed(1)
    first = _consensus(points, ends)
    rest = ~first
    if rest.sum() < max(8, 0.25 * len(points)):
        return seed.mask
    second = np.zeros_like(first)
    second[rest] = _consensus(points[rest], ends[rest])
    shift = [np.median((ends - points)[group], axis=0) for group in (first, second)]
    if second.sum() < max(8, 0.2 * len(points)) or np.linalg.norm(shift[0] - shift[1]) < 2:
        return seed.mask
    rows, columns = np.nonzero(seed.mask)
    pixels = np.stack([columns, rows], -1)
    gaps = [
        np.min(np.linalg.norm(pixels[:, None] - points[group][None], axis=-1), axis=1)
        for group in (first, second)
    ]
    piece = np.zeros_like(seed.mask)
    piece[rows, columns] = gaps[0] <= gaps[1]
    largest = components(piece)
    return largest[0] if largest else seed.mask


def _consensus(points: NDArray[np.float32], ends: NDArray[np.float32]) -> Mask:
    """Points that agree on one similarity motion by RANSAC: (n,)."""
    _, inside = cv2.estimateAffinePartial2D(points, ends, ransacReprojThreshold=1.5)
    if inside is None:
        return np.ones(len(points), bool)
    return inside[:, 0].astype(bool)


def voted_mask(moving: Mask, found: Track) -> Mask:
    """The part's mask in its source frame, by a vote of all frames.

    A hole that the plate tears in one frame lies elsewhere on the part in another one. What stands
    still behind the part, or before it, is voted down likewise.
    """
    height, width = found.mask.shape
    votes, seen = np.zeros((2, height, width), np.float32)
    for index in np.nonzero(found.tracked & (found.visible > 0.3))[0]:
        back = (found.motions[index], (width, height), cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        votes += cv2.warpAffine(moving[index].astype(np.float32), back[0], back[1], flags=back[2])
        seen += cv2.warpAffine(np.ones((height, width), np.float32), *back[:2], flags=back[2])
    reach = grown(found.mask, max(3, min(height, width) // 24))
    mask = np.where(seen >= 3, votes > 0.5 * seen, found.mask) & reach
    pieces = [piece for piece in components(mask) if (piece & found.mask).any()]
    if not pieces or pieces[0].sum() < 0.4 * found.mask.sum():
        return found.mask
    return filled(pieces[0])


def carried(mask: Mask, found: Track) -> Mask:
    """A source mask carried to every frame: (H, W) -> (T, H, W)."""
    size = mask.shape[1::-1]
    floats = mask.astype(np.float32)
    return np.stack([cv2.warpAffine(floats, motion, size) > 0.5 for motion in found.motions])


def path_length(found: Track) -> float:
    """How far the part's centre or rim gets from where it is in the source frame, pixels."""
    rows, columns = np.nonzero(found.mask)
    points = np.array(
        [[columns.mean(), rows.mean()], [columns.min(), rows.min()], [columns.max(), rows.max()]],
        np.float32,
    )
    ways = [
        np.linalg.norm(moved(points, motion) - points, axis=-1).max()
        for motion in found.motions[found.tracked]
    ]
    return float(max(ways))


def stands_still(greys: Grey, found: Track) -> bool:
    """Whether the region's picture is found where it was rather than where its track goes."""
    rows, columns = np.nonzero(found.mask)
    pixels = np.stack([columns, rows], -1).astype(np.float32)[:: max(1, len(rows) // 1500)]
    here = greys[found.source][pixels[:, 1].astype(int), pixels[:, 0].astype(int)].astype(float)
    still, going = [], []
    for index in np.nonzero(found.tracked)[0]:
        there = moved(pixels, found.motions[index])
        if np.linalg.norm(there - pixels, axis=-1).mean() < 1 or index == found.source:
            continue
        errors = [
            np.abs(cv2.remap(greys[index], points, None, cv2.INTER_LINEAR)[:, 0] - here)
            for points in (pixels, there)
        ]
        inside = ((there > 0) & (there < np.array(greys.shape[:0:-1]) - 1)).all(-1)
        if inside.sum() > 20:
            still.append(float(errors[0][inside].mean()))
            going.append(float(errors[1][inside].mean()))
    nearer = [stay <= 0.8 * go + 0.3 for stay, go in zip(still, going, strict=True)]
    return bool(nearer) and float(np.mean(nearer)) > 0.6 and float(np.median(still)) < STILL
