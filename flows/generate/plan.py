"""What a run will make: every sample set with its id, decided before anything is rendered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectOrder
from flawcast.configs.driving import Driving
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed, sample_set_id
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings
from flawcast.configs.spread import spread
from flawcast.configs.window_lengths import WindowLengths
from flawcast.flows.generate.masks import plan_masks
from flawcast.generators.clips import (
    ClipEntry,
    Reject,
    Window,
    iter_clips,
)
from flawcast.generators.clips.reading import windows_within
from flawcast.generators.clips.times import pieces_in_time, pieces_of

OTHER_RATE = (
    "its frames were taken at another rate than those of the others: no window lasts as long as "
    "was asked for"
)


@dataclass(frozen=True)
class SourceFrame:
    """The frame that is animated.

    Args:
        entry: Its clip, which a worker reads again.
        clip_id: That clip's id.
        frame: Its index after the stride.
        length: The number of the clip's frames, which its masks must have, too.
        size: (H, W) of its frames.
    """

    entry: ClipEntry
    clip_id: str
    frame: int
    length: int = 0
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class SetPlan:
    """One sample set to be made; small enough to travel to a worker.

    Args:
        set_id: Hash of everything that decides the set's content.
        entry: The clip whose future is sampled.
        clip_id: That clip's id.
        window: Which of its frames are past and future.
        source: The frame that is animated.
        mode: "reconstruction" or "transfer".
        masks: The kind of masks for its videos; None for no masks.
        driving: Its motions, of a set of `augment`; None for sampled futures alone.
        order: The defect or placebo that it gets; None for none.
    """

    set_id: str
    entry: ClipEntry
    clip_id: str
    window: Window
    source: SourceFrame
    mode: str
    masks: SetMasks | None = None
    driving: Driving | None = None
    order: DefectOrder | None = None

    @property
    def title(self) -> str:
        """Label, mode and clip, for people."""
        is_defect = self.order is not None and not self.order.placebo
        label = self.order.label if self.order is not None and is_defect else self.entry.label
        return f"{label} · {self.mode} · {self.entry.name} @ {self.window.start}"


@dataclass(frozen=True)
class Plan:
    """What a run will make.

    Args:
        sets: All sets, in order.
        rejects: The clips that could not be used.
        notes: Notes on the others.
        about: What else the run's record says, as plain values.
    """

    sets: tuple[SetPlan, ...]
    rejects: tuple[Reject, ...] = field(default=())
    notes: tuple[Reject, ...] = field(default=())
    about: Mapping[str, Any] = field(default_factory=dict)


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


def plan_sets(
    clips: Path,
    sources: Path | None,
    modes: Sequence[str],
    settings: GenerateSettings,
    clip_settings: ClipSettings,
    weights_id: str,
    windows: int | None = None,
    on_clip: Callable[[str], None] = lambda name: None,
    masks: bool = False,
) -> Plan:
    """List every set: each window of each readable clip, in each mode.

    In reconstruction mode the source is the window's first frame. In transfer mode it is the first
    frame of another clip, chosen by the run's seed from `sources` (or else from the other clips).

    Args:
        clips: Folder of clips.
        sources: Folder of clips to animate in transfer mode; None for the same clips.
        modes: "reconstruction", "transfer" or both.
        settings: Horizon, samples and everything else that decides a set.
        clip_settings: How clips are read.
        weights_id: The model's id.
        windows: Largest number of windows per clip, evenly spread; None for all.
        on_clip: Called with the name of each clip that was read.
        masks: Whether videos get masks; a clip whose masks cannot be read is left out.

    Raises:
        ClipError: If no clip can be used, or there is no other clip for transfer mode.
    """
    rejects: list[Reject] = []
    notes: list[Reject] = []
    read = read_clips(clips, clip_settings, settings, rejects, on_clip, masks, notes)
    others = read
    if "transfer" in modes and sources is not None:
        others = read_clips(sources, clip_settings, None, rejects, on_clip, masks, notes)
    sets = [
        _plan_set(mode, clip, window, others, settings, weights_id)
        for clip in read
        for window in spread(_windows(clip, settings), windows)
        for mode in modes
    ]
    return Plan(tuple({plan.set_id: plan for plan in sets}.values()), tuple(rejects), tuple(notes))


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


def _windows(clip: ReadClip, settings: GenerateSettings) -> list[Window]:
    """The windows of a clip."""
    return windows_within(clip.stretches, settings.past, settings.future)


def _same_bytes(first: ClipEntry, second: ClipEntry) -> str:
    """The reason to leave out a copy of a clip."""
    said = [f"{one.label}{f', {one.split}' if one.split else ''}" for one in (first, second)]
    other = "" if said[0] == said[1] else f" ({said[0]}), though this one is {said[1]}"
    return f"has the same bytes as {first.name}{other}"


def _plan_set(
    mode: str,
    clip: ReadClip,
    window: Window,
    others: Sequence[ReadClip],
    settings: GenerateSettings,
    weights_id: str,
) -> SetPlan:
    """Plan one set; its id is a hash of everything that decides its content."""
    if mode == "transfer":
        other = _draw_source(clip, window, others, settings.seed)
        source = SourceFrame(other.entry, other.clip_id, 0, other.length, other.size)
    else:
        other = clip
        source = SourceFrame(clip.entry, clip.clip_id, window.start, clip.length, clip.size)
    masks = other.masks.get(source.frame)
    plan = SetPlan("", clip.entry, clip.clip_id, window, source, mode, masks)
    return replace(plan, set_id=planned_id(plan, settings, weights_id, masks))


def planned_id(
    plan: SetPlan,
    settings: GenerateSettings,
    weights_id: str,
    masks: SetMasks | None = None,
    order: DefectOrder | None = None,
) -> str:
    """The id of a set: a hash of everything that decides its content.

    Args:
        plan: Its clips, window and mode.
        settings: As in `plan_sets`.
        weights_id: The model's id.
        masks: The kind of its masks.
        order: The defect or placebo that it gets.
    """
    window, source = plan.window, plan.source
    return sample_set_id(
        plan.clip_id,
        (window.start, window.past, window.future),
        (source.clip_id, source.frame),
        plan.mode,
        weights_id,
        settings.model_dump(mode="json"),
        masks.id if masks else None,
        order.id if order else None,
    )


def _draw_source(clip: ReadClip, window: Window, others: Sequence[ReadClip], seed: int) -> ReadClip:
    """Choose another clip to animate; the choice depends on the seed, the clip and the window.

    Every other clip draws a lot and the highest wins. So an additional clip takes over its share
    of the windows, and all other windows keep their sources.
    """
    candidates = [other for other in others if other.clip_id != clip.clip_id]
    if not candidates:
        raise ClipError(
            f"transfer mode: expected another clip to animate beside {clip.entry.name}, "
            "found none; add clips or name a folder with --sources"
        )

    def lot(other: ReadClip) -> int:
        return derive_seed(seed, clip.clip_id, window.start, "source", other.clip_id)

    return max(candidates, key=lot)
