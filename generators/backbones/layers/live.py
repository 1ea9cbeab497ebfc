"""Parts followed as frames come: each is reached from the frame before, none is known in advance.

What a clip shows as a whole is `observation`'s; here nothing that comes later has any influence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import NothingToFollowError
from flawcast.generators.backbones.layers.affine import FEWEST, Affine, Points, moved
from flawcast.generators.backbones.layers.keypoints import (
    KEYPOINTS,
    Keypoints,
    points_as_vectors,
    spread_points,
)
from flawcast.generators.backbones.layers.mattes import components, grown, moving_masks
from flawcast.generators.backbones.layers.observation import MOST_BOUND, observe
from flawcast.generators.backbones.layers.plate import Plate
from flawcast.generators.backbones.layers.tracking import Template, Track, follow
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MOST_PARTS = 8  # that are followed at the same time
LEAST_VISIBLE = 0.3  # of a part: less of it is hard to follow
MOST_LOST = 6  # frames in a row in which a part is not found; then it is given up
LEAST_SIZE = 0.25  # of the largest part: smaller regions are its shadow, or marks on the belt
RIM = 3  # pixels of a region at the frame's edge: more, and it is not whole yet
SAME = 0.6  # of the smaller one: parts that overlap more are one
EVERY, TAKEN = 5, 0.1  # frames after which the plate takes this share of what it sees
UPPER = 0.95  # quantile of a part's differences that tells of a local change
MOST_OUTLINE = 3.0  # areas of the part


@dataclass(frozen=True)
class Sighting:
    """A part in one frame.

    Args:
        part: Its number, counted from 0 in a stream.
        keypoints: As if it were the only part, (D,).
        picture: Gray levels by which its picture differs from its first one; upper quantile.
        outline: Area by which what moves there differs from its outline, over its own area.
        area: Of the part, as a share of the frame.
        motion: From its first frame to this one, pixels of the working size, (2, 3).
        sure: Whether it was found, rather than carried on.
    """

    part: int
    keypoints: Keypoints
    picture: float
    outline: float
    area: float
    motion: Affine
    sure: bool


@dataclass
class _Part:
    """A part that is followed."""

    number: int
    template: Template
    points: Points
    motion: Affine
    velocity: NDArray[np.float64] | None
    lost: int = 0


class LiveFollower:
    """Follows the parts of a stream.

    Args:
        plates: Plates of the line, for what the first frames do not show of the background.
    """

    def __init__(self, plates: Sequence[Plate] = ()) -> None:
        self.plates = plates
        self.parts: list[_Part] = []
        self._count = self._frames = 0
        self._plate: NDArray[np.float32] | None = None
        self._bound = 0.0
        self._last: Image | None = None
        self.observed: Plate | None = None  # the background that the first frames show

    @property
    def plate(self) -> Image:
        """The background as it is known by now, RGB, (h, w, 3)."""
        if self._plate is None:
            raise NothingToFollowError(
                "stream: expected its first frames, got none; start with them"
            )
        return self._plate.round().astype(np.uint8)

    def mask_of(self, number: int) -> Mask | None:
        """The outline of a part in its first frame; None if it is not followed any more."""
        return next((one.template.mask for one in self.parts if one.number == number), None)

    def start(self, frames: Image) -> list[list[Sighting]]:
        """Find background and parts in the first frames; their sightings in each of them.

        Args:
            frames: RGB, (T, h, w, 3), of the working size.

        Raises:
            NothingToFollowError: If the whole picture changes.
            ClipError: If the frames are too few or too small.
        """
        seen = observe(frames, plates=self.plates)
        if seen.bound > MOST_BOUND:
            raise NothingToFollowError(seen.failure or "the whole picture changes")
        self.observed = seen.plate
        self._plate, self._bound = seen.plate.image.astype(np.float32), seen.bound
        greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
        self._last, self._frames = greys[-1], len(frames)
        found: list[list[Sighting]] = [[] for _ in frames]
        least = LEAST_SIZE * max((int(track.mask.sum()) for track in seen.tracks), default=0)
        for track in seen.tracks:
            there = track.tracked[-1] and track.visible[-1] > LEAST_VISIBLE
            if there and track.mask.sum() >= least:
                part = self._part_of(track, greys[track.source])
                for index in _last_stretch(track):
                    region = seen.moving[index] if index < len(seen.moving) else track.mask
                    at = _Frame(greys[index], region)
                    found[index].append(_sighted(part, track.motions[index], at, [], True))
        return found

    def step(self, frame: Image, gap: int = 1) -> list[Sighting]:
        """Follow every part into the next frame, and begin with those that are new in it.

        Args:
            frame: RGB, (h, w, 3), of the working size.
            gap: Frames since the last one, more than 1 where some were dropped.
        """
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        background = self.plate
        moving = moving_masks(frame[None], background[None], self._bound)[0]
        still = []
        for part in self.parts:
            if self._follow(part, grey, moving, gap):
                still.append(part)
        self.parts = _distinct(still)
        covered = [_carried(part, moving.shape) for part in self.parts]
        self._begin(grey, moving, covered)
        at = _Frame(grey, moving)
        seen = []
        for index, part in enumerate(self.parts):
            mine = covered[index] if index < len(covered) else part.template.mask
            others = [one for number, one in enumerate(covered) if number != index]
            seen.append(_sighted(part, part.motion, at, others, part.lost == 0, mine))
        self._last = grey
        self._frames += gap
        if self._frames % EVERY < gap:
            self._learn(frame, moving)
        return seen

    def forget(self) -> None:
        """Follow no part any more; those of the next frame are new. The background stays."""
        self.parts, self._last = [], None

    def _part_of(self, track: Track, grey: Image) -> _Part:
        """A part that was observed in the first frames."""
        template = Template(grey, track.mask)
        centre = template.pixels.mean(0, keepdims=True)
        ends = [moved(centre, motion)[0] for motion in track.motions[-2:]]
        velocity = (ends[-1] - ends[0]).astype(np.float64)
        points = spread_points(track.mask, KEYPOINTS)
        part = _Part(self._count, template, points, track.motions[-1].copy(), velocity)
        self._count += 1
        self.parts.append(part)
        return part

    def _follow(self, part: _Part, grey: Image, moving: Mask, gap: int) -> bool:
        """Move a part to the next frame; whether it is still there."""
        last = grey if self._last is None else self._last
        pair, regions = np.stack([last, grey]), np.stack([moving, moving])
        velocity = None if part.velocity is None else part.velocity * gap
        step = follow(part.template, pair, regions, 0, [1], part.motion, velocity)
        _, motion, sure, visible = next(iter(step))
        if sure:
            centre = part.template.pixels.mean(0, keepdims=True)
            way = (moved(centre, motion) - moved(centre, part.motion))[0].astype(np.float64) / gap
            part.velocity = way if part.velocity is None else 0.3 * part.velocity + 0.7 * way
        part.motion, part.lost = motion, 0 if sure else part.lost + 1
        return visible > LEAST_VISIBLE and part.lost <= MOST_LOST

    def _begin(self, grey: Image, moving: Mask, covered: list[Mask]) -> None:
        """Begin to follow regions that no part explains, once they are whole in the frame."""
        if len(self.parts) >= MOST_PARTS:
            return
        left = moving.copy()
        for mask in covered:
            left &= ~grown(mask, 4)
        least = max((LEAST_SIZE * int(mask.sum()) for mask in covered), default=0)
        for mask in components(left):
            if mask.sum() < least:
                continue
            rim = int(mask[[0, -1]].sum() + mask[:, [0, -1]].sum())
            if rim > RIM or len(self.parts) >= MOST_PARTS:
                continue
            template = Template(grey, mask)
            if len(template.points) < FEWEST:
                continue
            points = spread_points(mask, KEYPOINTS)
            self.parts.append(_Part(self._count, template, points, np.eye(2, 3), None))
            self._count += 1

    def _learn(self, frame: Image, moving: Mask) -> None:
        """Let the plate follow slow changes of the light where nothing moves."""
        if self._plate is not None:
            bare = (~grown(moving, 3)).astype(np.uint8)
            cv2.accumulateWeighted(frame.astype(np.float32), self._plate, TAKEN, mask=bare)


@dataclass(frozen=True)
class _Frame:
    """What a frame shows: its brightness, and where something moves."""

    grey: Image
    moving: Mask


def _last_stretch(track: Track) -> range:
    """The last frames in a row in which a part was found and seen well."""
    good = track.tracked & (track.visible > LEAST_VISIBLE)
    bad = np.flatnonzero(~good)
    return range(int(bad[-1]) + 1 if len(bad) else 0, len(good))


def _carried(part: _Part, size: tuple[int, ...]) -> Mask:
    """Where a part is by its motion, (h, w)."""
    mask = part.template.mask.astype(np.uint8)
    carried: Mask = cv2.warpAffine(mask, part.motion, (size[1], size[0])) > 0
    return carried


def _distinct(parts: list[_Part]) -> list[_Part]:
    """The parts without those that came to lie on an older one."""
    kept: list[_Part] = []
    masks: list[Mask] = []
    for part in parts:
        mask = _carried(part, part.template.mask.shape)
        area = max(1, int(mask.sum()))
        same = [(mask & one).sum() > SAME * min(area, max(1, one.sum())) for one in masks]
        if not any(same):
            kept.append(part)
            masks.append(mask)
    return kept


def _sighted(
    part: _Part,
    motion: Affine,
    frame: _Frame,
    others: Sequence[Mask],
    sure: bool,
    carried: Mask | None = None,
) -> Sighting:
    """What a frame shows of a part."""
    size = part.template.mask.shape
    mask = _carried(replace(part, motion=motion), size) if carried is None else carried
    vector = points_as_vectors(part.points, motion[None], size)[0]
    area = float(part.template.mask.sum())
    return Sighting(
        part.number,
        vector,
        _difference(part.template, frame.grey, motion),
        _outline(mask, frame.moving, others, area),
        area / part.template.mask.size,
        motion.copy(),
        sure,
    )


def _difference(template: Template, grey: Image, motion: Affine) -> float:
    """Upper quantile of the gray levels by which a part differs from its first picture.

    A change of the light that is the same all over the part does not count.
    """
    at = moved(template.pixels, motion)
    inside = ((at > -0.5) & (at < np.array(grey.shape[::-1]) - 0.5)).all(-1)
    if inside.sum() < 20:
        return float("nan")
    there = cv2.remap(grey, at[inside], None, cv2.INTER_LINEAR)[:, 0].astype(np.float32)
    change = there - template.values[inside]
    return float(np.quantile(np.abs(change - np.median(change)), UPPER))


def _outline(mask: Mask, moving: Mask, others: Sequence[Mask], area: float) -> float:
    """Area in which a part's outline and the moving regions that touch it differ, over its own."""
    if not mask.any():
        return float("nan")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    reach = max(4, len(rows) // 3, len(columns) // 3)
    box = (
        slice(max(0, int(rows[0]) - reach), int(rows[-1]) + reach + 1),
        slice(max(0, int(columns[0]) - reach), int(columns[-1]) + reach + 1),
    )
    own, region = mask[box], moving[box]
    elsewhere = np.zeros_like(own)
    for one in others:
        elsewhere |= one[box]
    apart = (own ^ region) & ~(elsewhere & ~own)
    return min(MOST_OUTLINE, float(apart.sum()) / max(1.0, area))
