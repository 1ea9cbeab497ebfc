"""face-vid2vid's two generators: keys, sizes, rendering, and which one a checkpoint holds."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import MotionTraining
from flawcast.generators.backbones import build_backbone, load_backbone, save_backbone
from flawcast.generators.backbones.vid2vid.model import Vid2Vid
from flawcast.generators.backbones.vid2vid.painters import generator_kind
from flawcast.generators.training.losses.objective import Objective
from tests.conftest import TINY_VID2VID
from tests.generators.backbones.tiny_vid2vid import SIZE, outcome_of, tiny


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
