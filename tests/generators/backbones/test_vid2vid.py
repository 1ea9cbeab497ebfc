"""face-vid2vid's own parts: head geometry, both generators, its losses and its teacher."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import LossWeights, MotionTraining, TransformParams
from flawcast.generators.backbones import build_backbone, load_backbone, save_backbone
from flawcast.generators.backbones.vid2vid.model import Vid2Vid, keypoint_prior, neutral_face
from flawcast.generators.backbones.vid2vid.motion import flattened
from flawcast.generators.backbones.vid2vid.painters import generator_kind
from flawcast.generators.backbones.vid2vid.volumes import coordinate_volume, warp_volume
from flawcast.generators.blocks.geometry import warp
from flawcast.generators.losses.equivariance import RandomWarp
from flawcast.generators.losses.head_pose import (
    RADIANS,
    HeadPoseTeacher,
    angles_near,
    expected_degrees,
    rotation,
)
from flawcast.generators.losses.objective import Objective, Outcome, Pairs
from tests.conftest import TINY_VID2VID

SIZE = 32


def tiny(generator: str = "original") -> Vid2Vid:
    model = build_backbone("vid2vid", TINY_VID2VID | {"generator": generator}, seed=1)
    assert isinstance(model, Vid2Vid)
    return model


def outcome_of(model: Vid2Vid, objective: Objective) -> Outcome:
    source, driving = torch.rand(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    warp = RandomWarp.draw(4, TransformParams(), torch.Generator().manual_seed(0))
    return model.losses(Pairs(source, driving, warp), objective)


@pytest.fixture(scope="module")
def hopenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the keys and shapes of Hopenet's, as old as its: without batch counters."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.05 * torch.randn(*shape, generator=generator)

    state: dict[str, torch.Tensor] = {}

    def add_norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + draw(width)
        state[f"{name}.bias"] = draw(width)
        state[f"{name}.running_mean"] = draw(width)
        state[f"{name}.running_var"] = 1 + draw(width).abs()

    state["conv1.weight"] = draw(64, 3, 7, 7)
    add_norm("bn1", 64)
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for index in range(blocks):
            name = f"layer{stage}.{index}"
            state[f"{name}.conv1.weight"] = draw(width, inputs, 1, 1)
            state[f"{name}.conv2.weight"] = draw(width, width, 3, 3)
            state[f"{name}.conv3.weight"] = draw(4 * width, width, 1, 1)
            for number, size in enumerate((width, width, 4 * width), start=1):
                add_norm(f"{name}.bn{number}", size)
            if index == 0:
                state[f"{name}.downsample.0.weight"] = draw(4 * width, inputs, 1, 1)
                add_norm(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    for angle in ("yaw", "pitch", "roll"):
        state[f"fc_{angle}.weight"] = torch.zeros(66, inputs)
        state[f"fc_{angle}.bias"] = torch.zeros(66)
    # Certain of bin 43, 23 and 33: 30, -30 and 0 degrees.
    for angle, place in (("yaw", 43), ("pitch", 23), ("roll", 33)):
        state[f"fc_{angle}.bias"][place] = 100.0
    state["fc_finetune.weight"], state["fc_finetune.bias"] = draw(3, inputs + 3), draw(3)
    path = tmp_path_factory.mktemp("hopenet") / "hopenet.pkl"
    torch.save(state, path)
    return path


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


@torch.no_grad()
def test_one_source_or_many_render_alike() -> None:
    model = tiny().eval()
    sources, drivings = torch.rand(2, 3, 3, SIZE, SIZE)
    vectors = model.keypoints(drivings)
    together = model.rendering(model._encode(sources), vectors)
    assert together.deformation.shape == (3, 16, 16, 2)
    assert together.occlusion is not None
    assert together.occlusion.shape == (3, 1, 16, 16)
    for index, source in enumerate(sources):
        alone = model.render(model.appearance(source), vectors[index : index + 1])
        torch.testing.assert_close(together.frames[index], alone[0], atol=1e-5, rtol=1e-5)


def test_spade_has_the_published_keys_and_shapes() -> None:
    with torch.device("meta"):
        model = Vid2Vid(Vid2Vid.Config.model_validate({"generator": "spade"}))
    shapes = {key: tuple(value.shape) for key, value in model.generator.state_dict().items()}
    decoder = {
        key.removeprefix("decoder."): shape
        for key, shape in shapes.items()
        if key.startswith("decoder.")
    }
    middle = {key.split(".")[0] for key in decoder if key.startswith("G_middle")}
    assert middle == {f"G_middle_{index}" for index in range(6)}
    expected = {
        "fc.weight": (512, 256, 3, 3),
        "G_middle_5.conv_0.weight_orig": (512, 512, 3, 3),
        "G_middle_5.conv_0.weight_u": (512,),
        "G_middle_5.conv_0.weight_v": (512 * 9,),
        "G_middle_5.norm_1.mlp_shared.0.weight": (128, 256, 3, 3),
        "G_middle_5.norm_1.mlp_gamma.weight": (512, 128, 3, 3),
        "up_0.conv_0.weight_orig": (256, 512, 3, 3),
        "up_0.conv_1.weight_orig": (256, 256, 3, 3),
        "up_0.conv_s.weight_orig": (256, 512, 1, 1),
        "up_0.norm_s.mlp_beta.bias": (512,),
        "up_1.conv_0.weight_orig": (64, 256, 3, 3),
        "up_1.conv_1.weight_orig": (64, 64, 3, 3),
        "up_1.conv_s.weight_v": (256,),
        "up_1.norm_1.mlp_gamma.weight": (64, 128, 3, 3),
        "conv_img.weight": (3, 64, 3, 3),
    }
    assert {key: decoder[key] for key in expected} == expected
    assert "up_0.conv_s.bias" not in decoder
    # 6 middle blocks of 2 convolutions (4 keys) and 2 norms (6), 2 up blocks with a shortcut more.
    assert len(decoder) == 2 + 6 * (2 * 4 + 2 * 6) + 2 * (2 * 4 + 3 + 3 * 6) + 2
    assert shapes["first.conv.weight"] == (64, 3, 3, 3)
    assert shapes["third.conv.weight"] == (256, 512, 3, 3)
    assert generator_kind(shapes) == "spade"


def test_spade_learns_and_comes_back_from_disk(tmp_path: Path) -> None:
    model = tiny("spade").train()
    outcome = outcome_of(model, Objective(MotionTraining(scales=(1,))))
    torch.stack(list(outcome.losses.values())).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
    model.eval()
    save_backbone(model, tmp_path / "backbone.safetensors")
    loaded = load_backbone(tmp_path / "backbone.safetensors")
    frames = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        ours, theirs = (
            net.render(net.appearance(frames[0]), net.keypoints(frames)) for net in (model, loaded)
        )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_the_kind_of_generator_is_read_from_its_keys() -> None:
    assert generator_kind(tiny().generator.state_dict()) == "original"
    assert generator_kind(tiny("spade").state_dict()) == "spade"
    with pytest.raises(ModelError, match="found neither; name another checkpoint"):
        generator_kind(["encoder.weight"])


def test_shrinking_detectors_alone_hold_a_blur_kernel() -> None:
    """The beta configuration has scale_factor 1, and its files no `down.weight`."""
    full = TINY_VID2VID["kp_detector_params"] | {"scale_factor": 1}
    whole = build_backbone("vid2vid", TINY_VID2VID | {"kp_detector_params": full})
    assert "kp_detector.down.weight" in tiny().state_dict()
    assert "kp_detector.down.weight" not in whole.state_dict()


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("kp_detector_params", {"reshape_channel": 12}, "expected 8 channels x reshape_depth 2"),
        ("generator_params", {"reshape_channel": 4}, "expected reshape_channel 4 x reshape_depth"),
        ("common_params", {"feature_channel": 5}, "expected generator_params.reshape_channel = 2"),
        ("he_estimator_params", {"bins": 3}, "extra inputs are not permitted"),
    ],
    ids=["detector", "generator", "motion", "unknown"],
)
def test_sizes_that_do_not_fit_are_refused(
    part: str, changes: dict[str, int], message: str
) -> None:
    values = TINY_VID2VID | {part: TINY_VID2VID[part] | changes}
    with pytest.raises(SettingsError, match=message):
        build_backbone("vid2vid", values)


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


def test_the_small_preset_renders_its_size() -> None:
    settings = load_preset("small", "vid2vid")
    model = build_backbone(settings.backbone.name, settings.backbone.config).eval()
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        vectors = model.keypoints(frames)
        assert model.render(model.appearance(frames[0]), vectors).shape == frames.shape
    assert vectors.shape == (2, 21)


def test_the_published_preset_has_the_published_sizes() -> None:
    settings = load_preset("vox-256", "vid2vid")
    assert Vid2Vid.Config.model_validate(settings.backbone.config) == Vid2Vid.Config()
    assert settings.motion.total_steps(clips=32) == 300 * 75
