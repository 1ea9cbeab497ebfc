"""What a run will make: every sample set with its id, decided before anything is rendered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed, sample_set_id
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings
from flawcast.configs.spread import spread
from flawcast.flows.generate.masks import plan_masks
from flawcast.generators.clips import (
    ClipEntry,
    Reject,
    Window,
    iter_clips,
    split_windows,
)


@dataclass(frozen=True)
class SourceFrame:
    """The frame that is animated.

    Args:
        entry: The clip that it is from, to be read again by a worker.
        clip_id: That clip's id.
        frame: Its index after the stride.
        length: How many frames that clip has; read where its masks are.
    """

    entry: ClipEntry
    clip_id: str
    frame: int
    length: int = 0


@dataclass(frozen=True)
class SetPlan:
    """One sample set to be made; small enough to travel to a worker.

    Args:
        set_id: Hash of all that decides the set's content.
        entry: The clip whose future is sampled.
        clip_id: That clip's id.
        window: Which of its frames are past and future.
        source: The frame that is animated.
        mode: "reconstruction" or "transfer".
        masks: Which masks its videos get; None for none.
    """

    set_id: str
    entry: ClipEntry
    clip_id: str
    window: Window
    source: SourceFrame
    mode: str
    masks: SetMasks | None = None

    @property
    def title(self) -> str:
        """Label, mode and clip, for people."""
        return f"{self.entry.label} · {self.mode} · {self.entry.name} @ {self.window.start}"


@dataclass(frozen=True)
class Plan:
    """All sets of a run, in order, and the clips that could not be used."""

    sets: tuple[SetPlan, ...]
    rejects: tuple[Reject, ...] = field(default=())


@dataclass(frozen=True)
class _Seen:
    """What planning keeps of a clip once it was read."""

    entry: ClipEntry
    clip_id: str
    length: int
    masks: dict[int, SetMasks] = field(default_factory=dict)  # by frame that may be animated


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
    frame of another clip, drawn by the run's seed from `sources` (or else from the other clips).

    Args:
        clips: Folder of clips.
        sources: Folder of clips to animate in transfer mode; None for the same clips.
        modes: "reconstruction", "transfer" or both.
        settings: Horizon, samples and all else that decides a set.
        clip_settings: How clips are read.
        weights_id: Which model.
        windows: At most so many windows of each clip, evenly spread; None for all.
        on_clip: Called with the name of each clip that was read.
        masks: Whether videos get masks; a clip whose masks cannot be read is left out.

    Raises:
        ClipError: If no clip can be used, or transfer mode finds no other clip.
    """
    rejects: list[Reject] = []
    minimum = settings.past + settings.future
    seen = _read_all(clips, clip_settings, minimum, rejects, on_clip, masks)
    others = seen
    if "transfer" in modes and sources is not None:
        others = _read_all(sources, clip_settings, 1, rejects, on_clip, masks)
    sets = [
        _plan_set(mode, clip, window, others, settings, weights_id)
        for clip in seen
        for window in spread(split_windows(clip.length, settings.past, settings.future), windows)
        for mode in modes
    ]
    return Plan(tuple({plan.set_id: plan for plan in sets}.values()), tuple(rejects))


def _read_all(
    folder: Path,
    settings: ClipSettings,
    minimum: int,
    rejects: list[Reject],
    on_clip: Callable[[str], None],
    masks: bool,
) -> list[_Seen]:
    """Read every clip once: it must decode, and its id is a hash of its bytes."""
    seen = []
    for clip in iter_clips(folder, settings, minimum, rejects.append):
        entry, length = clip.entry, len(clip.frames)
        try:
            drawn = plan_masks(entry, settings, length, range(length)) if masks else {}
        except ClipError as error:
            rejects.append(Reject(entry.name, str(error).removeprefix(f"{entry.name}: ")))
            continue
        seen.append(_Seen(entry, clip.id, length, drawn))
        on_clip(clip.name)
    if not seen:
        raise ClipError(
            f"clips: expected a clip of {folder} whose masks can be read, the first cannot: "
            f"{rejects[-1].name}: {rejects[-1].reason}; mend them or leave out --masks"
        )
    return seen


def _plan_set(
    mode: str,
    clip: _Seen,
    window: Window,
    others: Sequence[_Seen],
    settings: GenerateSettings,
    weights_id: str,
) -> SetPlan:
    """Name one set by everything that decides its content."""
    if mode == "transfer":
        other = _draw_source(clip, window, others, settings.seed)
        source = SourceFrame(other.entry, other.clip_id, 0, other.length)
    else:
        other = clip
        source = SourceFrame(clip.entry, clip.clip_id, window.start, clip.length)
    masks = other.masks.get(source.frame)
    set_id = sample_set_id(
        clip.clip_id,
        (window.start, window.past, window.future),
        (source.clip_id, source.frame),
        mode,
        weights_id,
        settings.model_dump(mode="json"),
        masks.id if masks else None,
    )
    return SetPlan(set_id, clip.entry, clip.clip_id, window, source, mode, masks)


def _draw_source(clip: _Seen, window: Window, others: Sequence[_Seen], seed: int) -> _Seen:
    """Choose another clip to animate; which one depends on the seed, the clip and the window.

    Every other clip draws a lot and the highest wins: one clip more takes its share of the windows
    and leaves all others as they were.
    """
    candidates = [other for other in others if other.clip_id != clip.clip_id]
    if not candidates:
        raise ClipError(
            f"transfer mode: expected another clip to animate beside {clip.entry.name}, "
            "found none; add clips or name a folder with --sources"
        )

    def lot(other: _Seen) -> int:
        return derive_seed(seed, clip.clip_id, window.start, "source", other.clip_id)

    return max(candidates, key=lot)
