"""Scores each frame of a stream by the futures that were sampled before it.

No score depends on a frame after its own.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import NothingToFollowError
from flawcast.configs.identity import derive_seed
from flawcast.flows.evaluation.watch.calibration import Calibration, Pace, WatchSettings
from flawcast.flows.evaluation.watch.sights import Sight
from flawcast.generators.backbones.layers.live import Sighting
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.selection.surprise.futures import Surprise, surprise
from flawcast.selection.surprise.tails import rarest

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

KINDS = ("density", "energy", "picture", "outline", "pace")
NOISE = 1e-3  # of keypoints, in [-1, 1]: a tenth of a pixel at 200
PACE_FRAMES = 6  # over which a part's speed is measured
FEWEST_BEFORE = 6  # frames of a part's own that its picture is compared with
MOST_GAP = 6  # frames: after a longer one, parts are found anew
LEAST_SPEED = 1e-3  # in [-1, 1] per frame: slower is standing still


@dataclass(frozen=True)
class Forecast:
    """Futures of a part that were sampled at a frame.

    Args:
        part: Its number.
        frame: The last frame that they know.
        start: Keypoints at that frame, (D,).
        futures: Keypoints, (N, F, D).
        motion: The part's motion at that frame, pixels, (2, 3).
        outline: The part in its first frame; None if that is not known.
        poses: What is compared of them, (N, F, d).
    """

    part: int
    frame: int
    start: Floats
    futures: NDArray[np.float32]
    motion: Floats
    outline: NDArray[np.bool_] | None
    poses: Floats


@dataclass(frozen=True)
class Moment:
    """What a watch says of one frame.

    Args:
        frame: Its number.
        kinds: Scores by kind, the highest of all parts; nan where there is none.
        parts: The part of each of these.
        coverage: Share of values within what was expected, of the part that is least so.
        score: How seldom good footage shows as much, in nats, over the last frames.
        kind: The kind of score that decides it.
        part: The part that decides it; -1 for none.
        followed: How many parts are followed.
        paces: Logarithms of speed and area of each part, (2,) each.
    """

    frame: int
    kinds: dict[str, float]
    parts: dict[str, int]
    coverage: float
    score: float
    kind: str
    part: int
    followed: int
    paces: tuple[Floats, ...] = ()


@dataclass
class Memory:
    """What is remembered of a part.

    Args:
        vectors: Its keypoints in the last frames, (D,) each.
        frames: The numbers of these.
        pictures: Differences of its picture.
        outlines: Differences of its outline.
        forecasts: Those that reach the present.
        track: All its keypoints, where they are wanted.
    """

    vectors: deque[Floats]
    frames: deque[int]
    pictures: list[float] = field(default_factory=list)
    outlines: list[float] = field(default_factory=list)
    forecasts: deque[Forecast] = field(default_factory=lambda: deque(maxlen=16))
    track: list[Floats] = field(default_factory=list)


class Watcher:
    """Watches one stream.

    Args:
        sight: Sees its parts.
        predictor: Samples their futures; None to remember tracks and paces alone.
        settings: Horizon and number of futures.
        calibration: What good footage shows; None for scores by kind alone.
        pace: How good parts move, where there is no calibration yet.
        seed: Decides the futures.
    """

    def __init__(
        self,
        sight: Sight,
        predictor: KeypointPredictor | None,
        settings: WatchSettings,
        calibration: Calibration | None = None,
        pace: Pace | None = None,
        seed: int = 0,
    ) -> None:
        self.sight, self.predictor, self.settings, self.seed = sight, predictor, settings, seed
        self._tails = {} if calibration is None else calibration.by_kind()
        self._pace = pace if calibration is None else calibration.pace
        self.memories: dict[int, Memory] = {}
        self.tracks: list[NDArray[np.float32]] = []
        self._first: list[tuple[int, Image]] = []
        self._last = -1
        self._nats: deque[tuple[float, str, int]] = deque(maxlen=settings.smooth)
        self.forecasts: deque[Forecast] = deque(maxlen=64)
        self._started = False

    def see(self, number: int, frame: Image) -> list[Moment]:
        """Take the next frame, RGB, (h, w, 3), as the sight has shaped it.

        Returns:
            What is said of it. The first `past` frames have no score, and come together.

        Raises:
            NothingToFollowError: If the whole picture changes.
            ClipError: If the first frames show nothing that can be watched.
        """
        gap = number - self._last
        self._last = number
        if not self._started:
            if gap > MOST_GAP:
                self._first.clear()
            self._first.append((number, frame))
            if len(self._first) < self.settings.past:
                return []
            return self._start()
        if gap > MOST_GAP:  # the background is known: to find it again would only lose more frames
            self._forget()
            gap = 1
        return [self._said(number, self.sight.step(frame, gap), gap)]

    def finish(self) -> None:
        """End the tracks of all parts."""
        for memory in self.memories.values():
            self._keep(memory)
        self.memories.clear()

    def _start(self) -> list[Moment]:
        """Begin with the frames that have waited."""
        numbers, frames = zip(*self._first, strict=True)
        self._first, self._started = [], True
        sightings = self.sight.start(np.stack(frames))
        for number, seen in zip(numbers, sightings, strict=True):
            self._said(number, seen, 1)
        self._nats.extend([(0.0, "", -1)] * self.settings.smooth)  # nothing is known yet
        nothing = dict.fromkeys(KINDS, float("nan"))
        return [
            Moment(number, nothing, {}, float("nan"), 0.0, "", -1, len(seen))
            for number, seen in zip(numbers, sightings, strict=True)
        ]

    def _forget(self) -> None:
        """Find parts anew after a pause."""
        self.finish()
        self.sight.forget()
        self._nats.extend([(0.0, "", -1)] * self.settings.smooth)

    def _keep(self, memory: Memory) -> None:
        """Remember the track of a part that has gone."""
        if len(memory.track) >= self.settings.past:
            self.tracks.append(np.stack(memory.track).astype(np.float32))

    def _said(self, number: int, seen: list[Sighting], gap: int) -> Moment:
        """Score a frame."""
        present = {one.part for one in seen}
        for part in [one for one in self.memories if one not in present]:
            self._keep(self.memories.pop(part))
        kinds = dict.fromkeys(KINDS, float("nan"))
        parts: dict[str, int] = {}
        coverages, paces = [], []
        for one in seen:
            own, coverage, pace = self._of_part(number, one, gap)
            if np.isfinite(coverage):
                coverages.append(coverage)
            if pace is not None:
                paces.append(pace)
            for name, value in own.items():
                if np.isfinite(value) and not value <= kinds[name]:
                    kinds[name], parts[name] = value, one.part
        nats, kind = rarest(kinds, self._tails)
        self._nats.append((nats, kind, parts.get(kind, -1)))
        strongest = max(self._nats, key=lambda one: one[0])
        return Moment(
            number,
            kinds,
            parts,
            min(coverages, default=float("nan")),
            float(np.mean([one[0] for one in self._nats])),
            strongest[1],
            strongest[2],
            len(seen),
            tuple(paces),
        )

    def _of_part(
        self, number: int, one: Sighting, gap: int
    ) -> tuple[dict[str, float], float, Floats | None]:
        """Scores of a part by kind, the coverage, and its pace."""
        settings = self.settings
        length = settings.past + settings.future
        memory = self.memories.setdefault(
            one.part, Memory(deque(maxlen=length), deque(maxlen=length))
        )
        self._remember(memory, number, one, gap)
        scores: dict[str, float] = {}
        scores["picture"] = _change(memory.pictures, one.picture, settings.past)
        scores["outline"] = _change(memory.outlines, one.outline, settings.past)
        pace = self._pace_of(memory, one.area)
        if pace is not None and self._pace is not None:
            scores["pace"] = float(np.log1p(self._pace.distance(pace)))
        coverage = float("nan")
        found = [
            self._against(memory, forecast, number)
            for forecast in memory.forecasts
            if 0 < number - forecast.frame <= settings.future
        ]
        if found:
            scores["density"] = float(np.log1p(np.mean([item.density for item in found])))
            scores["energy"] = float(np.log1p(np.mean([item.energy for item in found])))
            coverage = float(np.mean([item.coverage for item in found]))
        if (number + one.part) % settings.every == 0 and len(memory.vectors) >= settings.past:
            self._forecast(memory, number, one)
        return scores, coverage, pace

    def _remember(self, memory: Memory, number: int, one: Sighting, gap: int) -> None:
        """Add a sighting to what is remembered; dropped frames are filled in evenly."""
        vector = np.asarray(one.keypoints, np.float32)
        before = memory.vectors[-1] if memory.vectors else vector
        for step in range(1, gap if memory.vectors else 1):
            between = before + (vector - before) * (step / gap)
            memory.vectors.append(between)
            memory.frames.append(number - gap + step)
            memory.track.append(between)
        memory.vectors.append(vector)
        memory.frames.append(number)
        memory.track.append(vector)
        memory.pictures.append(one.picture)
        memory.outlines.append(one.outline)
        del memory.pictures[: -3 * self.settings.past], memory.outlines[: -3 * self.settings.past]
        if self.predictor is not None:  # tracks are wanted for fitting alone
            memory.track = memory.track[-self.settings.past :]

    def _against(self, memory: Memory, forecast: Forecast, number: int) -> Surprise:
        """A forecast beside what has happened since."""
        ahead = number - forecast.frame
        truth = self.sight.pose(np.stack(list(memory.vectors)[-ahead:]))
        return surprise(forecast.poses[:, :ahead], truth, NOISE)

    def _forecast(self, memory: Memory, number: int, one: Sighting) -> None:
        """Sample the futures of a part; equal streams give equal ones."""
        if self.predictor is None:
            return
        past = torch.from_numpy(np.stack(list(memory.vectors)[-self.settings.past :]))
        seed = derive_seed(self.seed, "watch", one.part, number)
        futures = self.predictor.sample(
            past, self.settings.future, self.settings.samples, torch.Generator().manual_seed(seed)
        ).numpy()
        outline = self.sight.outline(one.part)
        start, poses = memory.vectors[-1], self.sight.pose(futures)
        made = Forecast(one.part, number, start, futures, one.motion, outline, poses)
        memory.forecasts.append(made)
        self.forecasts.append(made)

    def _pace_of(self, memory: Memory, area: float) -> Floats | None:
        """Logarithms of a part's speed and area; None before it is known."""
        if len(memory.vectors) <= PACE_FRAMES or not np.isfinite(area):
            return None
        here, there = (
            self.sight.places(memory.vectors[index]).mean(axis=0)
            for index in (-1, -1 - PACE_FRAMES)
        )
        speed = float(np.linalg.norm(here - there)) / PACE_FRAMES
        return np.array([np.log(speed + LEAST_SPEED), np.log(area)])


def _change(values: list[float], now: float, past: int) -> float:
    """How far a value is above its median in the frames before the last few, as a logarithm."""
    before = values[:-1][-2 * past :]
    before = before[: max(FEWEST_BEFORE, len(before) - past // 2)]
    known = [value for value in before if np.isfinite(value)]
    if len(known) < FEWEST_BEFORE or not np.isfinite(now):
        return float("nan")
    return float(np.log1p(max(0.0, now - float(np.median(known)))))


def check_watchable(moments: int, followed: int, name: str) -> None:
    """Refuse a stream in which nothing was ever followed.

    Raises:
        NothingToFollowError: If that is so.
    """
    if moments and not followed:
        raise NothingToFollowError(f"{name}: no part of it could be followed")
