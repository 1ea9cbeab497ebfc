"""The clean plate of a line: what the camera sees where no part is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.false_edges import (
    edge_energy,
    least_edges,
    unshared_edges,
)
from flawcast.generators.backbones.layers.inpainting import inpainted
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Scalar = TypeVar("Scalar", np.uint8, np.bool_)

MOST_FRAMES = 31  # a median gains little from more, and costs memory
FEWEST_SEEN = 2  # frames that must show a pixel, where there are many
MOST_HULL = 0.6  # of the frame: a larger hull says nothing
SEEN_MARGIN, LEFT_MARGIN, GUESS_MARGIN = 0.3, 2.0, 0.8  # gray levels a pixel of the outline


@dataclass(frozen=True)
class Plate:
    """A clean background.

    Args:
        image: RGB, (H, W, 3).
        valid: Where the background was seen in some frame, (H, W); elsewhere it is inpainted.
    """

    image: Image
    valid: Mask


def clean_plate(clips: Sequence[Image]) -> Plate:
    """Guess the plate of one or more clips of the same view, before any part is known.

    Candidates are the median over time, each pixel's densest samples (a part with a texture
    scatters more than the plate), its samples nearest to an inpainted guess, and the guess itself.
    Each region where two differ takes the one with less false edge: a part left in the plate has a
    sharp rim that no frame shows there.

    Args:
        clips: RGB frames of each clip, (T, H, W, 3), all of one size.

    Returns:
        The plate. `valid` is False where inpainting was chosen.
    """
    frames = _some(np.concatenate(list(clips)) if len(clips) > 1 else clips[0])
    median = np.median(frames, axis=0).astype(np.uint8)
    changing, moving = _ever_moving(frames, median)
    valid = np.ones(median.shape[:2], bool)
    if not moving.any():
        return Plate(median, valid)
    guess = inpainted(median, moving)
    dense, tight = _densest_samples(frames)
    plate = median
    for seen in (dense, _nearest_samples(frames, guess)):
        plate, _ = least_edges(plate, seen, moving, frames, SEEN_MARGIN)
    for steady, sure in [(dense, tight), *_steady_ends(frames)]:
        plate, _ = least_edges(plate, steady, moving & sure, frames, LEFT_MARGIN, edge_energy)
    plate, from_guess = least_edges(
        plate, guess, moving, frames, GUESS_MARGIN, unshared_edges, ~changing | ~tight
    )
    return Plate(plate, ~from_guess)


def uncovered_plate(clips: Sequence[Image], covered: Sequence[Mask]) -> Plate:
    """The median of what each pixel shows in the frames where no part covers it.

    Args:
        clips: RGB frames of each clip, (T, H, W, 3).
        covered: Where parts are in them, (T, H, W), a little too wide rather than too tight.

    Returns:
        The plate. Pixels that hardly any frame shows are inpainted and not valid.
    """
    frames = _some(np.concatenate(list(clips)) if len(clips) > 1 else clips[0])
    hidden = _some(np.concatenate(list(covered)) if len(covered) > 1 else covered[0])
    plate = np.median(frames, axis=0).astype(np.uint8)
    rows, columns = np.nonzero(hidden.any(0))
    valid = np.ones(plate.shape[:2], bool)
    if not len(rows):
        return Plate(plate, valid)
    samples = frames[:, rows, columns].astype(np.int16)  # (T, n, 3)
    samples[hidden[:, rows, columns]] = 999  # sorted behind every real value
    samples.sort(axis=0)
    count = (~hidden[:, rows, columns]).sum(0)  # (n,)
    at = np.arange(len(rows))
    low, high = samples[np.maximum(count - 1, 0) // 2, at], samples[count // 2 * (count > 0), at]
    plate[rows, columns] = np.where(count[:, None] > 0, (low + high) // 2, 0).astype(np.uint8)
    valid[rows, columns] = count >= (FEWEST_SEEN if len(frames) > 6 else 1)
    return Plate(inpainted(plate, ~valid), valid)


def _some(frames: NDArray[Scalar]) -> NDArray[Scalar]:
    """At most `MOST_FRAMES` of the frames, evenly spread."""
    if len(frames) <= MOST_FRAMES:
        return frames
    return frames[np.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int)]


def _ever_moving(frames: Image, median: Image) -> tuple[Mask, Mask]:
    """What departs from the median in some frame, and all that a part may have covered.

    A long part that moves little changes only at its two ends. Its middle lies in the convex hull
    of both.
    """
    departure = np.zeros(median.shape[:2], np.float32)
    for frame in frames:
        difference = cv2.GaussianBlur(cv2.absdiff(frame, median), (0, 0), 1.5).max(-1)
        departure = np.maximum(departure, difference)
    bound = min(40.0, 12 + 2.0 * float(np.median(departure)))
    mask = cv2.morphologyEx((departure > bound).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    side = min(mask.shape)
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side // 6 | 1, side // 6 | 1))
    count, groups = cv2.connectedComponents(cv2.dilate(mask, reach))
    hulls = np.zeros(mask.shape, np.uint8)
    for index in range(1, count):
        rows, columns = np.nonzero((groups == index) & (mask > 0))
        hull = cv2.convexHull(np.stack([columns, rows], -1).astype(np.int32))
        cv2.fillConvexPoly(hulls, hull, 1)
    if hulls.mean() > MOST_HULL:
        hulls = mask
    wide = max(3, side // 40) | 1
    return mask.astype(bool), cv2.dilate(hulls, np.ones((wide, wide), np.uint8)).astype(bool)


def _densest_samples(frames: Image, share: float = 0.35) -> tuple[Image, Mask]:
    """Mean of the closest group of each pixel's samples that holds this share of them.

    Returns:
        The means, and where the group is as close as a plate that stands still.
    """
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.int16)
    count = max(2, int(np.ceil(share * len(frames))))
    ordered = np.sort(grey, axis=0)
    width = ordered[count - 1 :] - ordered[: len(frames) - count + 1]
    best = width.argmin(0)[None]
    low = np.take_along_axis(ordered, best, 0)
    high = np.take_along_axis(ordered, best + count - 1, 0)
    tight = cv2.blur((high - low)[0].astype(np.float32), (5, 5)) < 8
    return _mean_where(frames, (grey >= low) & (grey <= high)), tight


def _nearest_samples(frames: Image, guess: Image, tolerance: float = 12.0) -> Image:
    """Mean of each pixel's samples that are about as near to the guess as its nearest one."""
    distance = np.stack([cv2.absdiff(frame, guess).astype(np.float32).mean(-1) for frame in frames])
    return _mean_where(frames, distance <= distance.min(0) + tolerance)


def _steady_ends(frames: Image) -> list[tuple[Image, Mask]]:
    """What the first and the last frames show, and where these agree among themselves.

    A part that lies still until it is taken away, or after it was brought, is the median of most
    frames, but not of these.
    """
    count = max(3, len(frames) // 8)
    if len(frames) < 2 * count + 1:
        return []
    ends = []
    for span in (frames[:count], frames[-count:]):
        median = np.median(span, axis=0).astype(np.uint8)
        spread = np.max([cv2.absdiff(frame, median).max(-1) for frame in span], axis=0)
        steady = (cv2.blur(spread, (5, 5)) < 12).astype(np.uint8)
        ends.append((median, cv2.erode(steady, np.ones((5, 5), np.uint8)).astype(bool)))
    return ends


def _mean_where(frames: Image, chosen: Mask) -> Image:
    """Mean of each pixel's chosen samples: (T, H, W, 3), (T, H, W) -> (H, W, 3)."""
    total = np.zeros(frames.shape[1:], np.float32)
    for frame, weight in zip(frames, chosen, strict=True):
        total += frame * weight[..., None]
    return (total / chosen.sum(0)[..., None]).round().astype(np.uint8)
