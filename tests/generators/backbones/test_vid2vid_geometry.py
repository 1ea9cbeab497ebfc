"""face-vid2vid's head geometry: angles, rotations, positions and flows through the volume."""

import pytest
import torch

from flawcast.configs.settings import MotionTraining
from flawcast.generators.backbones.vid2vid.model import neutral_face
from flawcast.generators.backbones.vid2vid.motion import flattened
from flawcast.generators.backbones.vid2vid.volumes import coordinate_volume, warp_volume
from flawcast.generators.blocks.geometry import warp
from flawcast.generators.training.losses.head_pose import (
    RADIANS,
    angles_near,
    expected_degrees,
    rotation,
)
from flawcast.generators.training.losses.objective import Objective
from tests.generators.backbones.tiny_vid2vid import SIZE, outcome_of, tiny


def test_bins_are_three_degrees_wide_from_minus_99() -> None:
    logits = torch.full((3, 66), -100.0)
    for row, place in enumerate((0, 33, 65)):
        logits[row, place] = 100.0
    torch.testing.assert_close(expected_degrees(logits), torch.tensor([-99.0, 0.0, 96.0]))


def test_rotation_is_roll_then_yaw_then_pitch() -> None:
    """Against the three matrices written out, with 3.14 for pi as the published weights have it."""
    yaw, pitch, roll = torch.tensor([25.0, -10.0, 40.0]) * RADIANS
    zero, one = torch.tensor(0.0), torch.tensor(1.0)
    about_x = torch.stack(
        [one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos()]
    ).view(3, 3)
    about_y = torch.stack(
        [yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()]
    ).view(3, 3)
    about_z = torch.stack(
        [roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one]
    ).view(3, 3)
    found = rotation(torch.tensor([25.0, -10.0, 40.0]))
    torch.testing.assert_close(found, about_x @ about_y @ about_z)
    torch.testing.assert_close(found @ found.mT, torch.eye(3))


def test_angles_come_back_from_rotations_also_beyond_a_quarter_turn() -> None:
    generator = torch.Generator().manual_seed(0)
    angles = (torch.rand(200, 3, generator=generator, dtype=torch.float64) - 0.5) * 198
    guess = angles + torch.randn(200, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(angles_near(rotation(angles), guess), angles, atol=1e-6, rtol=0)


def test_relative_motion_composes_turns_and_scales_the_rest() -> None:
    model = tiny()
    start, source, driving = torch.zeros(3, model.layout.length)
    start[:6] = torch.tensor([10.0, 0, 0, 0.1, 0, 0])
    source[:6] = torch.tensor([-20.0, 0, 0, 0, 0.2, 0])
    driving[:6] = torch.tensor([40.0, 0, 0, 0.3, 0, 0])
    driving[6:], source[6:] = 0.5, 1.0
    carried = model.relative(driving[None], start, source, scale=0.5)[0]
    expected = torch.tensor([10.0, 0, 0, 0.1, 0.2, 0])  # 30 degrees further, half of 0.2
    torch.testing.assert_close(carried[:6], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(carried[6:], torch.full((9,), 1.25))
    driving[:3], source[:3] = torch.tensor([40.0, 15, -5]), torch.tensor([-20.0, 8, 30])
    turned = rotation(model.relative(driving[None], start, source)[0, :3])
    wanted = rotation(driving[:3]) @ rotation(start[:3]).mT @ rotation(source[:3])
    torch.testing.assert_close(turned, wanted, atol=1e-5, rtol=0)


def test_positions_are_of_the_average_face_which_follows_training() -> None:
    model = tiny().train()
    still = torch.zeros(1, model.layout.length)
    torch.testing.assert_close(model.positions(still)[0], neutral_face(3)[:, :2])
    still[0, 3:6] = torch.tensor([0.1, -0.2, 0.7])
    shifted = neutral_face(3)[:, :2] + torch.tensor([0.1, -0.2])
    torch.testing.assert_close(model.positions(still)[0], shifted)
    before = model.average_face.clone()
    outcome_of(model, Objective(MotionTraining(scales=(1,))))
    assert not torch.equal(model.average_face, before)


def test_neutral_face_satisfies_the_keypoint_prior() -> None:
    face = neutral_face(15)
    assert face.abs().max() <= 1
    torch.testing.assert_close(face[:, 2].mean(), torch.tensor(0.33))


def test_a_flow_through_the_volume_is_seen_where_the_volume_shows_something() -> None:
    grid = coordinate_volume(4, 5, 6, torch.zeros(1))
    moved = grid.clone()
    moved[2] += 0.5  # only the third slice moves
    content = torch.zeros(1, 1, 4, 5, 6)
    content[:, :, 2] = 1.0
    edges = torch.tensor([5 / 6, 4 / 5])  # from centres of outermost pixels to edges at -1 and 1
    seen = flattened(moved[None], content)
    torch.testing.assert_close(seen[0], (grid[0, ..., :2] + 0.5) * edges, atol=1e-4, rtol=0)
    everywhere = flattened(moved[None], torch.ones(1, 1, 4, 5, 6))
    torch.testing.assert_close(everywhere[0], (grid[0, ..., :2] + 0.125) * edges)


@torch.no_grad()
def test_a_head_that_holds_still_is_seen_to_hold_still() -> None:
    model = tiny().eval()
    frame = torch.rand(3, SIZE, SIZE)
    appearance = model.appearance(frame)
    found = model.rendering(appearance, model.keypoints(frame[None])).deformation
    picture = torch.rand(1, 3, *found.shape[1:3])
    torch.testing.assert_close(warp(picture, found), picture, atol=1e-5, rtol=0)


def test_a_shifted_flow_moves_the_volume() -> None:
    volume = torch.zeros(1, 1, 4, 8, 8)
    volume[0, 0, 1, 4, 5] = 1.0
    centres = coordinate_volume(4, 8, 8, volume) * torch.tensor([7 / 8, 7 / 8, 3 / 4])
    two_right = centres + torch.tensor([2 * 2 / 8, 0.0, 0.0])  # each voxel looks two to its right
    found = warp_volume(volume, two_right[None])
    assert found[0, 0, 1, 4, 3] == pytest.approx(1.0, abs=1e-5)
