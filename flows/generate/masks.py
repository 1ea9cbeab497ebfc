"""Masks for a set's videos: their kind is chosen in planning, the masks are made in the worker."""

import hashlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.set_settings import SetMasks
from flawcast.generators.clips import ClipEntry, read_masks
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.rendering.carried_masks import FrameMaps, carry_levels, motion_difference
from flawcast.generators.rendering.scene import Scene

MOTION = SetMasks("motion", "motion")


def read_levels(entry: ClipEntry, settings: ClipSettings, length: int) -> NDArray[np.uint8] | None:
    """A clip's masks as levels, (T, H, W); None if it has none.

    Raises:
        ClipError: If the masks cannot be read or differ in number from the frames.
    """
    grey = read_masks(entry, settings, length)
    return None if grey is None else levels_of(grey)


def plan_masks(
    entry: ClipEntry, settings: ClipSettings, length: int, frames: Sequence[int]
) -> dict[int, SetMasks]:
    """Choose the kind of masks for each frame of a clip that may be animated.

    An empty mask means "nothing wrong" only in a clip whose masks are all empty. If a later frame
    of the clip has a defect drawn on it, carrying an empty mask along would deny a defect that the
    future may show. Such a frame gets masks made from the motion instead.

    Args:
        entry: The source's clip.
        settings: How the clip is read.
        length: The number of its frames.
        frames: Indices of the frames that may be animated.

    Raises:
        ClipError: If the masks cannot be read or differ in number from the frames.
    """
    levels = read_levels(entry, settings, length)
    if levels is None:
        return dict.fromkeys(frames, MOTION)
    empty = not levels.any()
    plans = {}
    for frame in frames:
        digest = hashlib.sha256(levels[frame].tobytes()).hexdigest()[:16]
        usable = empty or levels[frame].any()
        plans[frame] = SetMasks("drawn", f"drawn-{digest}") if usable else MOTION
    return plans


@torch.no_grad()
def make_masks(
    kind: str, scene: Scene, futures: Tensor, kept: Sequence[int], levels: NDArray[np.uint8] | None
) -> FrameMaps:
    """Make the masks of a set's kept videos.

    Masks of kind "motion" show where a video differs from the usual rendering. The usual rendering
    is that of the median future, which the forecaster expects after this past: the median of all
    sampled futures for every keypoint and frame.

    Args:
        kind: "drawn" or "motion".
        scene: The source, ready to be rendered.
        futures: All sampled keypoints, (N, F, D).
        kept: The K indices of the kept futures.
        levels: The mask of the source frame, (H, W); used by the kind "drawn" only.

    Returns:
        Maps and validity, each (K, F, H, W).
    """
    if levels is not None and kind == "drawn":
        make_maps = partial(carry_levels, levels)
    else:
        middle = futures.contiguous().median(dim=0).values  # of an expanded tensor it would be 0
        usual = list(scene.renderings(middle))
        make_maps = partial(motion_difference, usual=usual)
    videos = [make_maps(list(scene.renderings(futures[index]))) for index in kept]
    return FrameMaps(
        np.stack([video.maps for video in videos]), np.stack([video.valid for video in videos])
    )
