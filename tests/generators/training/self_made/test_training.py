"""Adapting: it lowers the motion's error, goes on after a kill, and is the same for a seed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError
from flawcast.generators.backbones.layers.detector import Detection, shared_motion
from flawcast.generators.backbones.layers.observation import observe
from flawcast.generators.training.checkpoint import Checkpoint
from flawcast.generators.training.self_made.objects import objects_of
from flawcast.generators.training.self_made.training import error_on_pairs, train_on_pairs
from tests.generators.backbones.layers.drawn_clips import draw_clip
from tests.generators.training.self_made.tiny import FEW, learner, stock


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_motion_of_keypoints_is_that_of_their_part() -> None:
    value = torch.rand(2, 10, 2) - 0.5
    jacobian = torch.eye(2).repeat(2, 10, 1, 1)
    linear = torch.tensor([[0.9, -0.3], [0.3, 0.9]])
    shift = torch.tensor([0.2, -0.1])
    there = Detection(value @ linear.mT + shift, linear @ jacobian)
    found = shared_motion(Detection(value, jacobian), there)
    assert torch.allclose(found[..., :2], linear.expand(2, 2, 2), atol=0.03)
    ends = value @ found[..., :2].mT + found[:, None, :, 2]
    assert torch.allclose(ends, there.value, atol=0.02)


def test_keypoints_lie_on_what_moves_before_any_training() -> None:
    plates = torch.full((1, 3, 48, 48), 0.3)
    frames = plates.clone()
    frames[..., 30:42, 6:18] = 0.9
    found = learner().networks.eval()(frames, plates)
    assert torch.allclose(found.value.mean(1), torch.tensor([[-0.5, 0.5]]), atol=0.12)


def test_training_lowers_the_error() -> None:
    ours = learner()
    long = FEW.model_copy(update={"steps": 25, "batch": 4, "held_out": 16, "learning_rate": 1e-2})
    ours.networks.eval()
    before = error_on_pairs(ours, stock(), long, 1)
    assert train_on_pairs(ours, stock(), long, 0) == 25
    assert error_on_pairs(ours, stock(), long, 1) < 0.9 * before


def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(step: int, losses: dict[str, float]) -> None:
        del losses
        if step == 3:
            raise StopError

    whole, broken = learner(), learner()
    broken.networks.load_state_dict(whole.networks.state_dict())
    train_on_pairs(whole, stock(), FEW, 0)
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "key")
    with pytest.raises(StopError):
        train_on_pairs(broken, stock(), FEW, 0, stop, checkpoint)
    seen: list[int] = []
    train_on_pairs(broken, stock(), FEW, 0, lambda step, _: seen.append(step), checkpoint)
    assert seen == [3, 4]  # it was saved after step 2
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, broken.networks.state_dict()[name]), name


def test_time_may_end_a_training() -> None:
    hurried = FEW.model_copy(update={"steps": 10_000, "minutes": 0.0005})
    assert train_on_pairs(learner(), stock(), hurried, 0) < 10_000


def test_a_clip_gives_its_part_and_its_plate() -> None:
    frames, plate = draw_clip()
    found = objects_of(observe(frames), frames, 48)
    assert np.abs(found.plate.astype(int).mean() - plate.mean()) < 2
    assert found.aspect == 1.5
    height, width = found.parts[0].pixels.shape[:2]
    assert abs(width - 28 * 48 / 96) < 8  # with a margin, in a frame that is squeezed
    assert abs(height - 28 * 48 / 64) < 8


def test_a_clip_in_which_nothing_moves_gives_none() -> None:
    frames = np.repeat(draw_clip()[0][:1], 8, 0)
    with pytest.raises(ClipError, match="expected a part that stands out from its background"):
        objects_of(observe(frames), frames, 48)
