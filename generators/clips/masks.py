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
from flawcast.generators.clips.probing import probe_clip

COLOURFUL = 40  # difference between the channels of a pixel that is drawn in a colour
ASPECT_SLACK = 0.02


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
        check_aspect(frame, shown)
        return resize_frame(grey_of_mask(frame), settings)

    source, shown = entry.mask or entry.path, shown_size(entry)
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


def grey_of_mask(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values of a mask: those of grey pixels, and that of a defect for any colour.

    Programs draw defects in red, green or a colour of their own.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    coloured = frame.max(axis=2).astype(np.int16) - frame.min(axis=2) > COLOURFUL
    return np.where(coloured, DEFECT, grey).astype(np.uint8)


def shown_size(entry: ClipEntry) -> tuple[int, int] | None:
    """Width and height of a clip's frames; None if its header does not tell, as for a strip."""
    if entry.path.is_file() and entry.path.suffix.lower() in STILL:
        return None
    probe = probe_clip(entry)
    return (probe.width, probe.height) if probe.width and not probe.problem else None


def check_aspect(frame: NDArray[np.uint8], shown: tuple[int, int] | None) -> None:
    """Refuse a mask of another shape than its frames: stretched over them it would lie elsewhere.

    Raises:
        ClipError: If it is.
    """
    if shown is None:
        return
    height, width = frame.shape[:2]
    ratios = {shown[0] / shown[1], shown[1] / shown[0]}  # a frame may be turned
    # A pixel more or less on the short side is rounding.
    slack = max(ASPECT_SLACK, 1.5 / min(height, width, *shown))
    if all(abs(width / height / ratio - 1) > slack for ratio in ratios):
        raise ClipError(
            f"expected the shape of the frames, {shown[0]}x{shown[1]}, got {width}x{height}; "
            "draw masks over whole frames"
        )


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
