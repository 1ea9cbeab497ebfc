"""One source, one driving clip, one video: `flawcast animate`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.model_card import read_card
from flawcast.configs.settings import Transfer
from flawcast.generators.backbones import MotionBackbone, load_backbone
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.blocks.geometry import object_size
from flawcast.generators.clips import read_clip
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.clips.video_files import check_video_name, write_video
from flawcast.generators.model import find_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.precision import check_precision, in_precision
from flawcast.generators.rendering.scene import Scene

OnFrames = Callable[[int, int], None]


@dataclass(frozen=True)
class Animation:
    """The animation that was made.

    Args:
        out: The video.
        frames: The number of frames.
        start: The driving frame whose pose is nearest to the source's, or 0.
    """

    out: Path
    frames: int
    start: int


def animate(
    source: Path,
    driving: Path,
    model: Path | str,
    out: Path,
    how: Transfer | None = None,
    *,
    best_frame: bool = False,
    device: str = "auto",
    precision: str = "fp32",
    on_frames: OnFrames = lambda done, total: None,
) -> Animation:
    """Move a source picture as a driving clip moves.

    Args:
        source: A picture, or a clip whose first frame is taken.
        driving: A clip.
        model: Model folder or name of a shipped model; it needs no forecaster.
        out: Video to write: .mp4 (H.264), .mkv (lossless FFV1) or .gif.
        how: Absolute, relative (the default) or avd motion; whether its scale is adapted.
        best_frame: Count displacements from the driving frame whose pose is nearest to the source's
            instead of from the first.
        device: Where to compute, as PyTorch names it; "auto" for a GPU if there is one.
        precision: "fp32", "int8" on a CPU, "bf16" or "fp16" on a GPU.
        on_frames: Called with the number of frames rendered so far and of all.

    Raises:
        FlawcastError: If a file cannot be read or written, or the model lacks the mode.
    """
    check_video_name(out)
    folder = find_model(model)
    settings = read_card(folder).settings.clips
    backbone = for_inference(load_backbone(folder)).to(pick_device(device))
    check_precision(precision, backbone.device)
    backbone.check_transfer(how or Transfer())
    picture = read_source(source, settings)
    clip = read_clip(driving, settings)
    keypoints = keypoints_of(backbone, clip.frames).to(backbone.device)
    own = keypoints_of(backbone, picture[None])[0].to(backbone.device)
    start = nearest_pose(backbone, own, keypoints) if best_frame else 0
    scene = in_precision(
        Scene.encode(backbone, picture, keypoints[start], how), precision, keypoints
    )
    frames = []
    for drawn in scene.rendered(keypoints):
        frames.append(drawn)
        on_frames(sum(map(len, frames)), len(clip.frames))
    write_video(out, np.concatenate(frames), clip.fps)
    return Animation(out, len(clip.frames), start)


def read_source(path: Path, settings: ClipSettings) -> NDArray[np.uint8]:
    """A picture, or the first frame of a clip, made square: (H, W, 3).

    Raises:
        ClipError: If it cannot be read.
    """
    if not path.exists():
        raise ClipError(f"{path}: no such file; name a picture or a clip")
    if path.is_file() and path.suffix.lower() in STILL:
        return resize_frame(read_picture(path), settings)
    return read_clip(path, settings.model_copy(update={"max_frames": 1})).frames[0]


def nearest_pose(backbone: MotionBackbone, source: Tensor, keypoints: Tensor) -> int:
    """The driving frame whose pose is nearest to the source's, regardless of place and size.

    Args:
        backbone: Computes the positions of keypoints.
        source: The source's keypoints, (D,).
        keypoints: The driving clip's, (T, D).
    """
    shapes = [_shape(positions) for positions in backbone.positions(keypoints)]
    own = _shape(backbone.positions(source[None])[0])
    return int(torch.stack([((shape - own) ** 2).sum() for shape in shapes]).argmin())


def _shape(positions: Tensor) -> Tensor:
    """Positions (K, 2) without place and size."""
    centred = positions - positions.mean(dim=0)
    return centred / (object_size(positions) or 1.0)
