"""Pictures made of a few clips with anomalies: cut-outs, moved along futures of their tracks."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.configs.identity import derive_seed
from flawcast.flows.uplift.images.frames import Frame
from flawcast.flows.uplift.tracks.following import MaskedClip, Track, tracks_of
from flawcast.generators.forecasters import KeypointPredictor

FORECASTER = "rigid_ridge"
DRAWN = 20  # futures of a track's past, of which one is used
SOFT = 1.2  # pixels over which a cut-out fades into what is behind it
LEAST_SEEN = 0.5  # of a cut-out, that must lie in the picture
TRIES = 5
LIGHT, CONTRAST = 12, 0.12  # of augmentation


@dataclass
class TrackMaker:
    """Makes pictures of clips to learn from, and no others.

    Args:
        bad: Clips with anomalies.
        good: Clips without.
        made: Pictures of each kind.
        past: Frames of a track that the forecaster sees, P.
        future: Frames that it samples, F.
        seed: Decides all of them.
        rejected: Pictures that could not be made, by reason; counted on.
    """

    bad: Sequence[MaskedClip]
    good: Sequence[MaskedClip]
    made: int
    past: int
    future: int
    seed: int
    rejected: Counter[str] = field(default_factory=Counter)
    _tracks: list[Track] | None = None
    _futures: dict[tuple[int, int], NDArray[np.float64]] = field(default_factory=dict)
    _predictor: KeypointPredictor | None = None
    _made: dict[str, list[Frame]] = field(default_factory=dict)

    def make(self, kind: str) -> list[Frame]:
        """The pictures of one kind: "moved", "cut_paste" or "placebos"."""
        if kind not in self._made:
            ways: dict[str, Callable[[], list[Frame]]] = {
                "moved": partial(self._along_tracks, harmless=False),
                "cut_paste": self._cut_paste,
                "placebos": partial(self._along_tracks, harmless=True),
            }
            self._made[kind] = ways[kind]()
        return self._made[kind]

    @property
    def tracks(self) -> list[Track]:
        """Tracks of the clips with anomalies, long enough for a past.

        Raises:
            ClipError: If there are none.
        """
        if self._tracks is None:
            self._tracks = [
                track
                for number, clip in enumerate(self.bad)
                for track in tracks_of(clip, number, self.past)
            ]
            if not self._tracks:
                names = ", ".join(clip.name for clip in self.bad)
                raise ClipError(
                    f"clips: expected an anomaly that can be followed for {self.past} frames in "
                    f"{names}, found none; lower past"
                )
        return self._tracks

    def _along_tracks(self, harmless: bool) -> list[Frame]:
        """Cut-outs in frames of good clips, at places of sampled futures of their own tracks.

        Args:
            harmless: Whether the cut-out shows a good clip's surface at the same place, by the
                same masks: a control that shows what pasting does alone.
        """
        rng = np.random.default_rng(derive_seed(self.seed, "moved", str(harmless)))
        frames = []
        for number in range(self.made):
            track = self.tracks[number % len(self.tracks)]
            for _ in range(TRIES):
                frame = self._moved(track, number % len(self.tracks), rng, harmless)
                if frame is not None:
                    frames.append(frame)
                    break
                self.rejected["out of the picture"] += 1
        return frames

    def _moved(
        self, track: Track, number: int, rng: np.random.Generator, harmless: bool
    ) -> Frame | None:
        """One picture; None if the cut-out would lie outside."""
        last = int(rng.integers(self.past - 1, len(track.frames)))  # of the past
        future = self._future(number, last)[
            int(rng.integers(DRAWN)), int(rng.integers(self.future))
        ]
        way = future - track.centres[last]
        mask = track.masks[last]
        source = self.bad[track.clip].frames[track.frames[last]]
        if harmless:
            source = self._any_good(rng)
        return laid_over(self._any_good(rng), source, mask, way, SOFT)

    def _future(self, number: int, last: int) -> NDArray[np.float64]:
        """Sampled futures of a track after its frame `last`, (N, F, 2)."""
        key = number, last
        if key not in self._futures:
            past = torch.from_numpy(self.tracks[number].centres[: last + 1][-self.past :]).float()
            generator = torch.Generator().manual_seed(derive_seed(self.seed, number, last) % 2**62)
            futures = self._forecaster.sample(past / self._scale, self.future, DRAWN, generator)
            self._futures[key] = futures.double().numpy() * self._scale
        return self._futures[key]

    @property
    def _scale(self) -> float:
        """Half the picture's width: forecasters know coordinates between -1 and 1."""
        return self.bad[0].frames.shape[2] / 2

    @property
    def _forecaster(self) -> KeypointPredictor:
        """Fitted to the tracks that are long enough; to shorter futures where none is."""
        if self._predictor is None:
            series = [
                torch.from_numpy(track.centres).float() / self._scale for track in self.tracks
            ]
            longest = max(len(one) for one in series)
            future = min(self.future, max(1, longest - self.past))
            predictor = KeypointPredictor(FORECASTER, 2, {"horizon": future, "per_keypoint": 2})
            predictor.fit(series, self.past, future, seed=self.seed % 2**31)
            self._predictor = predictor
        return self._predictor

    def _cut_paste(self) -> list[Frame]:
        """An anomaly's pixels, hard, mirrored and scaled, anywhere in a good frame."""
        rng = np.random.default_rng(derive_seed(self.seed, "cut-paste"))
        frames = []
        for number in range(self.made):
            track = self.tracks[number % len(self.tracks)]
            index = int(rng.integers(len(track.frames)))
            mask, source = track.masks[index], self.bad[track.clip].frames[track.frames[index]]
            height, width = mask.shape
            for _ in range(TRIES):
                place = rng.uniform((0, 0), (width, height))
                frame = laid_over(
                    self._any_good(rng), source, mask, place - track.centres[index], 0.0
                )
                if frame is not None:
                    frames.append(frame)
                    break
        return frames

    def _any_good(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A frame of a good clip, by chance."""
        clip = self.good[int(rng.integers(len(self.good)))]
        return clip.frames[int(rng.integers(len(clip.frames)))]


def laid_over(
    behind: NDArray[np.uint8],
    source: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    way: NDArray[np.float64],
    soft: float,
) -> Frame | None:
    """Lay a region of one frame over another frame, moved.

    Args:
        behind: RGB, (H, W, 3).
        source: The frame with the region, (H, W, 3).
        mask: The region, (H, W).
        way: How far it is moved, x and y in pixels.
        soft: Pixels over which it fades out; 0 for a hard edge.

    Returns:
        The picture; None if too little of the region lies in it.
    """
    matrix = np.array([[1, 0, way[0]], [0, 1, way[1]]], np.float64)
    size = (mask.shape[1], mask.shape[0])
    alpha = mask.astype(np.float32)
    if soft:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft), np.float32)
    moved = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR)
    matte = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR)
    where = cv2.warpAffine(mask.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR) > 0.5
    if where.sum() < LEAST_SEEN * mask.sum():
        return None
    matte = (matte if soft else where.astype(np.float32))[..., None]
    picture = matte * moved + (1 - matte) * behind
    return Frame(picture.round().astype(np.uint8), where, np.ones(mask.shape, bool))


def real_frames(clips: Sequence[MaskedClip], every: int) -> list[Frame]:
    """Every n-th frame of clips."""
    return [
        Frame(clip.frames[index], clip.masks[index], np.ones(clip.masks.shape[1:], bool))
        for clip in clips
        for index in range(every // 2, len(clip.frames), every)
    ]


def augment(frame: Frame, rng: np.random.Generator) -> Frame:
    """Mirror a frame by chance, and change its light; a camera is not turned."""
    step = -1 if rng.uniform() < 0.5 else 1
    before = np.ascontiguousarray(frame.picture[:, ::step])
    mask, valid = (np.ascontiguousarray(one[:, ::step]) for one in (frame.mask, frame.valid))
    middle = before.mean()
    gain, light = rng.uniform(1 - CONTRAST, 1 + CONTRAST), rng.uniform(-LIGHT, LIGHT)
    picture = np.clip((before - middle) * gain + middle + light, 0, 255).astype(np.uint8)
    return Frame(picture, mask, valid)
