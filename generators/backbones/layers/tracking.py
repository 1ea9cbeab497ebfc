"""Tracks: the affine motion of one part from its source frame to the frames before and after."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.affine import (
    FEWEST,
    Affine,
    Points,
    fitted,
    moved,
    plausible,
    shifted,
    square,
)
from flawcast.generators.backbones.layers.vision import cv2

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MOST_CORNERS = 110
DISAGREEMENT = 0.8  # pixels between a point and itself after tracking there and back
ALIKE = 0.55  # correlation of a part with itself elsewhere, below which the track is not believed
LOOK = {"winSize": (15, 15), "maxLevel": 3, "criteria": (3, 20, 0.03)}


@dataclass(frozen=True)
class Track:
    """Where a part is in each frame.

    Args:
        source: Index of the frame it was cut from.
        mask: The part in that frame, (H, W).
        motions: Motion from there to each frame, pixels, (T, 2, 3).
        tracked: Whether the motion was measured rather than carried on, (T,).
        visible: Share of the part that is within the frame, (T,).
    """

    source: int
    mask: Mask
    motions: Affine
    tracked: Mask
    visible: NDArray[np.float64]


def corners(grey: Grey, mask: Mask) -> Points:
    """Corners of the part, its outline included: (n, 2)."""
    near = max(3.0, np.sqrt(mask.sum() / MOST_CORNERS) * 0.7)
    found = cv2.goodFeaturesToTrack(grey, MOST_CORNERS, 0.01, near, mask=mask.astype(np.uint8))
    return np.zeros((0, 2), np.float32) if found is None else found[:, 0].astype(np.float32)


def track(greys: Grey, source: int, mask: Mask, moving: Mask) -> Track:
    """Follow a part from its source frame through the clip, forwards and backwards.

    Args:
        greys: (T, H, W).
        source: Index of the frame where the part is best seen.
        mask: The part in it, (H, W).
        moving: Where each frame differs from the background, (T, H, W).
    """
    count = len(greys)
    motions, tracked = np.tile(np.eye(2, 3), (count, 1, 1)), np.zeros(count, bool)
    visible = np.ones(count)
    tracked[source] = True
    template = Template(greys[source], mask)
    for order in (range(source + 1, count), range(source - 1, -1, -1)):
        for index, motion, sure, share in follow(template, greys, moving, source, order):
            motions[index], tracked[index], visible[index] = motion, sure, share
    return Track(source, mask, motions, tracked, visible)


class Template:
    """A part's picture in its source frame, with what the tracker needs of it.

    Args:
        grey: The source frame, (H, W).
        mask: The part in it, (H, W).
    """

    def __init__(self, grey: Grey, mask: Mask) -> None:
        self.grey, self.mask = grey, mask
        wide = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        self.points = corners(grey, wide)
        rows, columns = np.nonzero(mask)
        step = max(1, len(rows) // 2000)
        self.pixels = np.stack([columns, rows], -1)[::step].astype(np.float32)
        self.values = grey[rows, columns][::step].astype(np.float32)

    def likeness(self, grey: Grey, motion: Affine) -> tuple[float, float]:
        """Correlation with a frame under a motion, and the share of the part within the frame."""
        at = moved(self.pixels, motion)
        height, width = grey.shape
        inside = ((at > -0.5) & (at < (width - 0.5, height - 0.5))).all(-1)
        share = float(inside.mean())
        if inside.sum() < 20:
            return 0.0, share
        there = cv2.remap(grey, at[inside], None, cv2.INTER_LINEAR)[:, 0].astype(np.float32)
        here = self.values[inside]
        gap = float(np.abs((here - here.mean()) - (there - there.mean())).mean())
        spread = float(here.std() * there.std())
        correlation = float(((here - here.mean()) * (there - there.mean())).mean()) / (
            spread + 1e-6
        )
        return max(correlation, 1 - gap / 10), share  # a plain part is alike if its values are


def follow(
    template: Template,
    greys: Grey,
    moving: Mask,
    start: int,
    order: Iterable[int],
    motion: Affine | None = None,
    velocity: NDArray[np.float64] | None = None,
) -> Iterable[tuple[int, Affine, bool, float]]:
    """Follow a part frame by frame; every step reads only its own and the last frame.

    Args:
        template: The part.
        greys: (T, H, W).
        moving: (T, H, W).
        start: Frame at which the part is known.
        order: Frames to visit.
        motion: Motion of the part from its source frame to there, (2, 3); None if that is the
            source frame.
        velocity: Shift per frame, (2,), pixels; None where unknown.

    Yields:
        Frame, motion, whether it was measured, and the part's share within the frame.
    """
    motion = np.eye(2, 3) if motion is None else motion
    last, lost = start, 0
    for index in order:
        shift = np.zeros(2) if velocity is None else velocity
        guesses = [shifted(motion, shift)]
        if velocity is None:
            guesses = [*guesses, *_searched(template, greys[index], motion, moving[index])]
        best = _best(template, greys[last], greys[index], motion, guesses, lost)
        sure = best is not None
        if best is None and lost == 0:
            again = _searched(template, greys[index], motion, moving[index])
            best = _best(template, greys[last], greys[index], motion, again, 1)
            sure = best is not None
        new = guesses[0] if best is None else best
        lost = 0 if sure else lost + 1
        if sure:
            centre = template.pixels.mean(0, keepdims=True)
            step = (moved(centre, new) - moved(centre, motion))[0].astype(np.float64)
            velocity = step if velocity is None else 0.3 * velocity + 0.7 * step
        motion, last = new, index
        yield index, motion, sure, template.likeness(greys[index], motion)[1]


def _best(
    template: Template, last: Grey, grey: Grey, motion: Affine, guesses: list[Affine], lost: int
) -> Affine | None:
    """The motion that looks most like the part, if any does."""
    found: list[tuple[float, Affine]] = []
    for guess in guesses:
        if not lost:  # from the last frame: follows slow changes of the part's looks
            hop = refined(last, grey, moved(template.points, motion), guess @ square(motion, -1))
            if hop is not None:
                found.append((0.0, hop @ square(motion, 1)))
        found.append((0.0, guess))
    scored = []
    for _, guess in found:
        anchored = refined(template.grey, grey, template.points, guess)
        for candidate, bonus in ((anchored, 0.02), (guess, 0.0)):  # anchoring ends drift
            if candidate is None or not plausible(candidate, motion):
                continue
            alike, share = template.likeness(grey, candidate)
            if share > 0.05:
                scored.append((alike + bonus, candidate))
    if not scored:
        return None
    alike, best = max(scored, key=lambda pair: pair[0])
    return best if alike > ALIKE else None


def refined(here: Grey, there: Grey, points: Points, guess: Affine) -> Affine | None:
    """Track points from one picture to another near a guessed motion and fit an affine to them.

    Args:
        here: (H, W).
        there: (H, W).
        points: Points of `here`, (n, 2).
        guess: Motion from `here` to `there`.

    Returns:
        The motion, or None where too few points agree.
    """
    height, width = there.shape
    starts = moved(points, guess)
    inside = ((starts > 2) & (starts < (width - 3, height - 3))).all(-1)
    inside &= ((points > 0) & (points < (width - 1, height - 1))).all(-1)
    if inside.sum() < FEWEST:
        return None
    points, starts = points[inside], starts[inside]
    linear = guess[:, :2]
    if np.abs(linear - np.eye(2)).max() > 0.03:  # Lucas-Kanade knows only shifts
        here = cv2.warpAffine(here, guess, (width, height), borderMode=cv2.BORDER_REPLICATE)
        points = starts
    ends, good, _ = cv2.calcOpticalFlowPyrLK(
        here, there, points, starts.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **LOOK
    )
    backs, again, _ = cv2.calcOpticalFlowPyrLK(
        there, here, ends, points.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **LOOK
    )
    keep = (good[:, 0] & again[:, 0]).astype(bool)
    keep &= np.linalg.norm(backs - points, axis=-1) < DISAGREEMENT
    expected = np.linalg.norm(starts - points, axis=-1)
    went = np.linalg.norm(ends - points, axis=-1)
    keep &= ~((expected > 1.5) & (went < 0.3))  # a static point shines through or lies before it
    if keep.sum() < FEWEST:
        return None
    change = fitted(starts[keep], ends[keep])
    if change is None:
        return None
    return change @ square(guess, 1)


def _searched(template: Template, grey: Grey, motion: Affine, moving: Mask) -> list[Affine]:
    """Motions that bring the part to where its picture is found in the moving area."""
    height, width = grey.shape
    scale = min(1.0, 96 / min(height, width))
    size = (round(width * scale), round(height * scale))
    frame = cv2.resize(template.grey, size, interpolation=cv2.INTER_AREA)
    warp = motion.copy()
    warp[:, 2] *= scale
    frame = cv2.warpAffine(frame, warp, size, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.resize(template.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mask = (cv2.warpAffine(mask, warp, size) > 0.5).astype(np.uint8)
    if mask.sum() < 9:
        return []
    x, y, w, h = cv2.boundingRect(mask)
    piece, cover = frame[y : y + h, x : x + w], mask[y : y + h, x : x + w].astype(np.float32)
    reach_x, reach_y = min(w, size[0] // 3), min(h, size[1] // 3)
    there = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    active = cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA) * 80
    there = cv2.copyMakeBorder(there, h, h, w, w, cv2.BORDER_REPLICATE).astype(np.float32)
    active = cv2.copyMakeBorder(active, h, h, w, w, cv2.BORDER_CONSTANT)
    cost = cv2.matchTemplate(there, piece.astype(np.float32), cv2.TM_SQDIFF, mask=cover)
    cost += cv2.matchTemplate(active, 80 * cover, cv2.TM_SQDIFF, mask=cover)
    top, left = max(0, y + h - reach_y), max(0, x + w - reach_x)
    window = cost[top : y + h + reach_y + 1, left : x + w + reach_x + 1]
    row, column = np.unravel_index(int(np.argmin(window)), window.shape)
    shift = np.array([column + left - x - w, row + top - y - h], np.float64) / scale
    return [shifted(motion, shift)]
