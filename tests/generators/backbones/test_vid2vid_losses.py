"""face-vid2vid's losses, and the teacher that reads head poses."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.errors import ModelError
from flawcast.configs.settings import LossWeights, MotionTraining
from flawcast.generators.backbones.vid2vid.model import keypoint_prior
from flawcast.generators.training.losses.head_pose import (
    HeadPoseTeacher,
)
from flawcast.generators.training.losses.objective import Objective
from tests.generators.backbones.fake_hopenet import write_hopenet
from tests.generators.backbones.tiny_vid2vid import SIZE, outcome_of, tiny


@pytest.fixture(scope="module")
def hopenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hopenet(tmp_path_factory.mktemp("hopenet") / "hopenet.pkl")


def test_keypoint_prior_equals_a_slow_loop() -> None:
    keypoints = 0.3 * torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for points in keypoints:
        for one in range(4):
            for other in range(4):
                gap = 0.1 - float((points[one] - points[other]).square().sum())
                total += max(0.0, gap) / 2 if one != other else 0.0
        total += abs(float(points[:, 2].mean()) - 0.33) / 2
    assert float(keypoint_prior(keypoints)) == pytest.approx(total, rel=1e-5)


def test_losses_carry_their_weights() -> None:
    weights = LossWeights(expression=0, keypoint=0)
    settings = MotionTraining(scales=(1,), loss_weights=weights)
    losses = outcome_of(tiny(), Objective(settings)).losses
    assert set(losses) == {"perceptual", "equivariance_value", "keypoint", "expression"}
    assert losses["expression"] == losses["keypoint"] == 0
    assert losses["equivariance_value"] > 0


def test_teacher_reads_angles_and_never_learns(hopenet: Path) -> None:
    teacher = HeadPoseTeacher(hopenet).train()
    found = teacher(torch.rand(2, 3, SIZE, SIZE))
    torch.testing.assert_close(found, torch.tensor([[30.0, -30.0, 0.0]]).expand(2, 3))
    assert not any(module.training for module in teacher.modules())
    assert not any(value.requires_grad for value in teacher.parameters())


def test_head_pose_loss_is_the_distance_to_the_teacher(hopenet: Path) -> None:
    objective = Objective(MotionTraining(scales=(1,), head_pose_file=hopenet))
    model = tiny().eval()
    outcome = outcome_of(model, objective)
    driving = torch.rand(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))[1]
    angles = model.keypoints(driving)[:, :3]
    error = (angles - torch.tensor([30.0, -30.0, 0.0])).abs().sum(1).mean()
    torch.testing.assert_close(outcome.losses["headpose"], 20 * error)


def test_teacher_files_that_do_not_fit_are_refused(hopenet: Path, tmp_path: Path) -> None:
    state = torch.load(hopenet, weights_only=True)
    del state["layer3.5.conv2.weight"]
    torch.save(state, tmp_path / "broken.pkl")
    torch.save({"conv1.weight": print}, tmp_path / "evil.pkl")
    torch.save([1, 2], tmp_path / "list.pkl")
    with pytest.raises(ModelError, match=r"does not fit.*layer3\.5\.conv2\.weight"):
        HeadPoseTeacher(tmp_path / "broken.pkl")
    with pytest.raises(ModelError, match=r"head_pose_file: expected Hopenet's.*cannot read"):
        HeadPoseTeacher(tmp_path / "evil.pkl")
    with pytest.raises(ModelError, match="found something else"):
        HeadPoseTeacher(tmp_path / "list.pkl")
    with pytest.raises(ModelError, match="found no file"):
        Objective(MotionTraining(head_pose_file=tmp_path / "absent.pkl"))
