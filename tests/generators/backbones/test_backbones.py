"""Every registered backbone keeps the interface's promises; FOMM equals the original."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.settings import MotionTraining, TransformParams
from flawcast.generators.backbones import (
    MotionBackbone,
    build_backbone,
    load_backbone,
    save_backbone,
)
from flawcast.generators.backbones.base import BACKBONE_FILE, start_from
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.objective import Objective, Pairs
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

SIZE = 32


@pytest.fixture(params=LEARNED)
def backbone(request: pytest.FixtureRequest) -> MotionBackbone:
    torch.manual_seed(0)
    model = build_backbone(request.param, TINY[request.param]).eval()
    with torch.no_grad():  # fresh Jacobian heads are exactly the identity: make them differ
        for value in model.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return model


@torch.no_grad()
def test_shapes_and_ranges(backbone: MotionBackbone) -> None:
    frames = torch.rand(5, 3, SIZE, SIZE)
    keypoints = backbone.keypoints(frames)
    rendered = backbone.render(backbone.appearance(frames[0]), keypoints)
    assert keypoints.shape == (5, backbone.layout.length)
    assert rendered.shape == frames.shape
    assert 0 <= rendered.min() <= rendered.max() <= 1


@torch.no_grad()
def test_batch_of_many_equals_batches_of_one(backbone: MotionBackbone) -> None:
    frames = torch.rand(4, 3, SIZE, SIZE)
    appearance = backbone.appearance(frames[0])
    keypoints = backbone.keypoints(frames)
    alone = torch.cat([backbone.keypoints(frame[None]) for frame in frames])
    # angles are sums of up to 99 degrees, which cancel: 1e-4 is their rounding
    torch.testing.assert_close(keypoints, alone, atol=1e-4, rtol=1e-5)
    together = backbone.render(appearance, keypoints)
    single = torch.cat([backbone.render(appearance, vector[None]) for vector in keypoints])
    torch.testing.assert_close(together, single, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_same_input_same_output(backbone: MotionBackbone) -> None:
    frames = torch.rand(2, 3, SIZE, SIZE)
    render = [
        backbone.render(backbone.appearance(frames[0]), backbone.keypoints(frames))
        for _ in range(2)
    ]
    assert torch.equal(*render)


def test_gradients_reach_every_parameter(backbone: MotionBackbone) -> None:
    backbone.train()
    source, driving = torch.rand(2, 4, 3, SIZE, SIZE)
    settings = MotionTraining(scales=(1, 0.5))
    warp = RandomWarp.draw(4, TransformParams(), torch.Generator().manual_seed(0))
    outcome = backbone.losses(Pairs(source, driving, warp), Objective(settings))
    torch.stack(list(outcome.losses.values())).sum().backward()
    for name, value in backbone.named_parameters():
        if not value.requires_grad:  # TPS's AVD network has a training of its own
            assert name.startswith("avd_network.")
            continue
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name


@torch.no_grad()
def test_relative_motion_of_a_still_clip_is_the_source(backbone: MotionBackbone) -> None:
    still, source = backbone.keypoints(torch.rand(2, 3, SIZE, SIZE))
    carried = backbone.relative(still.expand(3, -1), still, source)
    torch.testing.assert_close(carried, source.expand(3, -1), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_saved_and_loaded_backbone_renders_the_same(
    backbone: MotionBackbone, tmp_path: Path
) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(backbone, path)
    loaded = load_backbone(path)
    frames = torch.rand(2, 3, SIZE, SIZE)
    for model in (backbone, loaded):
        assert not model.training
    ours = backbone.render(backbone.appearance(frames[0]), backbone.keypoints(frames))
    theirs = loaded.render(loaded.appearance(frames[0]), loaded.keypoints(frames))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_keypoints_of_another_length_are_refused(backbone: MotionBackbone) -> None:
    appearance = backbone.appearance(torch.rand(3, SIZE, SIZE))
    with pytest.raises(ModelError, match=f"D = {backbone.layout.length}, got 7"):
        backbone.render(appearance, torch.zeros(2, 7))


def test_unknown_key_in_the_sizes_is_named() -> None:
    with pytest.raises(SettingsError, match=r"common_params\.num_keypoints"):
        build_backbone("fomm", {"common_params": {"num_keypoints": 3}})


def test_damaged_weights_are_refused(backbone: MotionBackbone, tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(backbone, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="cannot read it"):
        load_backbone(path)


def test_weights_with_nan_are_refused(backbone: MotionBackbone, tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    with torch.no_grad():
        next(backbone.parameters()).view(-1)[0] = torch.nan
    save_backbone(backbone, path)
    with pytest.raises(ModelError, match="NaN or infinity"):
        load_backbone(path)


@torch.no_grad()
@pytest.mark.parametrize("name", LEARNED)
def test_half_precision_leaves_positions_in_single(name: str) -> None:
    """Of a batch that moves: in half precision they would be up to half a pixel off at 256x256."""
    model = build_backbone(name, TINY[name]).eval()
    frames = torch.rand(3, 3, SIZE, SIZE)
    appearance, keypoints = model.appearance(frames[0]), model.keypoints(frames)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.rendering(appearance, keypoints)
    assert found.deformation.dtype == torch.float32


def test_a_start_may_have_another_scale_factor(tmp_path: Path) -> None:
    small = build_backbone("fomm", TINY["fomm"], 1)
    save_backbone(small, tmp_path / BACKBONE_FILE)
    whole = {**TINY["fomm"]}
    for part in ("kp_detector_params",):
        whole[part] = {**whole.get(part, {}), "scale_factor": 1.0}
    other = build_backbone("fomm", whole, 2)
    start_from(other, tmp_path)
    weight = "kp_detector.kp.weight"
    assert torch.equal(other.state_dict()[weight], small.state_dict()[weight])
