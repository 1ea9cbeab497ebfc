"""Parts that a detector finds: it is asked only where tracking fails, and never sees the future."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.backbones.layers.detected import PartFinder, bridged
from flawcast.generators.backbones.layers.detector import PartDetector
from flawcast.generators.backbones.layers.learnt import with_detector
from flawcast.generators.backbones.layers.observation import follow_on, observe
from tests.generators.backbones.layers.drawn_clips import STEP, draw_clip
from tests.generators.training.self_made.tiny import CONFIG

PAST = 8


@pytest.fixture
def finder() -> PartFinder:
    """A detector without any training: its keypoints lie on what moves."""
    torch.manual_seed(0)
    detector = PartDetector(CONFIG).eval()
    torch.nn.init.zeros_(detector.kp_detector.kp.weight)  # nothing but where the frame departs
    return PartFinder(detector)


def test_a_part_is_found_in_single_frames(finder: PartFinder) -> None:
    frames, _ = draw_clip()
    seen = observe(frames, finder=finder)
    ways = np.diff(seen.tracks[0].motions[:, 0, 2])
    assert seen.coverage > 0.9
    assert np.allclose(ways, STEP, atol=0.6)


def test_later_frames_are_found_without_those_after_them(finder: PartFinder) -> None:
    frames, _ = draw_clip()
    seen = observe(frames, PAST, finder=finder)
    other = frames.copy()
    other[-2:] = np.random.default_rng(0).integers(0, 256, other[-2:].shape, np.uint8)
    ours, theirs = follow_on(seen, frames, finder), follow_on(seen, other, finder)
    assert np.array_equal(ours[:-2], theirs[:-2])
    assert np.allclose(np.diff(ours[:, 0]), 2 * STEP / 96, atol=0.02)


def test_frames_without_the_part_lie_on_a_line_between_others() -> None:
    motions = np.tile(np.eye(2, 3), (6, 1, 1))
    motions[:, 0, 2] = [5, 0, 9, 4, 99, 99]
    found = bridged(motions, np.array([False, True, False, True, False, False]))
    assert found[:, 0, 2].tolist() == [-2, 0, 2, 4, 6, 8]


def test_a_detector_is_asked_where_tracking_fails(finder: PartFinder) -> None:
    frames, _ = draw_clip()
    tracked, found = observe(frames), observe(frames, finder=finder)
    failed = replace(tracked, tracks=(), coverage=0.1, failure="tracks cover 10 %")
    used = with_detector(failed, found)
    assert used.failure == ""
    assert "found by the adapted detector" in used.notes[-1]
    poor = with_detector(failed, replace(found, coverage=0.2))
    assert poor.failure.startswith("the adapted detector covers 20% of the moving area; train")
    assert with_detector(failed, replace(found, coverage=0.05)) is failed


def test_a_model_without_a_detector_is_written_as_before() -> None:
    assert "detector" not in build_backbone("layers", {}).config.model_dump()


def test_a_model_keeps_its_detector() -> None:
    torch.manual_seed(0)
    detector = PartDetector(CONFIG)
    backbone = LayersBackbone.knowing([], detector)
    again = build_backbone("layers", backbone.config.model_dump(mode="json"))
    again.load_state_dict(backbone.state_dict())

    def found(model: torch.nn.Module) -> Tensor:
        picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
        assert isinstance(model, LayersBackbone)
        assert model.detector is not None
        return torch.as_tensor(model.detector.eval()(picture, picture * 0).value)

    assert torch.equal(found(backbone), found(again))
