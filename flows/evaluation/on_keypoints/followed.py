"""Keypoint files of clips whose parts are followed, for a comparison of forecasters."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from flawcast.configs.clip_settings import NATIVE, ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.files import whole_file
from flawcast.flows.generate.following import Followed, follow_clips
from flawcast.generators.backbones.layers.backbone import LayersBackbone, LayersConfig
from flawcast.generators.clips import list_clips

FOLDER = "keypoints"  # in the folder of results
PER_KEYPOINT = 6  # x, y and the Jacobian


def write_followed(
    clips: Path, out: Path, size: int | None, workers: int, say: Callable[[str], None]
) -> Path:
    """Follow the parts of all clips, and write a keypoint file of each.

    Args:
        clips: Folder of clips.
        out: Folder for results; files that are there already are written anew.
        size: Longest short side in pixels; None for the clips' own, up to the usual.
        workers: How many clips are followed at the same time.
        say: Takes lines for people.

    Returns:
        The folder of the files.

    Raises:
        ClipError: If no clip can be followed, or two have one name.
    """
    settings = ClipSettings(size=size or NATIVE, fit="keep")
    followed = follow_clips(
        list_clips(clips), settings, LayersBackbone(LayersConfig()), max(1, workers), say
    )
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.npz"):
        old.unlink()  # of clips that have gone
    for clip in followed:
        _write(folder / f"{_stem(clip.name)}.npz", clip)
    return folder


def _write(file: Path, clip: Followed) -> None:
    """Write the keypoints of one clip.

    Raises:
        ClipError: If another clip has the same name.
    """
    if file.exists():
        raise ClipError(f"clips: expected names of their own, found two {clip.name}; rename one")
    values = (
        clip.keypoints.numpy().astype(np.float32).reshape(len(clip.keypoints), -1, PER_KEYPOINT)
    )
    jacobians = values[..., 2:].reshape(*values.shape[:2], 2, 2)
    with whole_file(file) as draft:
        np.savez(draft, value=values[..., :2], jacobian=jacobians)


def _stem(name: str) -> str:
    """A clip's name as that of a file in one folder."""
    return Path(name).with_suffix("").as_posix().replace("/", "__")
