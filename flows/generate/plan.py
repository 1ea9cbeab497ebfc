"""What a run will make: every sample set with its id, decided before anything is rendered."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectOrder
from flawcast.configs.driving import Driving
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed, sample_set_id
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings
from flawcast.configs.spread import spread
from flawcast.flows.generate.reading import ReadClip, read_clips
from flawcast.generators.clips import ClipEntry, Reject, Window
from flawcast.generators.clips.reading import windows_within

PORTION = 4096  # ids that are texts at once


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
        sets: All sets, in order; a million `PlannedSets` take 20 MB.
        rejects: The clips that could not be used.
        notes: Notes on the others.
        about: What else the run's record says, as plain values.
    """

    sets: Sequence[SetPlan]
    rejects: tuple[Reject, ...] = field(default=())
    notes: tuple[Reject, ...] = field(default=())
    about: Mapping[str, Any] = field(default_factory=dict)


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
    draw = partial(_draw_source, others=others, seed=settings.seed)
    sets = PlannedSets.plan(read, others, dict.fromkeys(modes), settings, weights_id, windows, draw)
    return Plan(sets, tuple(rejects), tuple(notes))


@dataclass(frozen=True, eq=False)
class PlannedSets(Sequence[SetPlan]):
    """Sets that become objects when they are asked for, so that a million of them take 20 MB.

    Args:
        clips: The clips whose futures are sampled.
        others: The clips of the source frames.
        horizon: Past and future frames.
        modes: The modes.
        keys: The number that each set's id says in hexadecimal digits.
        table: For each set the numbers of its clip, its first frame, its mode and the source's
            clip, (sets, 4).
    """

    clips: Sequence[ReadClip]
    others: Sequence[ReadClip]
    horizon: tuple[int, int]
    modes: tuple[str, ...]
    keys: NDArray[np.uint64]
    table: NDArray[np.int32]

    @staticmethod
    def plan(
        clips: Sequence[ReadClip],
        others: Sequence[ReadClip],
        modes: Iterable[str],
        settings: GenerateSettings,
        weights_id: str,
        windows: int | None,
        draw: Callable[[ReadClip, Window], ReadClip],
    ) -> "PlannedSets":
        """Decide every set's source and id.

        Args:
            clips: As `read_clips` returns them.
            others: As `read_clips` returns them.
            modes: Modes, each once.
            settings: As in `plan_sets`.
            weights_id: The model's id.
            windows: As in `plan_sets`.
            draw: Chooses the clip to animate in transfer mode.
        """
        horizon, plain = (settings.past, settings.future), settings.model_dump(mode="json")
        number_of = {other.clip_id: number for number, other in enumerate(others)}
        table, keys = array("i"), array("Q")
        names = tuple(modes)
        empty = np.zeros(0, np.uint64), np.zeros((0, 4), np.int32)
        found = PlannedSets(clips, others, horizon, names, *empty)
        for number, clip in enumerate(clips):
            for window in spread(_windows(clip, settings), windows):
                for mode, name in enumerate(names):
                    drawn = number_of[draw(clip, window).clip_id] if name == "transfer" else 0
                    row = (number, window.start, mode, drawn)
                    one = found.at(row)
                    set_id = planned_id(one, plain, weights_id, one.masks)
                    table.extend(row)
                    keys.append(int(set_id.removeprefix("set-"), 16))
        rows = np.frombuffer(table, np.int32).reshape(-1, 4) if keys else empty[1]
        return replace(found, keys=np.array(keys, np.uint64), table=rows)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> SetPlan: ...

    @overload
    def __getitem__(self, index: "slice | NDArray[np.bool_]") -> "PlannedSets": ...

    def __getitem__(self, index: "int | slice | NDArray[np.bool_]") -> "SetPlan | PlannedSets":
        if isinstance(index, (slice, np.ndarray)):
            return replace(self, keys=self.keys[index], table=self.table[index])
        row = tuple(self.table[index].tolist())
        return replace(self.at(row), set_id=f"set-{int(self.keys[index]):016x}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self.keys.tobytes())

    def __getstate__(self) -> dict[str, Any]:
        """To a worker go only the clips and masks that its sets need."""
        table = self.table.copy()
        named: list[tuple[ReadClip, ...]] = []
        for column, clips in ((0, self.clips), (3, self.others)):
            used, table[:, column] = np.unique(table[:, column], return_inverse=True)
            starts = {self._source_frame(row) for row in table.tolist()}
            named.append(
                tuple(
                    replace(clip, masks={at: clip.masks[at] for at in starts & clip.masks.keys()})
                    for clip in (clips[number] for number in used.tolist())
                )
            )
        return {**self.__dict__, "clips": named[0], "others": named[1], "table": table}

    def ids(self) -> Iterator[list[str]]:
        """Ids of the sets, a few thousand at a time."""
        for start in range(0, len(self), PORTION):
            yield [f"set-{key:016x}" for key in self.keys[start : start + PORTION].tolist()]

    def at(self, row: Sequence[int]) -> SetPlan:
        """The set of a row of the table, without its id."""
        clip, mode = self.clips[row[0]], self.modes[row[2]]
        other = self.others[row[3]] if mode == "transfer" else clip
        frame = self._source_frame(row)
        source = SourceFrame(other.entry, other.clip_id, frame, other.length, other.size)
        window = Window(row[1], *self.horizon)
        return SetPlan("", clip.entry, clip.clip_id, window, source, mode, other.masks.get(frame))

    def _source_frame(self, row: Sequence[int]) -> int:
        """The frame that is animated: the window's first, or the first of another clip."""
        return 0 if self.modes[row[2]] == "transfer" else row[1]


def ids_of(plans: Sequence[SetPlan]) -> Iterator[list[str]]:
    """Ids of some sets, a few thousand at a time."""
    if isinstance(plans, PlannedSets):
        yield from plans.ids()
        return
    for start in range(0, len(plans), PORTION):
        yield [plan.set_id for plan in plans[start : start + PORTION]]


def modes_of(plans: Sequence[SetPlan]) -> set[str]:
    """The modes of some sets."""
    if isinstance(plans, PlannedSets):
        return {plans.modes[number] for number in np.unique(plans.table[:, 2]).tolist()}
    return {plan.mode for plan in plans}


def _windows(clip: ReadClip, settings: GenerateSettings) -> list[Window]:
    """The windows of a clip."""
    return windows_within(clip.stretches, settings.past, settings.future)


def planned_id(
    plan: SetPlan,
    settings: GenerateSettings | Mapping[str, Any],
    weights_id: str,
    masks: SetMasks | None = None,
    order: DefectOrder | None = None,
) -> str:
    """The id of a set: a hash of everything that decides its content.

    Args:
        plan: Its clips, window and mode.
        settings: As in `plan_sets`, or these as plain values.
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
        settings if isinstance(settings, Mapping) else settings.model_dump(mode="json"),
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
