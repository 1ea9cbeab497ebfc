"""What a round draws more of: the labels, motions, sources and looks that a detector misses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings, Range
from flawcast.configs.errors import MissingExtraError
from flawcast.flows.augment.choosing import Stretch
from flawcast.flows.augment.misses import Misses, nearest_first, read_misses, refuse_test_clips
from flawcast.flows.augment.request import AugmentRequest
from flawcast.generators.clips import ClipEntry, read_entry
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.video_features.pictures import check_pretrained, load_pretrained

NEAR, FEWEST = 0.5, 4  # share of the clips that are used, the nearest ones; at least so many
SIZES, SEVERITIES = 1.3, 0.15  # around those of what is missed: a factor, and a difference
SIZE, CELLS, SMALL = 224, 2, 8  # pixels of a frame for its features; cells and pixels of a side


@dataclass
class Guide:
    """What one round draws.

    Args:
        misses: What was missed.
        videos: Videos of each label.
        read: How clips are read.
        entries: The scored clips, by the name that the scores give them.
        horizon: P and F.
    """

    misses: Misses
    videos: dict[str, int]
    read: ClipSettings
    entries: dict[str, ClipEntry]
    horizon: tuple[int, int]
    _features: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @staticmethod
    def of(request: AugmentRequest, read: ClipSettings, labels: Sequence[str]) -> "Guide":
        """The guide of a request with scores.

        Args:
            request: What is asked for.
            read: How clips are read.
            labels: All labels, those of looks, too.

        Raises:
            SettingsError: If the scores cannot be used, or are those of clips to test on.
        """
        if request.misses is None:
            raise ValueError("the request has no scores")
        misses = read_misses(request.misses, request.normal)
        entries = refuse_test_clips(misses, request.clips, read)
        step = request.settings.samples
        videos = misses.budget(labels, request.per_label * len(labels), step)
        horizon = request.settings.past, request.settings.future
        return Guide(misses, videos, read, entries, horizon)

    def nearest(self, stretches: Sequence[Stretch], label: str) -> list[Stretch]:
        """The half of some clips' stretches that look most like what is missed of a label."""
        weights = self.misses.weights(label)
        wanted = {
            name: self._of_entry(name, self.entries[name])
            for name, weight in weights.items()
            if weight > 0
        }
        clips = {one.clip.clip_id: one.clip.entry for one in stretches}
        if not wanted or len(clips) <= 1:
            return list(stretches)
        others = {key: self._of_entry(key, entry) for key, entry in clips.items()}
        order = nearest_first(wanted, weights, others)
        kept = order[: max(min(FEWEST, len(order)), round(NEAR * len(order)))]
        return [one for one in stretches if one.clip.clip_id in kept]

    def looks(self, label: str, defects: DefectSettings) -> DefectSettings:
        """Settings of a label's looks: near to those that are missed, as far as that is known."""
        changes: dict[str, Any] = {}
        size, severity = (self.misses.middle(label, name) for name in ("size", "severity"))
        if size is not None:
            changes["size"] = _within(size / SIZES, size * SIZES, (0.02, 0.95))
        if severity is not None:
            low, high = defects.severity
            changes["severity"] = _within(severity - SEVERITIES, severity + SEVERITIES, (low, high))
        types = self.misses.types(label)
        if types:
            usual = float(np.mean(list(types.values())))
            kept = tuple(name for name in defects.types if types.get(name, usual) >= usual)
            changes["types"] = kept or defects.types
        return defects.model_copy(update=changes)

    def record(self) -> dict[str, Any]:
        """Plain values for the run's record."""
        return {
            "scores": self.misses.id,
            "missed": {label: round(share, 4) for label, share in self.misses.by_label().items()},
            "videos": self.videos,
        }

    def _of_entry(self, key: str, entry: ClipEntry) -> NDArray[np.float32]:
        """Features of the frame with which a clip's last window begins."""
        if key not in self._features:
            frames = read_entry(entry, self.read).frames
            self._features[key] = looks_of_frame(frames[-min(sum(self.horizon), len(frames))])
        return self._features[key]


def looks_of_frame(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a frame looks like: pretrained features where they are installed, else its pixels.

    Args:
        frame: RGB, (H, W, 3).
    """
    try:
        check_pretrained()
    except MissingExtraError:
        small = cv2.resize(frame, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
        return np.asarray(small.ravel() / 255, np.float32)
    square = np.asarray(cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
    with torch.no_grad():
        maps = load_pretrained()[0](to_tensor(square[None]))
        parts = [adaptive_avg_pool2d(one, CELLS).flatten() for one in maps]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _within(low: float, high: float, bounds: Range) -> Range:
    """A range, cut to bounds."""
    first, last = np.clip([low, high], *bounds)
    return float(round(first, 4)), float(round(last, 4))
