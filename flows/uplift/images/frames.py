"""Frames made of stills: each still moves as a real clip does, and its mask is warped with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed
from flawcast.flows.uplift.images.stills import Still
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.clips import iter_clips
from flawcast.generators.clips.frames import to_video
from flawcast.generators.rendering.carried_masks import carry_mask
from flawcast.generators.rendering.scene import Scene

LEAST = 0.25  # share of the defect's pixels that must remain visible
FRAMES = 24  # frames read of a driving clip: motion counts from its first frame


@dataclass(frozen=True)
class Frame:
    """A picture to learn from.

    Args:
        picture: RGB, (H, W, 3).
        mask: True on the defect, (H, W).
        valid: Pixels whose mask can be relied on, (H, W).
    """

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    @property
    def defective(self) -> bool:
        """Whether any pixel is defective."""
        return bool(self.mask.any())


def as_frame(still: Still) -> Frame:
    """The still as a frame, unmoved."""
    return Frame(still.picture, still.mask, np.ones_like(still.mask))


def read_motions(folder: Path, backbone: MotionBackbone, size: int) -> list[torch.Tensor]:
    """Keypoints (T, D) of the driving clips.

    Raises:
        ClipError: If there are none.
    """
    read = ClipSettings(size=size, max_frames=FRAMES)
    motions = [keypoints_of(backbone, clip.frames) for clip in iter_clips(folder, read, 2)]
    if not motions:
        raise ClipError(f"driving: expected clips in {folder}, found none; name another folder")
    return motions


@torch.no_grad()
def move(
    still: Still, motions: list[torch.Tensor], backbone: MotionBackbone, count: int, seed: int
) -> list[Frame]:
    """Make frames of a still in transfer mode, each from another moment of a driving clip.

    A frame that lost its defect (out of the picture, or painted over) is left out.

    Args:
        still: The source.
        motions: Keypoints of the driving clips.
        backbone: The motion model, in eval mode.
        count: The largest number of frames to make.
        seed: Chooses clips and moments.
    """
    rng = np.random.default_rng(derive_seed(seed, "motion", still.name))
    frames: list[Frame] = []
    for index in rng.choice(len(motions), count, replace=count > len(motions)):
        motion = motions[index]
        moment = int(rng.integers(len(motion) // 2, len(motion)))
        scene = Scene.encode(backbone, still.picture, motion[0])
        rendering = next(iter(scene.renderings(motion[moment : moment + 1])))
        carried = carry_mask(still.mask, rendering)
        mask, valid = carried.mask[0], carried.valid[0]
        if still.defective and (mask & valid).sum() < LEAST * still.mask.sum():
            continue
        frames.append(Frame(to_video(rendering.frames)[0], mask, valid))
    return frames


def augment(frame: Frame, rng: np.random.Generator) -> Frame:
    """Rotate a frame, flip it and change its brightness, with its mask."""
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    planes = [
        np.rot90(plane[:, ::-1] if flip else plane, turns)
        for plane in (frame.picture, frame.mask, frame.valid)
    ]
    middle = planes[0].mean()
    gain, light = rng.uniform(0.8, 1.2), rng.uniform(-25, 25)
    picture = np.clip((planes[0] - middle) * gain + middle + light, 0, 255).astype(np.uint8)
    return Frame(picture, np.ascontiguousarray(planes[1]), np.ascontiguousarray(planes[2]))
