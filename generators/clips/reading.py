"""Read the user's clips at the size asked for, and cut them into windows of past and future."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.identity import content_id, hash_files
from flawcast.generators.clips.decoding import decode_timed, frame_files
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.listing import ClipEntry, OnReject, Reject, list_clips
from flawcast.generators.clips.masks import read_masks
from flawcast.generators.clips.times import pieces_of

__all__ = [
    "Clip",
    "ClipEntry",
    "Reject",
    "Window",
    "iter_clips",
    "list_clips",
    "read_clip",
    "read_entry",
    "read_masks",
    "split_windows",
]

DARKEST, BRIGHTEST = 3, 252  # a clip whose every value is beyond one of them shows nothing


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip as the models see it.

    Args:
        id: Hash of the file's bytes and of the settings it is read with; a new name keeps it.
        entry: Its path, label, split, onset and mask, as the folder gives them.
        frames: RGB uint8, (T, H, W, 3).
        onset: First frame (after the stride) that shows the defect; None if unknown.
        fps: Frames per second after the stride.
        times: When each frame is shown, in seconds; rates may vary.
        gaps: Numbers of the frames before which the camera paused; no window spans one.
        notes: What people should know of how it was read.
    """

    id: str
    entry: ClipEntry
    frames: NDArray[np.uint8] = field(repr=False)
    onset: int | None = None
    fps: float = 25.0
    times: NDArray[np.float64] | None = field(default=None, repr=False)
    gaps: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Path relative to its folder."""
        return self.entry.name

    @property
    def path(self) -> Path:
        """The file or folder it was read from."""
        return self.entry.path

    @property
    def label(self) -> str:
        """Label of what it shows."""
        return self.entry.label

    @property
    def split(self) -> str:
        """Split: "train", "val", "test" or empty."""
        return self.entry.split


@dataclass(frozen=True)
class Window:
    """A stretch of a clip: `past` observed frames from `start`, then `future` frames."""

    start: int
    past: int
    future: int


def read_clip(path: Path | str, settings: ClipSettings | None = None) -> Clip:
    """Read one clip: a video, a gif, a strip, or a folder of frames.

    Raises:
        ClipError: If it cannot be read completely; the message names it and the reason.
    """
    path = Path(path)
    if not path.exists():
        raise ClipError(f"{path}: no such file; name a clip")
    return read_entry(ClipEntry(path.name, path), settings or ClipSettings())


def read_entry(entry: ClipEntry, settings: ClipSettings, most: int | None = None) -> Clip:
    """Read a listed clip.

    Args:
        entry: The clip.
        settings: How the clip is read.
        most: Largest number of frames to decode; None for all. The id is that of the whole clip.

    Raises:
        ClipError: If it cannot be read; the message names it and the reason.
    """
    limits = [limit for limit in (most, settings.max_frames) if limit is not None]
    try:
        decoded = decode_timed(
            entry.path,
            lambda frame: resize_frame(frame, settings),
            settings.stride,
            min(limits, default=None),
            settings.mosaic,
        )
    except ClipError as error:
        raise ClipError(f"{entry.name}: {error}") from None
    sizes = {f"{frame.shape[1]}x{frame.shape[0]}" for frame in decoded.frames}
    if len(sizes) > 1:  # possible only where each keeps its own
        raise ClipError(
            f"{entry.name}: expected frames of one size, got {', '.join(sorted(sizes))}; "
            "make them equal"
        )
    return Clip(
        id=clip_id(entry, settings),
        entry=entry,
        frames=np.stack(decoded.frames),
        onset=None if entry.onset is None else -(-entry.onset // settings.stride),
        fps=decoded.fps / settings.stride,
        times=np.asarray(decoded.times),
        gaps=tuple(decoded.gaps),
        notes=decoded.notes,
    )


def clip_id(entry: ClipEntry, settings: ClipSettings) -> str:
    """Id of a listed clip: a hash of its bytes and of the settings it is read with."""
    files = frame_files(entry.path) if entry.path.is_dir() else [entry.path]
    return content_id("clip", bytes=hash_files(files), **settings.model_dump(mode="json"))


def iter_clips(
    folder: Path | str,
    settings: ClipSettings,
    minimum_frames: int = 1,
    on_reject: OnReject = lambda reject: None,
    split: str | None = None,
) -> Iterator[Clip]:
    """Read the clips of a folder in sorted order, and report those that cannot be used.

    Args:
        folder: Folder of clips, or one clip.
        settings: How clips are read.
        minimum_frames: Least number of frames after the stride; shorter clips are left out.
        on_reject: Called with the name and reason of every clip that is left out.
        split: "train", "val" or "test" to decode only clips of that split; None for all clips.

    Raises:
        ClipError: If the folder holds no clips of that split, or none of them can be used.
    """
    rejects: list[Reject] = []

    def reject(item: Reject) -> None:
        rejects.append(item)
        on_reject(item)

    entries = [entry for entry in list_clips(Path(folder), reject) if split in (None, entry.split)]
    if not entries:
        raise ClipError(
            f"clips: expected some of split {split!r} in {folder}, found none; "
            "name splits in labels.csv, or put the clips into folders train and test"
        )
    used = 0
    for entry in entries:
        try:
            clip = read_entry(entry, settings)
        except ClipError as error:
            reject(Reject(entry.name, str(error).removeprefix(f"{entry.name}: ")))
            continue
        count = len(clip.frames)
        if count < minimum_frames:
            reason = f"too short: expected at least {minimum_frames} frames, got {count}"
            reject(Reject(entry.name, reason))
            continue
        if clip.frames.max() < DARKEST or clip.frames.min() > BRIGHTEST:
            colour = "black" if clip.frames.max() < DARKEST else "white"
            reject(Reject(entry.name, f"{colour} throughout: nothing is seen; check the camera"))
            continue
        used += 1
        yield clip
    if not used:
        first = "; ".join(f"{item.name}: {item.reason}" for item in rejects[:3])
        raise ClipError(
            f"clips: expected a readable clip of at least {minimum_frames} frames in {folder}, "
            f"none of {len(rejects)} is ({first}); mend or replace them"
        )


def split_windows(
    clip: Clip | int, past: int, future: int, gaps: Sequence[int] = ()
) -> list[Window]:
    """Cut a clip into windows that do not overlap, as the paper does, and that span no gap.

    Args:
        clip: A clip, or the number of its frames.
        past: Observed frames of a window, at least one.
        future: Frames to forecast, at least one.
        gaps: Numbers of frames before which the camera paused, if only a number is given.

    Raises:
        ClipError: If the clip is too short for one window.
        SettingsError: If past or future is less than one.

    Example:
        >>> [window.start for window in split_windows(26, past=6, future=6)]
        [0, 12]
    """
    if past < 1 or future < 1:
        raise SettingsError(
            f"past and future: expected at least one frame each, got {past} and {future}"
        )
    name, length = ("clip", clip) if isinstance(clip, int) else (clip.name, len(clip.frames))
    whole = past + future
    pieces = pieces_of(length, gaps if isinstance(clip, int) else clip.gaps)
    longest = max(end - first for first, end in pieces)
    if longest < whole:
        raise ClipError(
            f"{name}: expected at least past + future = {whole} frames, got {longest}"
            f"{' between two pauses of the camera' if len(pieces) > 1 else ''}; lower past "
            "and future or use longer clips"
        )
    return windows_within(pieces, past, future)


def windows_within(pieces: Sequence[tuple[int, int]], past: int, future: int) -> list[Window]:
    """Cut stretches of a clip, each given by its first frame and its end, into windows."""
    whole = past + future
    return [
        Window(start, past, future)
        for first, end in pieces
        for start in range(first, end - whole + 1, whole)
    ]
