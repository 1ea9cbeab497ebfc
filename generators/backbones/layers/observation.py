"""What a clip shows: its plate, its belt, its parts, and how they move. Nothing is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.configs.shapes import expect_shape
from flawcast.generators.backbones.layers.affine import moved
from flawcast.generators.backbones.layers.background import (
    covered_areas,
    enlarged,
    native_belt,
    native_plate,
    part_centres,
    shrunk,
    working_belt,
)
from flawcast.generators.backbones.layers.belt import Belt, build_belt
from flawcast.generators.backbones.layers.cameras import completed, known_plate, shrunk_plate
from flawcast.generators.backbones.layers.keypoints import Groups, Keypoints, track_keypoints
from flawcast.generators.backbones.layers.mattes import grown, moving_bound, moving_masks
from flawcast.generators.backbones.layers.noise import Noise, estimate_noise
from flawcast.generators.backbones.layers.parts import carried, find_parts, voted_mask
from flawcast.generators.backbones.layers.plate import Plate, clean_plate, uncovered_plate
from flawcast.generators.backbones.layers.tracking import Template, Track, follow
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WORK_SIDE = 320  # short side at which parts are found and followed
ROUNDS = 2
FEWEST_FRAMES, SMALLEST_SIDE = 3, 32  # below, plate and part cannot be told apart
LEAST_COVERAGE = 0.5  # share of the moving area that tracks must explain
LEAST_MOVING = 0.0008  # of the frame: less is nothing that moves
MOST_BOUND = 30.0  # gray levels: above, half of the frame and more differs from its plate


@dataclass(frozen=True)
class Observation:
    """What a clip shows: its background, its parts and how they move.

    Args:
        plate: Clean background at native size.
        belt: Moving texture over it, if there is one.
        noise: Strength of the sensor noise.
        tracks: One per layer, at working size; empty after a failure.
        keypoints: (T, D); zeros after a failure.
        groups: Layer of each keypoint, (K,).
        moving: Where each frame differs from the background, working size, (T, h, w).
        bound: Gray levels from which a difference to the plate counts.
        coverage: Share of the moving area that the tracks explain, [0, 1].
        failure: Why tracking cannot be trusted, for the user; empty if it can.
        notes: Further things a user should know.
    """

    plate: Plate
    belt: Belt | None
    noise: Noise
    tracks: tuple[Track, ...]
    keypoints: Keypoints
    groups: Groups
    moving: Mask
    bound: float
    coverage: float
    failure: str
    notes: tuple[str, ...]


class Finder(Protocol):
    """Finds parts by other means than by following their corners."""

    def find(self, small: Image, plate: Image, moving: Mask) -> list[Track]:
        """Tracks in frames (T, h, w, 3) before a plate, which they differ from where they move."""

    def later(self, one: Track, source: Image, small: Image, plate: Image, moving: Mask) -> Track:
        """A track, longer by further frames; `source` is the frame it was cut from."""


def observe(
    frames: Image,
    past: int | None = None,
    line: Sequence[Image] = (),
    plates: Sequence[Plate] = (),
    finder: Finder | None = None,
) -> Observation:
    """Find plate, belt, parts and keypoints of a clip. Nothing is trained.

    Args:
        frames: RGB, (T, H, W, 3), of any size.
        past: How many frames may be read; None for all. No later frame has any influence.
        line: Other clips of the same camera, (T', H, W, 3), that may be read for the plate.
        plates: Plates of further clips, for what these frames never show of the background; those
            of another camera are not used.
        finder: Finds the parts; None to follow their corners.

    Returns:
        The observation of the frames that were read.

    Raises:
        ShapeError: If the axes differ.
        ClipError: If the frames are too few or too small to see a motion.
    """
    sizes = expect_shape("frames", frames, "T H W 3")
    frames = frames[:past]
    if len(frames) < FEWEST_FRAMES or min(sizes["H"], sizes["W"]) < SMALLEST_SIDE:
        raise ClipError(
            f"frames: expected at least {FEWEST_FRAMES} frames of {SMALLEST_SIDE} pixels a side, "
            f"got {len(frames)} of {sizes['W']}x{sizes['H']}; use a longer or larger clip"
        )
    scale = min(1.0, WORK_SIDE / min(frames.shape[1:3]))
    small = shrunk(frames, scale)
    others = [shrunk(one[:: max(1, len(one) // 8)], scale) for one in line]
    greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
    known = known_plate(frames, plates)
    small_known = None if known is None else shrunk_plate(known, small.shape[1:3])
    first = completed(clean_plate([small, *others]), small_known)
    moving = moving_masks(small, first.image[None])
    tracks = _found(finder, small, greys, first.image, moving)
    hidden = [moving_masks(one, first.image[None]) for one in others]
    hidden = [np.stack([grown(mask, 3) for mask in masks]) for masks in hidden]
    second = first
    for _ in range(ROUNDS):  # a better plate shows more of the parts, and they give a better plate
        covered = covered_areas(moving, tracks)
        second = completed(uncovered_plate([small, *others], [covered, *hidden]), small_known)
        belt = working_belt(small, second.image, covered, tracks)
        backgrounds = second.image[None]
        if belt is not None:
            backgrounds = np.stack([belt.over(second.image, at) for at in belt.positions])
        moving = moving_masks(small, backgrounds)
        if _coverage(moving, tracks) < 0.85:
            again = _found(finder, small, greys, second.image, moving)
            tracks = again if _coverage(moving, again) > _coverage(moving, tracks) else tracks
        tracks = [replace(one, mask=voted_mask(moving, one)) for one in tracks]
    covered = covered_areas(moving, tracks)
    plate = completed(native_plate(frames, line, covered, hidden), known)
    belt = native_belt(belt, frames, plate, covered, tracks, scale)
    coverage = _coverage(moving, tracks)
    keypoints, groups = np.zeros((len(frames), 60), np.float32), np.zeros(10, np.int64)
    if tracks:
        keypoints, groups = track_keypoints(tracks)
    bound = moving_bound(small, second.image[None])
    return Observation(
        plate,
        belt,
        estimate_noise(frames, _changing(frames, covered, belt)),
        tuple(tracks),
        keypoints,
        groups,
        moving,
        bound,
        coverage,
        _failure(moving, bound, tracks, coverage),
        _notes(plate, tracks),
    )


def with_pixels_of(seen: Observation, frames: Image, chosen: Sequence[int]) -> Observation:
    """The same observation with plate, belt and noise from some of the frames alone.

    Where the parts are is still known from all frames, and how far the belt runs. So the other
    frames are a fair test of drawing: none of their pixels is used.

    Args:
        seen: What all frames show.
        frames: RGB, (T, H, W, 3).
        chosen: The frames whose pixels may be used.
    """
    frames = frames[list(chosen)]
    scale = seen.moving.shape[1] / frames.shape[1]
    covered = covered_areas(seen.moving, seen.tracks)[list(chosen)]
    plate = native_plate(frames, (), covered, ())
    belt = seen.belt
    if belt is not None:
        masks = enlarged(covered, frames.shape[1:3])
        part = part_centres(seen.tracks, len(seen.moving))[list(chosen)] / scale
        positions = belt.positions
        belt = build_belt(frames, plate.image, masks, positions[list(chosen)], part)
        belt = None if belt is None else replace(belt, positions=positions)
    noise = estimate_noise(frames, _changing(frames, covered, belt))
    notes = _notes(plate, seen.tracks)
    return replace(seen, plate=plate, belt=belt, noise=noise, notes=notes)


def follow_on(seen: Observation, frames: Image, finder: Finder | None = None) -> Keypoints:
    """Keypoints of a clip whose first frames were observed, by the parts that these showed.

    What was observed stays as it is. Each later frame is reached from the one before it, so that
    no keypoint depends on a frame after its own.

    Args:
        seen: What the first P frames show.
        frames: The whole clip, RGB, (T, H, W, 3), T >= P.
        finder: What found the parts; None where their corners were followed.

    Returns:
        (T, D); the first P are those of the observation.
    """
    past = len(seen.keypoints)
    if not seen.tracks or len(frames) == past:
        return np.concatenate([seen.keypoints, np.zeros((len(frames) - past, 60), np.float32)])
    scale = min(1.0, WORK_SIDE / min(frames.shape[1:3]))
    source = shrunk(frames[:past], scale)
    small = shrunk(frames[past - 1 :], scale)
    greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
    size = (small.shape[2], small.shape[1])
    plate = cv2.resize(seen.plate.image, size, interpolation=cv2.INTER_AREA)
    moving = moving_masks(small, plate[None], seen.bound)
    longer = []
    for one in seen.tracks:
        if finder is not None:
            longer.append(finder.later(one, source[one.source], small[1:], plate, moving[1:]))
            continue
        grey = cv2.cvtColor(source[one.source], cv2.COLOR_RGB2GRAY)
        centre = np.argwhere(one.mask).mean(0, keepdims=True)[:, ::-1].astype(np.float32)
        last = [moved(centre, motion)[0] for motion in one.motions[-2:]]
        velocity = (last[-1] - last[0]).astype(np.float64)
        template = Template(grey, one.mask)
        steps = follow(template, greys, moving, 0, range(1, len(greys)), one.motions[-1], velocity)
        later = list(steps)
        longer.append(
            replace(
                one,
                motions=np.concatenate([one.motions, [motion for _, motion, _, _ in later]]),
                tracked=np.concatenate([one.tracked, [sure for _, _, sure, _ in later]]),
                visible=np.concatenate([one.visible, [share for _, _, _, share in later]]),
            )
        )
    return track_keypoints(longer)[0]


def _found(
    finder: Finder | None, small: Image, greys: NDArray[np.uint8], plate: Image, moving: Mask
) -> list[Track]:
    """Tracks at working size."""
    if finder is None:
        return find_parts(greys, moving)
    return finder.find(small, plate, moving)


def background_at(observation: Observation, index: int) -> Image:
    """What a frame would show without its parts, RGB, (H, W, 3)."""
    if observation.belt is None:
        return observation.plate.image
    return observation.belt.over(observation.plate.image, observation.belt.positions[index])


def _changing(frames: Image, covered: Mask, belt: Belt | None) -> Mask:
    """Where frames change for other reasons than noise, native size, (T, H, W)."""
    masks = enlarged(covered, frames.shape[1:3])
    return masks if belt is None else masks | grown(belt.region, 4)


def _coverage(moving: Mask, tracks: Sequence[Track]) -> float:
    """Share of the moving area that tracks explain where they were measured."""
    explained = np.zeros(moving.shape, bool)
    for one in tracks:
        explained |= carried(grown(one.mask, 2), one) & one.tracked[:, None, None]
    return float((moving & explained).sum() / max(1, moving.sum()))


def _failure(moving: Mask, bound: float, tracks: Sequence[Track], coverage: float) -> str:
    """Why tracks cannot be trusted, empty if they can."""
    if not tracks and bound > MOST_BOUND:
        return "the whole picture changes; use frames of a camera and a light that stand still"
    if moving.mean(axis=(1, 2)).max() < LEAST_MOVING:
        return "nothing moves; use frames in which a part moves"
    if not tracks:
        return "no part can be followed; use frames in which a part with some texture moves on"
    if coverage < LEAST_COVERAGE:
        return (
            f"tracks cover {coverage:.0%} of the moving area; "
            "use frames in which few parts move before a camera that stands still"
        )
    return ""


def _notes(plate: Plate, tracks: Sequence[Track]) -> tuple[str, ...]:
    """What a user should know although it is no failure."""
    notes = []
    unseen = 1 - float(plate.valid.mean())
    if unseen > 0.005:
        notes.append(
            f"a part covers {unseen:.0%} of the frame throughout; the plate is inpainted there"
        )
    if tracks and max(one.visible.max() for one in tracks) < 0.9:
        notes.append("no frame shows the whole part")
    return tuple(notes)
