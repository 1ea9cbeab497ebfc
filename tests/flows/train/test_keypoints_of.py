"""Keypoints are found in batches, so that a long clip takes little memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.flows.train.clips import TrainClip
from flawcast.flows.train.forecaster import keypoint_series
from flawcast.generators.backbones import MotionBackbone, keypoints_of, load_backbone
from flawcast.generators.backbones.keypoints import BATCH
from flawcast.generators.clips.frames import to_tensor


@pytest.fixture(scope="module")
def backbone(tiny_model: Path) -> MotionBackbone:
    return load_backbone(tiny_model)


def moving(frames: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (frames, size, size, 3), np.uint8)


def test_batches_change_nothing(backbone: MotionBackbone) -> None:
    frames = moving(7)
    with torch.no_grad():
        whole = backbone.keypoints(to_tensor(frames))
    for batch in (1, 3, 7, 100):
        found = keypoints_of(backbone, frames, batch)
        assert found.shape == (7, backbone.layout.length)
        assert not found.requires_grad
        torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6)


def test_training_sees_few_frames_of_a_long_clip_at_once(
    backbone: MotionBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    whole = type(backbone).keypoints

    def watched(self: MotionBackbone, frames: torch.Tensor) -> torch.Tensor:
        seen.append(len(frames))
        return whole(self, frames)

    monkeypatch.setattr(type(backbone), "keypoints", watched)
    clip = TrainClip("clip-1", "long", moving(10 * BATCH + 1), "")
    (series,) = keypoint_series(backbone, [clip])
    assert len(series) == 10 * BATCH + 1
    assert seen == [BATCH] * 10 + [1]


def test_a_view_of_a_clip_is_not_copied_whole(backbone: MotionBackbone) -> None:
    frames = moving(2000)[::2]  # not contiguous
    frames.setflags(write=False)
    tracemalloc.start()
    keypoints_of(backbone, frames)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < frames.nbytes
