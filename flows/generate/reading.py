"""The clips of a run, each read once and reduced to what planning needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.window_lengths import WindowLengths
from flawcast.flows.generate.masks import plan_masks
from flawcast.generators.clips import ClipEntry, Reject, iter_clips
from flawcast.generators.clips.times import pieces_in_time, pieces_of

OTHER_RATE = (
    "its frames were taken at another rate than those of the others: no window lasts as long as "
    "was asked for"
)


@dataclass(frozen=True)
class ReadClip:
    """A clip that was read, reduced to what planning needs."""

    entry: ClipEntry
    clip_id: str
    length: int
    masks: dict[int, SetMasks] = field(default_factory=dict)  # by frame
    pieces: tuple[tuple[int, int], ...] = ()  # in which a window may lie; none: anywhere
    onset: int | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """First frame and end of every stretch in which a window may lie."""
        return self.pieces or ((0, self.length),)


def read_clips(
    folder: Path,
    settings: ClipSettings,
    lengths: WindowLengths | None,
    rejects: list[Reject],
    on_clip: Callable[[str], None],
    masks: bool,
    notes: list[Reject],
    split: str | None = None,
) -> list[ReadClip]:
    """Read every clip, or those of a split, once to check that it decodes and to hash its bytes.

    Args:
        folder: Folder of clips.
        settings: How clips are read.
        lengths: Of the windows; clips without room for one are left out. None for sources.
        rejects: Gets those that are left out.
        on_clip: Called with the name of each clip that was read.
        masks: Whether a clip whose masks cannot be read is left out.
        notes: Gets what people should know of the others.
        split: "train", "val" or "test"; None for all clips.

    Raises:
        ClipError: If no clip can be used.
    """
    read = []
    minimum = 1 if lengths is None else lengths.past + lengths.future
    first: dict[str, ClipEntry] = {}
    for clip in iter_clips(folder, settings, minimum, rejects.append, split):
        entry, length = clip.entry, len(clip.frames)
        pieces = pieces_of(length, clip.gaps)
        longest = max(end - start for start, end in pieces)
        if longest < minimum:
            reason = f"expected {minimum} frames between two pauses of the camera, got {longest}"
            rejects.append(Reject(entry.name, reason))
            continue
        if lengths is not None:
            pieces = pieces_in_time(clip.times, length, clip.gaps, lengths)
            if not pieces:
                rejects.append(Reject(entry.name, OTHER_RATE))
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
        read.append(ReadClip(entry, clip.id, length, frame_masks, tuple(pieces), clip.onset, size))
        notes += [Reject(clip.name, note) for note in clip.notes]
        on_clip(clip.name)
    if not read and masks:
        raise ClipError(
            f"clips: expected a clip of {folder} whose masks can be read, the first cannot: "
            f"{rejects[-1].name}: {rejects[-1].reason}; mend them or leave out --masks"
        )
    if not read:
        raise ClipError(
            f"clips: expected one of {folder} with room for a window, none of {len(rejects)} has: "
            f"{rejects[-1].name}: {rejects[-1].reason}"
        )
    return read


def _same_bytes(first: ClipEntry, second: ClipEntry) -> str:
    """The reason to leave out a copy of a clip."""
    said = [f"{one.label}{f', {one.split}' if one.split else ''}" for one in (first, second)]
    other = "" if said[0] == said[1] else f" ({said[0]}), though this one is {said[1]}"
    return f"has the same bytes as {first.name}{other}"
