"""The parts of TPS do what they say, and have the published keys and sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import (
    AVDTraining,
    MotionDropout,
    MotionTraining,
    TransformParams,
    validated,
)
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.tps.model import TPS, dropout_probability
from flawcast.generators.backbones.tps.settings import TPSConfig
from flawcast.generators.backbones.tps.thin_plate import thin_plate_motions
from flawcast.generators.blocks.geometry import warp
from flawcast.generators.training.avd import train_avd
from flawcast.generators.training.checkpoint import Checkpoint
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.objective import Objective, Pairs
from tests.conftest import TINY_TPS
from tests.paths import FIXTURES

SIZE = 32


def tiny(**changes: object) -> TPS:
    torch.manual_seed(0)
    config = TINY_TPS | {"common_params": {"num_tps": 2, **changes}}
    return TPS(validated(TPSConfig, config, "test")).eval()


def pairs(done: float = 0.0) -> Pairs:
    generator = torch.Generator().manual_seed(0)
    source, driving = torch.rand(2, 4, 3, SIZE, SIZE, generator=generator)
    return Pairs(source, driving, RandomWarp.draw(4, TransformParams(), generator), done)


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    """Sizes of the published model, and its state dicts' keys and shapes."""
    facts: dict[str, Any] = json.loads((FIXTURES / "parity" / "tps-vox-256.json").read_text())
    return facts


@torch.no_grad()
@pytest.mark.parametrize("multi_mask", [True, False], ids=["many_masks", "one_mask"])
def test_the_published_depths_draw_frames_of_384(multi_mask: bool) -> None:
    """As deep as ted-384, but narrow."""
    config = {
        "common_params": {"num_tps": 2, "multi_mask": multi_mask},
        "encoder_params": {"block_expansion": 2},
        "generator_params": {"block_expansion": 2, "max_features": 16},
        "dense_motion_params": {"block_expansion": 2, "max_features": 32},
    }
    model = build_backbone("tps", config).eval()
    frames = torch.rand(2, 3, 384, 384)
    rendering = model.rendering(model.appearance(frames[0]), model.keypoints(frames[1:]))
    assert rendering.occlusion is not None
    assert rendering.frames.shape == (1, 3, 384, 384)
    assert rendering.deformation.shape == (1, 384, 384, 2)
    assert rendering.occlusion.shape == (1, 1, 384, 384)


def test_mgif_has_the_published_keys_without_the_background(original: dict[str, Any]) -> None:
    params = original["model_params"]
    params = params | {"common_params": params["common_params"] | {"bg": False}}
    with torch.device("meta"):
        model = TPS(validated(TPSConfig, params, "mgif-256"))
    wanted = {
        f"{part}.{key}": tuple(shape)
        for part, keys in original["state_dicts"].items()
        if part != "bg_predictor"
        for key, (shape, _) in keys.items()
    }
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == wanted


def test_a_spline_carries_its_points_over() -> None:
    """Within what its stiffness allows, pixels at driving keypoints come from the source's."""
    corners = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]])
    moved = 0.5 * corners + torch.tensor([0.2, -0.1])
    flow = thin_plate_motions(corners[None, None], moved[None, None], (5, 5))[0, 0]
    found = torch.stack([flow[0, 0], flow[0, 4], flow[4, 0], flow[4, 4], flow[2, 2]])
    torch.testing.assert_close(found, moved, atol=0.01, rtol=0)


def test_coincident_keypoints_give_a_finite_flow() -> None:
    still = torch.zeros(1, 2, 5, 2)
    assert thin_plate_motions(still, still, (8, 8)).isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("multi_mask", [True, False], ids=["many_masks", "one_mask"])
def test_rendering_shows_the_moved_source_where_it_is_visible(multi_mask: bool) -> None:
    """The flow in the interface's convention moves the source just as the model itself does."""
    model = tiny(multi_mask=multi_mask)
    for layer in model.dense_motion_network.occlusion:
        layer.bias.fill_(50.0)  # everything is visible: nothing is painted
    source, driving = torch.rand(2, 3, SIZE, SIZE)
    vectors = model.keypoints(torch.stack([source, driving])) + 0.1 * torch.randn(2, 20)
    rendering = model.rendering(model.appearance(source), vectors)
    assert rendering.occlusion is not None
    assert rendering.occlusion.shape == (2, 1, SIZE, SIZE)
    moved = warp(source.expand(2, -1, -1, -1), rendering.deformation)
    assert (moved - source).abs().mean() > 0.01
    torch.testing.assert_close(rendering.frames, moved, atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_background_that_stands_still_comes_from_the_same_pixels() -> None:
    model = tiny()
    model.dense_motion_network.maps.bias[0] = 50.0  # all pixels are background
    source = torch.rand(3, SIZE, SIZE)
    flow = model.rendering(model.appearance(source), model.keypoints(source[None])).deformation
    centres = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
    truth = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1)
    torch.testing.assert_close(flow[0], truth, atol=1e-5, rtol=0)


