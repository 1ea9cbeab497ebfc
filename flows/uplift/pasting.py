"""The baseline: defects cut out of real clips and pasted on good ones, without motion."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed
from flawcast.configs.mask_levels import DEFECT
from flawcast.generators.clips import Clip, read_masks
from flawcast.generators.clips.masks import levels_of

SHIFT = 0.1  # of the frame, by which a patch is put elsewhere at most
SCALES = (0.85, 1.15)


@dataclass(frozen=True)
class Pasted:
    """A good clip's frames with the pixels of a defect, which stand still.

    Args:
        video: RGB, (F, H, W, 3).
        mask: Where the defect is, in every frame, (H, W).
        good: Number of the good clip.
        bad: Number of the clip that the defect comes from.
    """

    video: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    good: int
    bad: int


def paste_defects(
    good: Sequence[tuple[int, Clip]],
    bad: Sequence[tuple[int, Clip]],
    read: ClipSettings,
    future: int,
    count: int,
    seed: int,
) -> list[Pasted]:
    """Paste the defects of some clips on frames of others.

    Args:
        good: Good clips with their numbers.
        bad: Clips of one defect, with their numbers.
        read: How they were read, for their masks.
        future: Frames of a video, from the end of a good clip.
        count: Number of videos.
        seed: Decides all of them.

    Raises:
        ClipError: If a clip has no masks of its defect.
    """
    rng = np.random.default_rng(derive_seed(seed, "cut-paste"))
    marks = [_defect_masks(clip, read, future) for _, clip in bad]
    videos = []
    for number in range(count):
        index = number % len(bad)
        clip, masks = bad[index][1], marks[index]
        frame = int(rng.choice(np.flatnonzero(masks.any(axis=(1, 2)))))
        patch, mask = clip.frames[-future:][frame], masks[frame]
        host = int(rng.integers(len(good)))
        frames = good[host][1].frames[-future:]
        if frames.shape[1:] != patch.shape:
            raise ClipError(
                f"{clip.name}: expected frames of the size of {good[host][1].name}, got others; "
                "resize the clips, or leave out the arm with pasted defects"
            )
        patch, mask = _elsewhere(patch, mask, rng)
        video = np.where(mask[None, :, :, None], patch[None], frames)
        videos.append(Pasted(video.astype(np.uint8), mask, good[host][0], bad[index][0]))
    return videos


def _defect_masks(clip: Clip, read: ClipSettings, future: int) -> NDArray[np.bool_]:
    """Where the defect is in the last frames of a clip, (F, H, W)."""
    grey = read_masks(clip.entry, read, len(clip.frames))
    masks = np.zeros((0,)) if grey is None else levels_of(grey)[-future:] == DEFECT
    if not masks.any():
        raise ClipError(
            f"{clip.name}: expected masks of its defect, found none; draw them, or leave out the "
            "arm with pasted defects"
        )
    return np.asarray(masks)


def _elsewhere(
    patch: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A picture with its mask, mirrored by chance, scaled and moved a little."""
    if rng.uniform() < 0.5:
        patch, mask = patch[:, ::-1], mask[:, ::-1]
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    scale, centre = float(rng.uniform(*SCALES)), np.array([columns.mean(), rows.mean()])
    way = (1 - scale) * centre + rng.uniform(-SHIFT, SHIFT, 2) * (width, height)
    matrix = np.array([[scale, 0, way[0]], [0, scale, way[1]]])
    size = (width, height)
    moved = cv2.warpAffine(np.ascontiguousarray(patch), matrix, size, flags=cv2.INTER_LINEAR)
    where = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(moved, np.uint8), np.asarray(where > 127)
