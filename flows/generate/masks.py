"""Masks that go with a set's videos: which kind, decided when it is planned, then made."""

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
    """A clip's masks as levels, (T, H, W); None where it has none.

    Raises:
        ClipError: If the masks cannot be read or are not as many as the frames.
    """
    grey = read_masks(entry, settings, length)
    return None if grey is None else levels_of(grey)


def plan_masks(
    entry: ClipEntry, settings: ClipSettings, length: int, frames: Sequence[int]
) -> dict[int, SetMasks]:
    """Which masks the sets get that animate a frame of a clip.

    A frame without anything drawn on it says "nothing wrong" only in a clip whose masks are all
    empty. In one where something is drawn later, an empty mask that is carried along would deny
    a defect that the future may show: there, the motion is asked.

    Args:
        entry: The source's clip.
        settings: How it is read.
        length: Its frames.
        frames: Those that may be animated.

    Raises:
        ClipError: If the masks cannot be read or are not as many as the frames.
    """
    levels = read_levels(entry, settings, length)
    if levels is None:
        return dict.fromkeys(frames, MOTION)
    empty = not levels.any()
    plans = {}
    for frame in frames:
        digest = hashlib.sha256(levels[frame].tobytes()).hexdigest()[:16]
        drawn = empty or levels[frame].any()
        plans[frame] = SetMasks("drawn", f"drawn-{digest}") if drawn else MOTION
    return plans


@torch.no_grad()
def make_masks(
    kind: str, scene: Scene, futures: Tensor, kept: Sequence[int], levels: NDArray[np.uint8] | None
) -> FrameMaps:
    """Masks of a set's kept videos.

    The usual rendering, from which motion differs, is that of the median future: the middle value
    of all sampled futures for every keypoint and frame, which is what the forecaster expects of
    this past.

    Args:
        kind: "drawn" or "motion".
        scene: The source, ready to be rendered.
        futures: All sampled keypoints, (N, F, D).
        kept: Which of them are kept, K.
        levels: What is drawn on the source frame, (H, W); of kind "drawn" alone.

    Returns:
        Maps and validity, each (K, F, H, W).
    """
    if levels is not None and kind == "drawn":
        draw = partial(carry_levels, levels)
    else:
        middle = futures.contiguous().median(dim=0).values  # of an expanded tensor it would be 0
        usual = list(scene.renderings(middle))
        draw = partial(motion_difference, usual=usual)
    made = [draw(list(scene.renderings(futures[index]))) for index in kept]
    maps, valid = np.stack([item.maps for item in made]), np.stack([item.valid for item in made])
    return FrameMaps(maps, valid)
