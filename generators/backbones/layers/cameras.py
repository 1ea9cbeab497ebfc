"""Plates of other clips of the same camera, for a clip whose own frames never show its belt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.inpainting import spread
from flawcast.generators.backbones.layers.plate import Plate, uncovered_plate
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

STEADY = 14.0  # gray levels: a place that varies less may be background in all frames
CLOSE = 10.0  # gray levels by which one background may differ from another
MOST_LIGHT = 25.0  # gray levels by which the light of the same camera may have changed
LEAST_SEEN, LEAST_CLOSE = 0.2, 0.8  # of the frame that both show; of that which is alike
BETTER = 0.9  # error of a shifted picture over that of the picture in place: the camera moved
LEAST_LIKENESS = 0.5  # correlation of details: what is bare may be the bare wall of any place
REACH = 0.05  # of the short side: how far a change of light is carried on
SIDE = 120  # short side at which two backgrounds are compared
LIKELY = 40.0  # gray levels by which most of a place is like what is around it
MOST_UNLIKELY = 0.5  # of a place: more is no stain, but a part that was left in a plate
PER_CAMERA, MOST_PLATES = 3, 8  # that are kept of one line


def known_plate(frames: Image, plates: Sequence[Plate]) -> Plate | None:
    """What other clips show of the background of these frames.

    Args:
        frames: What a clip shows, RGB, (T, H, W, 3).
        plates: Plates of other clips; only those of the same camera are used.

    Returns:
        Their common plate in the light of the frames; None if there is none of the same camera.
    """
    same = [one for one in plates if one.image.shape == frames.shape[1:] and is_same(frames, one)]
    if not same:
        return None
    median = np.median(frames, axis=0).astype(np.float32)
    lit = [np.clip(one.image + _light(median - one.image, one.valid), 0, 255) for one in same]
    images = np.stack(lit).round().astype(np.uint8)
    return uncovered_plate([images], [np.stack([~one.valid for one in same])])


def is_same(frames: Image, plate: Plate) -> bool:
    """Whether frames show a plate's place: alike where both are seen, with the same details."""
    scale = min(1.0, SIDE / min(frames.shape[1:3]))
    size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
    some = frames[:: max(1, len(frames) // 12)]
    small = np.stack([_small(frame, size) for frame in some])
    background = _small(plate.image, size)
    valid = cv2.resize(plate.valid.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    both = (np.ptp(small, axis=0).max(-1) < STEADY) & valid
    if both.mean() < LEAST_SEEN:
        return False
    change = np.median(small, axis=0) - background
    light = np.median(change[both], axis=0)
    close = (np.abs(change - light).max(-1) < CLOSE) & both
    if np.abs(light).max() > MOST_LIGHT or close.sum() < LEAST_CLOSE * both.sum():
        return False
    return _has_same_details(np.median(some, axis=0), plate.image, close)


def completed(plate: Plate, known: Plate | None) -> Plate:
    """A plate with what is known of the places that its own clip never shows.

    The light is carried on from where both are seen.
    """
    if known is None or plate.valid.all():
        return plate
    taken = ~plate.valid & known.valid
    both = (plate.valid & known.valid).astype(np.float32)
    change = (plate.image.astype(np.float32) - known.image) * both[..., None]
    lit = known.image + spread(change, both, REACH * min(both.shape))
    taken = _without_parts(taken, np.abs(lit - plate.image).max(-1))
    image = np.where(taken[..., None], np.clip(lit, 0, 255).round(), plate.image)
    return Plate(image.astype(np.uint8), plate.valid | taken)


def _without_parts(taken: Mask, apart: Floats) -> Mask:
    """The places where a known plate shows background, and no part that was left in it.

    Args:
        taken: Places that are to be taken from it, (H, W).
        apart: Gray levels by which it differs there from an inpainted guess, (H, W).
    """
    count, places = cv2.connectedComponents(taken.astype(np.uint8))
    sizes = np.bincount(places.ravel(), minlength=count)
    unlikely = np.bincount(places[taken & (apart > LIKELY)], minlength=count)
    return taken & (unlikely <= MOST_UNLIKELY * sizes)[places]


def shrunk_plate(plate: Plate, size: tuple[int, int]) -> Plate:
    """A plate at another size, (h, w)."""
    if plate.valid.shape == size:
        return plate
    image = cv2.resize(plate.image, size[::-1], interpolation=cv2.INTER_AREA)
    valid = cv2.resize(plate.valid.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return Plate(image, valid > 0.99)


def plates_to_keep(plates: Sequence[Plate]) -> list[int]:
    """Which plates of a folder's clips are worth keeping: a few for each camera, the most whole.

    Cameras of many clips come first.
    """
    cameras: list[list[int]] = []
    for index, plate in enumerate(plates):
        for camera in cameras:
            first = plates[camera[0]]
            alike = first.image.shape == plate.image.shape
            if alike and is_same(first.image[None], plate):
                camera.append(index)
                break
        else:
            cameras.append([index])
    kept: list[int] = []
    for camera in sorted(cameras, key=len, reverse=True):
        whole = sorted(camera, key=lambda index: -float(plates[index].valid.mean()))
        kept += whole[:PER_CAMERA]
    return sorted(kept[:MOST_PLATES])


def _small(image: Image, size: tuple[int, int]) -> Floats:
    """A picture small and soft, so that noise and weave do not count."""
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.GaussianBlur(small, (0, 0), 1.5)


def _light(change: Floats, valid: Mask) -> Floats:
    """The change of light between two clips, the same all over: (3,)."""
    return np.asarray(np.median(change[valid], axis=0) if valid.any() else np.zeros(3), np.float32)


def _has_same_details(picture: NDArray[np.floating], background: Image, close: Mask) -> bool:
    """Whether there are details, the same in both, and no other place fits better.

    A place that fits better tells that the camera was moved.
    """
    size = background.shape[1::-1]
    where = cv2.resize(close.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    where = cv2.erode(where, np.ones((7, 7), np.uint8), borderValue=0) > 0
    if where.sum() < 100:
        return False
    one, two = (_details(picture.astype(np.float32)), _details(background.astype(np.float32)))
    product = float((one * two)[where].mean())
    strength = float(np.sqrt((one**2)[where].mean() * (two**2)[where].mean()))
    if product < LEAST_LIKENESS * strength or strength < 0.05:
        return False
    errors = {
        (across, down): float(np.abs(one - np.roll(two, (down, across), (0, 1)))[where].mean())
        for across in (-2, -1, 0, 1, 2)
        for down in (-2, -1, 0, 1, 2)
    }
    return min(errors.values()) >= BETTER * errors[0, 0]


def _details(image: Floats) -> Floats:
    """What remains of the brightness without its smooth part, (H, W)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    fine = cv2.GaussianBlur(grey, (0, 0), 1.0)
    return fine - cv2.GaussianBlur(grey, (0, 0), 6.0)
