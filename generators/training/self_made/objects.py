"""Parts and backgrounds that self-made pairs are pasted from: those of real clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.generators.backbones.layers.detected import compact_seeds
from flawcast.generators.backbones.layers.mattes import cut_out, soft_matte
from flawcast.generators.backbones.layers.model import appearance, best_sources
from flawcast.generators.backbones.layers.observation import Observation, background_at

Image = NDArray[np.uint8]

SOURCES = 3  # cut-outs of one part
BACKGROUNDS = 6  # positions of a belt
SMALLEST, LARGEST = 5, 0.95  # sides of a part: pixels at least, of the frame at most


@dataclass(frozen=True)
class PartPicture:
    """A part as it is pasted.

    Args:
        pixels: RGBA with colours multiplied by alpha, (h, w, 4), at the size of the square frame.
    """

    pixels: Image


@dataclass(frozen=True)
class Scenery:
    """What a pair is made of.

    Args:
        part: What moves.
        plate: The background as a detector knows it, RGB, square.
        shown: The background as a frame shows it: its belt may be elsewhere, (side, side, 3).
        others: Further parts, which may lie about.
        aspect: Width over height of the real frame; the square one is stretched.
    """

    part: PartPicture
    plate: Image
    shown: Image
    others: Sequence[PartPicture]
    aspect: float


class Stock(Protocol):
    """Where sceneries come from."""

    def draw(self, rng: np.random.Generator) -> Scenery:
        """One scenery."""


@dataclass(frozen=True)
class ClipObjects:
    """What one clip gives.

    Args:
        parts: Its cut-outs, at least one.
        plate: Its plate, square.
        backgrounds: What it shows without its parts, at several times, square.
        aspect: Width over height of its frames.
    """

    parts: tuple[PartPicture, ...]
    plate: Image
    backgrounds: tuple[Image, ...]
    aspect: float


class ClipStock:
    """Sceneries of real clips, each of one clip alone.

    Args:
        clips: At least one.
    """

    def __init__(self, clips: Sequence[ClipObjects]) -> None:
        self.clips = clips

    def draw(self, rng: np.random.Generator) -> Scenery:
        """A part of a random clip before that clip's background; parts of others may lie about."""
        clip = self.clips[int(rng.integers(len(self.clips)))]
        part = clip.parts[int(rng.integers(len(clip.parts)))]
        shown = clip.backgrounds[int(rng.integers(len(clip.backgrounds)))]
        others = [one for other in self.clips if other is not clip for one in other.parts]
        return Scenery(part, clip.plate, shown, others, clip.aspect)


def objects_of(seen: Observation, frames: Image, side: int) -> ClipObjects:
    """Cut the parts out of a clip for pasting.

    Where tracking found parts, the first is cut from a few frames. Otherwise the most compact
    moving region of a few frames is cut out.

    Args:
        seen: What the clip shows; tracking may have failed.
        frames: The observed frames, RGB, (T, H, W, 3).
        side: Side of the square that a detector sees, pixels.

    Raises:
        ClipError: If no part can be cut out.
    """
    size = frames.shape[1:3]
    ways = (_moving, _followed) if seen.failure else (_followed, _moving)
    cuts = ways[0](seen, frames) or ways[1](seen, frames)
    parts = [part for one in cuts if (part := _part(one, size, side)) is not None]
    if not parts:
        raise ClipError(
            "clip: expected a part that stands out from its background, found none; "
            "use frames in which a part moves before a camera that stands still"
        )
    times = np.linspace(0, len(frames) - 1, BACKGROUNDS).round().astype(int)
    times = times if seen.belt is not None else times[:1]
    backgrounds = tuple(_square(background_at(seen, int(index)), side) for index in times)
    plate = _square(seen.plate.image, side)
    return ClipObjects(tuple(parts), plate, backgrounds, size[1] / size[0])


def _followed(seen: Observation, frames: Image) -> list[Image]:
    """The first part, RGBA, as a few frames show it."""
    if not seen.tracks:
        return []
    try:
        sources = best_sources(seen, SOURCES)
    except ClipError:
        return []
    look = appearance(seen, frames, sources)
    return [one.pixels for one in look.layers[0]]


def _moving(seen: Observation, frames: Image) -> list[Image]:
    """A compact moving region of a few frames, RGBA, whole ones before those cut off."""
    cuts: list[Image] = []
    for seed in compact_seeds(seen.moving, SOURCES):
        frame, size = frames[seed.frame], frames.shape[2:0:-1]
        mask = cv2.resize(seed.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        background = background_at(seen, seed.frame)
        pixels = cut_out(frame, background, soft_matte(frame, background, mask, shadow=False))
        rows, columns = np.nonzero(pixels[..., 3] > 3)
        if len(rows):
            cuts.append(pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
    return cuts


def _part(pixels: Image, size: tuple[int, ...], side: int) -> PartPicture | None:
    """A cut-out at the size of the square frame; None if it is too small to be found."""
    height, width = pixels.shape[:2]
    wanted = round(width * side / size[1]), round(height * side / size[0])
    if min(wanted) < SMALLEST or max(wanted) > LARGEST * side:
        return None
    small = cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)
    return PartPicture(np.asarray(small, np.uint8))


def _square(image: Image, side: int) -> Image:
    """A picture stretched to a square."""
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
