"""Clips that a worker reads again as they were planned; the last ones are kept in memory.

A clip's windows come one after the other, so keeping the last clip decodes each once. Sources of
transfer mode change with every window, but only one frame of them is needed.
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
WHOLE_CLIPS = 2  # in memory at once: long clips are large
SOURCE_FRAMES = 64


def planned_clip(entry: ClipEntry, settings: ClipSettings, planned_id: str) -> Clip:
    """Read a clip again; the last clips are kept while their files stay as they are.

    Args:
        entry: The clip.
        settings: How it is read.
        planned_id: Its id when it was planned.

    Raises:
        ClipError: If it has other bytes by now, or cannot be read.
    """
    return _kept_clip(entry, settings, planned_id, _stamp(entry))


def planned_frame(
    entry: ClipEntry, settings: ClipSettings, planned_id: str, index: int
) -> NDArray[np.uint8]:
    """Read one frame (H, W, 3) of a clip again, and none behind it.

    Args:
        entry: The clip.
        settings: How it is read.
        planned_id: Its id when it was planned.
        index: The frame, after the stride.

    Raises:
        ClipError: If the clip has other bytes by now, or cannot be read.
    """
    return _kept_frame(entry, settings, planned_id, index, _stamp(entry))


def forget_clips() -> None:
    """Free what is kept: the next reading decodes."""
    _kept_clip.cache_clear()
    _kept_frame.cache_clear()


@lru_cache(maxsize=WHOLE_CLIPS)
def _kept_clip(entry: ClipEntry, settings: ClipSettings, planned_id: str, stamp: Stamp) -> Clip:
    """A whole clip."""
    del stamp  # a part of the key
    return _read(entry, settings, planned_id, None)


@lru_cache(maxsize=SOURCE_FRAMES)
def _kept_frame(
    entry: ClipEntry, settings: ClipSettings, planned_id: str, index: int, stamp: Stamp
) -> NDArray[np.uint8]:
    """One frame of a clip."""
    del stamp  # a part of the key
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
    clip.frames.flags.writeable = False  # several sets share them
    return clip


def _stamp(entry: ClipEntry) -> Stamp:
    """What changes when somebody writes to a clip's files; bytes are not read."""
    try:
        files = frame_files(entry.path) if entry.path.is_dir() else [entry.path]
        return tuple(_stamp_of(file) for file in files)
    except FileNotFoundError:
        raise _changed(entry) from None


def _stamp_of(file: Path) -> tuple[str, int, int, int]:
    """Name, time of the last change, size and number of a file."""
    found = file.stat()
    return file.name, found.st_mtime_ns, found.st_size, found.st_ino


def _changed(entry: ClipEntry) -> ClipError:
    """The error of a clip that is not what was planned with."""
    return ClipError(f"{entry.name}: changed since it was planned; run the same command again")
