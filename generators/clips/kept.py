"""Read planned clips again in a worker, and keep the latest ones in memory.

The windows of a clip follow one another, so a worker that keeps the last clip decodes each clip
once. In transfer mode the source changes with every window, but only one of its frames is needed.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import frame_files
from flawcast.generators.clips.listing import ClipEntry
from flawcast.generators.clips.reading import Clip, clip_id, read_entry

Stamp = tuple[tuple[str, int, int, int], ...]
WHOLE_CLIPS = 2  # clips in memory at once: long clips are large
SOURCE_FRAMES = 64


def planned_clip(entry: ClipEntry, settings: ClipSettings, planned_id: str) -> Clip:
    """Read a clip again; the latest clips stay in memory until their files change.

    Args:
        entry: The clip.
        settings: How the clip is read.
        planned_id: Id of the clip when it was planned.

    Raises:
        ClipError: If the clip's bytes have changed, or it cannot be read.
    """
    return _kept_clip(entry, settings, planned_id, _stamp(entry))


def planned_frame(
    entry: ClipEntry, settings: ClipSettings, planned_id: str, index: int
) -> NDArray[np.uint8]:
    """Read one frame (H, W, 3) of a clip again, and decode no later frames.

    Args:
        entry: The clip.
        settings: How the clip is read.
        planned_id: Id of the clip when it was planned.
        index: Number of the frame, after the stride.

    Raises:
        ClipError: If the clip's bytes have changed, or it cannot be read.
    """
    return _kept_frame(entry, settings, planned_id, index, _stamp(entry))


def forget_clips() -> None:
    """Free the kept clips and frames; the next read decodes again."""
    _kept_clip.cache_clear()
    _kept_frame.cache_clear()


@lru_cache(maxsize=WHOLE_CLIPS)
def _kept_clip(entry: ClipEntry, settings: ClipSettings, planned_id: str, stamp: Stamp) -> Clip:
    """A whole clip."""
    del stamp  # part of the cache key only
    return _read(entry, settings, planned_id, None)


@lru_cache(maxsize=SOURCE_FRAMES)
def _kept_frame(
    entry: ClipEntry, settings: ClipSettings, planned_id: str, index: int, stamp: Stamp
) -> NDArray[np.uint8]:
    """One frame of a clip."""
    del stamp  # part of the cache key only
    return _read(entry, settings, planned_id, index + 1).frames[index].copy()


def _read(entry: ClipEntry, settings: ClipSettings, planned_id: str, most: int | None) -> Clip:
    """Read a clip and compare its id with the planned one."""
    try:
        clip = read_entry(entry, settings, most)
    except ClipError:
        if clip_id(entry, settings) != planned_id:
            raise _changed(entry) from None
        raise
    if clip.id != planned_id:
        raise _changed(entry)
    clip.frames.flags.writeable = False  # several sample sets share the frames
    return clip


def _stamp(entry: ClipEntry) -> Stamp:
    """A value that changes when somebody writes to a clip's files; it reads no bytes of them."""
    try:
        files = frame_files(entry.path) if entry.path.is_dir() else [entry.path]
        return tuple(_stamp_of(file) for file in files)
    except FileNotFoundError:
        raise _changed(entry) from None


def _stamp_of(file: Path) -> tuple[str, int, int, int]:
    """Name, modification time, size and inode number of a file."""
    status = file.stat()
    return file.name, status.st_mtime_ns, status.st_size, status.st_ino


def _changed(entry: ClipEntry) -> ClipError:
    """The error for a clip that changed after planning."""
    return ClipError(f"{entry.name}: changed since it was planned; run the same command again")