@torch.no_grad()
def test_many_sources_at_once_equal_one_after_the_other() -> None:
    model = tiny()
    sources, drivings = torch.rand(2, 3, 3, SIZE, SIZE)
    poses = model.positions(model.keypoints(drivings))
    together, _ = model.animate(model._encode(sources), poses)
    alone = [
        model.animate(model.appearance(source), pose[None])[0]
        for source, pose in zip(sources, poses, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_the_background_takes_part_from_its_share_on() -> None:
    objective = Objective(MotionTraining(scales=(1,), background_from=0.5))
    model = tiny().train()
    assert "bg" not in model.losses(pairs(0.4), objective).losses
    assert "bg" in model.losses(pairs(0.5), objective).losses
    assert "bg" not in tiny(bg=False).losses(pairs(0.5), objective).losses


def test_dropout_rises_and_ends() -> None:
    settings = MotionDropout(until=0.4, ramp=0.1, lowest=0.1, highest=0.3)
    found = [dropout_probability(settings, done) for done in (0, 0.05, 0.1, 0.39, 0.4)]
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.3, 0])


def test_dropout_leaves_out_whole_splines_but_never_the_background() -> None:
    torch.manual_seed(0)
    weights = tiny().dense_motion_network._weights(torch.zeros(200, 3, 4, 4), 0.5)
    torch.testing.assert_close(weights.sum(1), torch.ones(200, 4, 4))
    present = weights.flatten(2) > 0
    assert torch.equal(present.any(-1), present.all(-1))
    assert present[:, 0].all()
    assert 0.4 < present[:, 1:].any(-1).float().mean() < 0.6


def test_only_the_flow_learns_from_the_warp_loss() -> None:
    model = tiny().train()
    objective = Objective(MotionTraining(scales=(1,)))
    model.losses(pairs(), objective).losses["warp"].backward()
    learnt = {
        name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None
    }
    assert learnt == {"kp_detector", "dense_motion_network", "bg_predictor"}
    occlusion = model.dense_motion_network.occlusion[0].weight
    assert occlusion.grad is None


@pytest.fixture
def videos(rng: np.random.Generator) -> list[np.ndarray]:
    """A bright square that moves over a fixed background."""
    clips = []
    for top in (2, 12, 20):
        frames = np.repeat(rng.integers(0, 80, (1, SIZE, SIZE, 3)), 8, axis=0)
        for time in range(8):
            frames[time, top : top + 10, 2 + 2 * time : 12 + 2 * time] = 220
        clips.append(frames.astype(np.uint8))
    return clips


def test_avd_training_changes_its_network_alone(videos: list[np.ndarray]) -> None:
    model = tiny()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found: list[float] = []
    settings = AVDTraining(steps=20, batch=8)
    train_avd(
        model, videos, MotionTraining(), settings, 0, lambda _, losses: found.append(losses["avd"])
    )
    assert found[-1] < 0.5 * found[0]
    changed = {
        name.split(".")[0]
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"avd_network"}
    assert not any(module.training for module in model.modules())


def test_avd_training_that_goes_on_ends_as_one_without_a_break(
    videos: list[np.ndarray], tmp_path: Path
) -> None:
    settings = AVDTraining(steps=4, batch=4)
    whole, broken = tiny(), tiny()
    train_avd(whole, videos, MotionTraining(), settings, 0)
    checkpoint = Checkpoint(tmp_path / "avd.safetensors", "key")

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_avd(broken, videos, MotionTraining(checkpoint_every=2), settings, 0, stop, checkpoint)
    again = tiny()
    train_avd(again, videos, MotionTraining(), settings, 0, checkpoint=checkpoint)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_half_precision_trains_and_keeps_positions_in_single() -> None:
    model = tiny().train()
    objective = Objective(MotionTraining(scales=(1,)))
    with torch.autocast("cpu", torch.bfloat16):
        outcome = model.losses(pairs(), objective)
        assert outcome.positions.dtype == torch.float32
        appearance = model.eval().appearance(torch.rand(3, SIZE, SIZE))
        _, motion = model.animate(appearance, outcome.positions)
        assert motion.deformation.dtype == torch.float32
    torch.stack([loss.float() for loss in outcome.losses.values()]).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is None or value.grad.isfinite().all(), name


@torch.no_grad()
def test_avd_carries_each_pose_over() -> None:
    model = tiny()
    vectors = model.keypoints(torch.rand(3, 3, SIZE, SIZE))
    carried = model.avd(vectors, vectors[0])
    assert carried.shape == vectors.shape
    assert (carried[1] - carried[2]).abs().max() > 0


def test_a_model_without_the_network_says_so() -> None:
    config = {key: value for key, value in TINY_TPS.items() if key != "avd_network_params"}
    model = build_backbone("tps", config)
    assert isinstance(model, TPS)
    with pytest.raises(ModelError, match="avd needs a TPS model with an AVD network"):
        model.avd(torch.zeros(2, 20), torch.zeros(20))


@pytest.mark.parametrize(
    "dense", [{"scale_factor": 0.3}, {"scale_factor": 0.125}, {"scale_factor": 1, "num_blocks": 2}]
)
def test_sizes_without_a_mask_per_resolution_are_refused(dense: dict[str, float]) -> None:
    config = {"generator_params": {"num_down_blocks": 2}, "dense_motion_params": dense}
    with pytest.raises(SettingsError, match="expected"):
        build_backbone("tps", config)


@pytest.mark.parametrize("name", ["vox-256", "mgif-256", "taichi-256", "ted-384"])
def test_presets_have_the_published_sizes(name: str, original: dict[str, Any]) -> None:
    settings = load_preset(name, "tps")
    assert settings.avd is not None
    assert settings.backbone.name == "tps"
    facts = original["model_params"]
    facts = facts | {"common_params": facts["common_params"] | {"bg": name != "mgif-256"}}
    config = validated(TPSConfig, settings.backbone.config, name)
    assert config == validated(TPSConfig, facts, name)
    assert settings.clips.size == int(name.split("-")[1])
