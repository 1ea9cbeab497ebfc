"""Clips with masks, and the tracks of what their masks mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import NATIVE, ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT
from flawcast.generators.clips import iter_clips, read_masks
from flawcast.generators.clips.masks import levels_of

READ = ClipSettings(size=NATIVE, fit="keep")
LEAST_PIXELS = 24  # of a region: smaller ones are cut off by the picture's edge
OVERLAP = 0.2  # of two regions in frames that follow one another, to be the same thing


@dataclass(frozen=True)
class MaskedClip:
    """A clip and where its anomalies are.

    Args:
        name: Its name.
        id: Its id.
        frames: RGB, (T, H, W, 3).
        masks: (T, H, W); empty of a clip without anomalies.
    """

    name: str
    id: str
    frames: NDArray[np.uint8]
    masks: NDArray[np.bool_]

    @property
    def anomalous(self) -> bool:
        """Whether any frame shows an anomaly."""
        return bool(self.masks.any())


@dataclass(frozen=True)
class Track:
    """One anomaly through a clip.

    Args:
        clip: Number of the clip.
        frames: Numbers of the frames, one after the other, (n,).
        masks: Its region in each of them, (n, H, W).
        centres: Centre of its region in each of them, x and y in pixels, (n, 2).
    """

    clip: int
    frames: NDArray[np.int64]
    masks: NDArray[np.bool_]
    centres: NDArray[np.float64]


def read_masked(folder: Path, normal: str) -> list[MaskedClip]:
    """Read clips of one camera with their masks.

    Raises:
        ClipError: If a clip that is not normal has no masks, two clips hold the same bytes, or
            their sizes differ.
    """
    clips: list[MaskedClip] = []
    for clip in iter_clips(folder, READ, 2):
        empty = np.zeros(clip.frames.shape[:3], bool)
        grey = None if clip.label == normal else read_masks(clip.entry, READ, len(clip.frames))
        masks = empty if grey is None else levels_of(grey) == DEFECT
        if clip.label != normal and not masks.any():
            raise ClipError(
                f"{clip.name}: expected masks of its anomalies, found none; name them in the "
                "column mask of labels.csv"
            )
        clips.append(MaskedClip(clip.name, clip.id, clip.frames, masks))
    sizes = {clip.frames.shape[1:3] for clip in clips}
    if len(sizes) > 1:
        raise ClipError(
            f"clips: expected frames of one camera, found {len(sizes)} sizes; name one camera"
        )
    if len({clip.id for clip in clips}) < len(clips):
        raise ClipError("clips: expected different clips, two hold the same bytes; remove one")
    return clips


def tracks_of(clip: MaskedClip, number: int, least: int) -> list[Track]:
    """Tracks of a clip's anomalies: regions of one frame that overlap those of the next one.

    Args:
        clip: The clip.
        number: Its number.
        least: Frames of a track; shorter ones are left out.
    """
    running: list[tuple[list[int], list[NDArray[np.bool_]]]] = []
    done: list[tuple[list[int], list[NDArray[np.bool_]]]] = []
    for time, mask in enumerate(clip.masks):
        regions = _regions(mask)
        going = []
        for frames, masks in running:
            best = max(regions, key=lambda region: _overlap(region, masks[-1]), default=None)
            if best is None or _overlap(best, masks[-1]) < OVERLAP:
                done.append((frames, masks))
                continue
            frames.append(time)
            masks.append(best)
            regions = [region for region in regions if region is not best]
            going.append((frames, masks))
        running = going + [([time], [region]) for region in regions]
    return [
        Track(number, np.array(frames), np.stack(masks), _centres(masks))
        for frames, masks in [*done, *running]
        if len(frames) >= least
    ]


def _regions(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Regions of a mask that are large enough and do not touch the picture's edge."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    height, width = mask.shape
    regions = []
    for index, (left, top, wide, high, area) in enumerate(stats):
        inside = left > 0 and top > 0 and left + wide < width and top + high < height
        if index and area >= LEAST_PIXELS and inside:
            regions.append(np.asarray(labels == index))
    return regions


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def _centres(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Centres of regions, x and y."""
    return np.array([np.argwhere(mask).mean(axis=0)[::-1] for mask in masks])
