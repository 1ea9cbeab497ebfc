"""Read the masks of clips: one grey mask per frame, resized like the frames."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.clips.decoding import STILL, decode, frame_files, mask_files
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.listing import ClipEntry
from flawcast.generators.clips.pictures import read_picture, read_pictures


def read_masks(entry: ClipEntry, settings: ClipSettings, length: int) -> NDArray[np.uint8] | None:
    """Read the masks of a clip's frames.

    Masks are the file that labels.csv names (a video, a gif, a folder, a strip, or one picture for
    all frames), or else the `NAME_mask.png` beside each NAME in a folder of frames.

    Args:
        entry: A listed clip.
        settings: How the clip's frames were read.
        length: Number of frames that were read, T.

    Returns:
        Grey values, (T, H, W); None if the clip has no masks.

    Raises:
        ClipError: If the masks cannot be read, or their number is neither 1 nor T.
    """

    def shape(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        return resize_frame(grey, settings)

    source = entry.mask or entry.path
    try:
        if entry.mask is None or source.is_dir():
            files = _paired_masks(source) if entry.mask is None else _folder_of_masks(source)
            kept = files[:: settings.stride][: settings.max_frames]
            masks = [shape(picture) for picture in read_pictures(kept, numbers=True)]
        elif source.suffix.lower() in STILL and not _is_strip(
            picture := read_picture(source, numbers=True)
        ):
            masks = [shape(picture)]
        else:
            masks, _ = decode(source, shape, settings.stride, settings.max_frames)
        if masks and len(masks) not in (1, length):
            raise ClipError(
                f"expected one mask for all frames, or {length} as there are frames, "
                f"got {len(masks)}"
            )
    except ClipError as error:
        raise ClipError(f"{entry.name}: masks: {source.name}: {error}") from None
    if not masks:
        return None
    return np.repeat(np.stack(masks), length // len(masks), axis=0)


def levels_of(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a mask's grey values to levels: 0 for background, `PART` or `DEFECT`.

    Values around 128 are the part and values around 255 the defect. If a mask holds only small
    numbers (0 and 1, or class numbers), every value but 0 is the defect.

    Args:
        grey: Grey masks of all frames of a clip, (T, H, W).
    """
    if grey.max(initial=0) < PART // 2:
        return np.where(grey > 0, DEFECT, 0).astype(np.uint8)
    part = np.where(grey >= PART // 2, PART, 0)
    return np.where(grey >= (PART + DEFECT) // 2, DEFECT, part).astype(np.uint8)


def _paired_masks(folder: Path) -> list[Path]:
    """The mask beside each frame of a folder; empty if the clip is no folder or has no masks."""
    if not folder.is_dir() or not mask_files(folder):
        return []
    files = [path.with_name(f"{path.stem}_mask.png") for path in frame_files(folder)]
    absent = [path.name for path in files if not path.is_file()]
    if absent:
        raise ClipError(f"expected a mask beside every frame, {absent[0]} is absent; add it")
    return files


def _folder_of_masks(folder: Path) -> list[Path]:
    """The pictures of a folder of masks, whether or not their names end in `_mask`."""
    files = frame_files(folder) or mask_files(folder)
    if not files:
        raise ClipError("holds no pictures")
    return files


def _is_strip(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture is several squares side by side."""
    height, width = picture.shape[:2]
    return width >= 2 * height and width % height == 0
