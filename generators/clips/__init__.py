"""Clips: listing, decoding and reading them, their masks, and files of videos."""

from flawcast.generators.clips.reading import (
    Clip,
    ClipEntry,
    Reject,
    Window,
    clip_id,
    iter_clips,
    list_clips,
    read_clip,
    read_entry,
    read_masks,
    split_windows,
)

__all__ = [
    "Clip",
    "ClipEntry",
    "Reject",
    "Window",
    "clip_id",
    "iter_clips",
    "list_clips",
    "read_clip",
    "read_entry",
    "read_masks",
    "split_windows",
]
