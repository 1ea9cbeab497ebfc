"""The clips of a run, each read once and reduced to what planning needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.set_settings import SetMasks
from flawcast.flows.generate.masks import plan_masks
from flawcast.generators.clips import ClipEntry, Reject, iter_clips
from flawcast.generators.clips.times import pieces_of


@dataclass(frozen=True)
class ReadClip:
    """A clip that was read, reduced to what planning needs."""

    entry: ClipEntry
    clip_id: str
    length: int
    masks: dict[int, SetMasks] = field(default_factory=dict)  # by frame
    gaps: tuple[int, ...] = ()
    onset: int | None = None
    size: tuple[int, int] = (0, 0)


def read_clips(
    folder: Path,
    settings: ClipSettings,
    minimum: int,
    rejects: list[Reject],
    on_clip: Callable[[str], None],
    masks: bool,
    notes: list[Reject],
    split: str | None = None,
) -> list[ReadClip]:
    """Read every clip, or those of a split, once to check that it decodes and to hash its bytes."""
    read = []
    first: dict[str, ClipEntry] = {}
    for clip in iter_clips(folder, settings, minimum, rejects.append, split):
        entry, length = clip.entry, len(clip.frames)
        longest = max(end - start for start, end in pieces_of(length, clip.gaps))
        if longest < minimum:
            reason = f"expected {minimum} frames between two pauses of the camera, got {longest}"
            rejects.append(Reject(entry.name, reason))
            continue
        same = first.setdefault(clip.id, entry)
        if same is not entry:
            rejects.append(Reject(entry.name, _same_bytes(same, entry)))
            continue
        try:
            frame_masks = plan_masks(entry, settings, length, range(length)) if masks else {}
        except ClipError as error:
            rejects.append(Reject(entry.name, str(error).removeprefix(f"{entry.name}: ")))
            continue
        size = (clip.frames.shape[1], clip.frames.shape[2])
        read.append(ReadClip(entry, clip.id, length, frame_masks, clip.gaps, clip.onset, size))
        notes += [Reject(clip.name, note) for note in clip.notes]
        on_clip(clip.name)
    if not read:
        raise ClipError(
            f"clips: expected a clip of {folder} whose masks can be read, the first cannot: "
            f"{rejects[-1].name}: {rejects[-1].reason}; mend them or leave out --masks"
        )
    return read


def _same_bytes(first: ClipEntry, second: ClipEntry) -> str:
    """The reason to leave out a copy of a clip."""
    said = [f"{one.label}{f', {one.split}' if one.split else ''}" for one in (first, second)]
    other = "" if said[0] == said[1] else f" ({said[0]}), though this one is {said[1]}"
    return f"has the same bytes as {first.name}{other}"
