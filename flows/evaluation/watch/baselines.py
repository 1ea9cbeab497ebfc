"""Simple detectors beside a watch, which learn from the same good clips and know no future either.

All of them are causal: the score of a frame is made of it and of those before it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.errors import MissingExtraError
from flawcast.flows.evaluation.watch.calibration import WatchSettings
from flawcast.flows.evaluation.watch.watcher import FEWEST_BEFORE
from flawcast.flows.uplift.detectors.features import see_features
from flawcast.flows.uplift.detectors.memory_bank import BANK, TOP, coreset, distances
from flawcast.flows.uplift.detectors.sights import seen_frames
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.video_features.pictures import check_pretrained
from flawcast.selection.surprise.tails import running_mean

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]
Scorer = Callable[[Sequence[Image]], Floats]

BEFORE = 24  # frames that a change is compared with


def motion_energy(frames: Sequence[Image]) -> Floats:
    """Mean change from the last frame, gray levels: (T,)."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    steps = [
        0.0,
        *(float(cv2.absdiff(a, b).mean()) for a, b in pairwise(greys)),
    ]
    return np.array(steps)


def change_of_energy(energy: Floats) -> Floats:
    """How far the motion energy is from its median in the frames before: (T,)."""
    scores = np.zeros(len(energy))
    for index in range(FEWEST_BEFORE, len(energy)):
        usual = np.median(energy[max(1, index - BEFORE) : index])
        scores[index] = abs(energy[index] - usual)
    return scores


def frame_scorers(settings: WatchSettings) -> dict[str, Scorer]:
    """The detectors that learn nothing, by name; smoothed as a watch is."""
    smooth = settings.smooth
    return {
        "motion energy": lambda frames: running_mean(list(motion_energy(frames)), smooth),
        "change of motion energy": lambda frames: running_mean(
            list(change_of_energy(motion_energy(frames))), smooth
        ),
    }


class MemoryBaseline:
    """A memory bank of pretrained features of good frames, as `uplift`'s detector `memory`.

    Args:
        good: Frames of good clips, one after the other.
        seed: Chooses the features that are kept.

    Raises:
        MissingExtraError: If pretrained features are not installed.
    """

    def __init__(self, good: Iterable[Sequence[Image]], seed: int) -> None:
        check_pretrained()
        features = [see_features(np.stack(frames)) for frames in good]
        every = torch.cat([one.flatten(0, 2) for one in features])
        self._mean, self._scale = every.mean(0), every.std(0).clamp_min(1e-6)
        self._bank = coreset((every - self._mean) / self._scale, BANK, seed)

    def scores(self, frames: Sequence[Image]) -> Floats:
        """Distance of each frame's most unusual places from the bank; held between seen frames."""
        features = (see_features(np.stack(frames)) - self._mean) / self._scale
        apart = [distances(one.flatten(0, 1), self._bank) for one in features]
        places = max(1, round(TOP * len(apart[0])))
        values = np.array([float(one.topk(places).values.mean()) for one in apart])
        seen = np.arange(len(frames))[seen_frames(len(frames))]
        before = np.searchsorted(seen, np.arange(len(frames)), side="right") - 1
        return np.where(before >= 0, values[np.maximum(before, 0)], 0.0)


def has_memory() -> bool:
    """Whether the memory bank can be used here."""
    try:
        check_pretrained()
    except MissingExtraError:
        return False
    return True
