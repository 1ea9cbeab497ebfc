"""Which motion goes on which source: even over clips, windows and sources.

What is chosen here was found in trials on clips to train on (docs/training.md): every real motion
on many good parts, each of which lends its looks before one lends them again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flawcast.configs.identity import derive_seed
from flawcast.flows.generate.reading import ReadClip
from flawcast.generators.clips import Window


@dataclass(frozen=True)
class Stretch:
    """A window of a clip: its motion, or its first frame as a source."""

    clip: ReadClip
    window: Window

    @property
    def key(self) -> tuple[str, int]:
        """Clip and frame."""
        return self.clip.clip_id, self.window.start


@dataclass(frozen=True)
class Pair:
    """A motion on a source.

    Args:
        motion: Whose motion.
        source: Whose first frame.
        turn: How often this motion was put on this source before.
    """

    motion: Stretch
    source: Stretch
    turn: int


def usable_windows(clip: ReadClip, past: int, future: int, is_good: bool) -> list[Window]:
    """Windows whose motion has the clip's label, the last one first.

    Windows are counted back from the end, where a defect shows that began within the clip. All
    windows of a good clip are good; of a defective one whose onset nobody named, only the last is
    sure to be defective.

    Args:
        clip: The clip.
        past: P.
        future: F.
        is_good: Whether the clip shows a good part.
    """
    length = past + future
    windows = [
        Window(start, past, future)
        for first, end in reversed(clip.stretches)
        for start in range(end - length, first - 1, -length)
    ]
    if is_good:
        return windows
    if clip.onset is None:
        return windows[:1]
    later = [window for window in windows if window.start + length > clip.onset]
    return later or windows[:1]


def in_turn(
    clips: Sequence[ReadClip], past: int, future: int, is_good: bool, seed: int
) -> list[Stretch]:
    """Windows of clips in random order: one of each clip, then a second one of each, and so on."""
    order = np.random.default_rng(seed).permutation(len(clips)).tolist()
    windows = [usable_windows(clips[index], past, future, is_good) for index in order]
    most = max(map(len, windows), default=0)
    return [
        Stretch(clips[index], found[number])
        for number in range(most)
        for index, found in zip(order, windows, strict=True)
        if number < len(found)
    ]


def pair_up(
    motions: Sequence[Stretch], sources: Sequence[Stretch], count: int, lent: Counter[str]
) -> Iterator[Pair]:
    """Put motions on sources, `count` times.

    Motions come in turn. Each goes on a source that it was not on before, if there is one, and
    among these on one whose clip lent its looks the fewest times. A clip's motion goes on the
    frame of the clip itself only where there is no other.

    Args:
        motions: In their order.
        sources: In their order.
        count: How many pairs.
        lent: How often each clip lent its looks so far; counted on.
    """
    used: Counter[tuple[tuple[str, int], tuple[str, int]]] = Counter()
    for number in range(count):
        motion = motions[number % len(motions)]
        others = [source for source in sources if source.clip.clip_id != motion.clip.clip_id]
        source = min(
            others or sources,
            key=lambda one: (used[motion.key, one.key], lent[one.clip.clip_id]),
        )
        yield Pair(motion, source, used[motion.key, source.key])
        used[motion.key, source.key] += 1
        lent[source.clip.clip_id] += 1


def order_seed(seed: int, what: str, label: str) -> int:
    """Seed of the order of a label's motions or sources."""
    return derive_seed(seed, "augment", what, label)
