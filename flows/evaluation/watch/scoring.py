"""Streams that are watched as a whole: good clips and pieces of them, and their scores."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.flows.evaluation.watch.calibration import Calibration
from flawcast.flows.evaluation.watch.watcher import KINDS, Moment, Watcher
from flawcast.generators.backbones.layers.plate import Plate
from flawcast.generators.clips import ClipEntry
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.streams import ClipStream
from flawcast.selection.surprise.tails import rarest, running_mean

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]
Say = Callable[[str], None]

FEWEST_CLIPS = 4  # of fewer, each is cut in two in the middle of its time


@dataclass(frozen=True)
class Piece:
    """A stretch of a good clip.

    Args:
        entry: The clip.
        first: Its first frame.
        last: The frame after its last one; None for the end.
    """

    entry: ClipEntry
    first: int = 0
    last: int | None = None

    @property
    def name(self) -> str:
        """The clip's name, with its frames where they are not all."""
        if not self.first and self.last is None:
            return self.entry.name
        return f"{self.entry.name}[{self.first}:{'' if self.last is None else self.last}]"


@dataclass(frozen=True)
class Scored:
    """A stream that was watched.

    Args:
        name: Of the stream.
        fps: Frames per second.
        kinds: Scores of every frame by kind, (T,) each; nan where there was none.
        coverage: Share of values within what was expected, (T,).
        followed: How many parts were followed, (T,).
        tracks: Keypoints of its parts, (T', D) each.
        paces: Of its parts, (2,) each.
        plate: Its background; None if that is not known.
    """

    name: str
    fps: float
    kinds: dict[str, Floats]
    coverage: Floats
    followed: Floats
    tracks: list[NDArray[np.float32]]
    paces: list[Floats]
    plate: Plate | None


def divided(entries: Sequence[ClipEntry], say: Say) -> tuple[list[Piece], list[Piece]]:
    """Good clips to fit and to calibrate: every second one, or the halves of very few."""
    if len(entries) >= FEWEST_CLIPS:
        pieces = [Piece(entry) for entry in entries]
        return pieces[::2], pieces[1::2]
    say(f"{len(entries)} good clips: the first half of each fits, the second half calibrates")
    first, second = [], []
    for entry in entries:
        count = sum(1 for _ in ClipStream(entry).frames())
        first.append(Piece(entry, 0, count // 2))
        second.append(Piece(entry, count // 2))
    return first, second


def score_stream(
    frames: Iterator[tuple[int, Image]], fps: float, name: str, watcher: Watcher
) -> Scored:
    """Watch a whole stream.

    Raises:
        ClipError: If it cannot be read, or nothing in it can be watched.
    """
    moments: list[Moment] = []
    first = None
    for number, frame in frames:
        first = number if first is None else first
        moments += watcher.see(number - first, watcher.sight.shape(frame))
    watcher.finish()
    if not moments:
        raise ClipError(
            f"{name}: expected more than {watcher.settings.past} frames, the past of a forecast; "
            "use a longer clip"
        )
    kinds = {kind: np.array([one.kinds[kind] for one in moments]) for kind in KINDS}
    return Scored(
        name,
        fps,
        kinds,
        np.array([one.coverage for one in moments]),
        np.array([one.followed for one in moments]),
        watcher.tracks,
        [pace for one in moments for pace in one.paces],
        watcher.sight.plate(),
    )


def fused(kinds: dict[str, Floats], calibration: Calibration) -> Floats:
    """The score of every frame from its scores by kind, as a watch gives it: (T,)."""
    tails = calibration.by_kind()
    length = len(next(iter(kinds.values())))
    nats = [
        rarest({name: float(values[index]) for name, values in kinds.items()}, tails)[0]
        for index in range(length)
    ]
    return running_mean(nats, calibration.settings.smooth)


def frames_of(piece: Piece, side: int) -> list[Image]:
    """Frames of a clip at the size that a watch sees."""
    read = ClipSettings(size=side, fit="keep")
    frames = islice(ClipStream(piece.entry).frames(), piece.first, piece.last)
    return [resize_frame(frame, read) for _, frame in frames]
