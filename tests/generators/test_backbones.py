"""Every registered backbone keeps the interface's promises; FOMM equals the original."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from configs.errors import ModelError, SettingsError
from configs.settings import MotionTraining, TransformParams
from generators.backbones import (
    BACKBONES,
    MotionBackbone,
    build_backbone,
    load_backbone,
    save_backbone,
)
from generators.backbones.vid2vid import Vid2VidAppearance
from generators.equivariance import RandomWarp
from generators.objective import Objective, Pairs
from generators.vid2vid.estimators import HeadMotion
from tests.conftest import TINY_FOMM, TINY_VID2VID

TINY = {"fomm": TINY_FOMM, "vid2vid": TINY_VID2VID}
SIZE = 32


@pytest.fixture(params=BACKBONES.names())
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
    torch.testing.assert_close(keypoints, alone, atol=1e-5, rtol=1e-5)
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


def _parity_fill(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_fill", folder / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parity_model(
    shared: Path, backbone: str, reference: str
) -> tuple[MotionBackbone, dict[str, np.ndarray]]:
    """A backbone with the official sizes, keys and made-up weights, and what the original found."""
    folder = shared / "parity"
    facts = json.loads((folder / f"{reference}.json").read_text())
    truth = dict(np.load(folder / f"{reference}.npz"))
    sizes = {key: value for key, value in facts["model_params"].items() if "discrim" not in key}
    model = build_backbone(backbone, sizes).eval()
    fill = _parity_fill(folder).fill_value
    factors = {
        place: float(factor.removeprefix("times "))
        for place, factor in facts.get("fill_exceptions", {}).items()
    }
    for part, _ in model.named_children():
        state = {
            key: torch.as_tensor(np.asarray(fill(key, tuple(shape), int(truth["seed"]))))
            * factors.get(f"{part}/{key}", 1)
            for key, (shape, _) in facts["state_dicts"][part].items()
        }
        getattr(model, part).load_state_dict(state, strict=True)
    return model, truth


def _frame(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


@torch.no_grad()
def test_fomm_reproduces_the_original(shared: Path) -> None:
    """Keypoints within 1e-4 and frames within 2e-3 of the reference, with the official keys."""
    model, truth = _parity_model(shared, "fomm", "vox-256")
    appearance = model.appearance(_frame(truth["source"]))
    for time in (0, 40):
        vectors = model.keypoints(_frame(truth[f"driving{time}"])[None])
        parts = vectors.view(10, 6).numpy()
        np.testing.assert_allclose(parts[:, :2], truth[f"value{time}"], atol=1e-4)
        jacobian = truth[f"jacobian{time}"].reshape(10, 4)
        np.testing.assert_allclose(parts[:, 2:], jacobian, atol=1e-4)
        error = np.abs(model.render(appearance, vectors)[0].numpy() - truth[f"prediction{time}"])
        assert error.max() < 2e-3
        assert error.mean() < 2e-4


@torch.no_grad()
def test_vid2vid_reproduces_the_original(shared: Path) -> None:
    """Head pose, keypoints, occlusion and frames of the reference, with the official keys."""
    model, truth = _parity_model(shared, "vid2vid", "vid2vid-vox-256-original")
    appearance = model.appearance(_frame(truth["source"]))
    assert isinstance(appearance, Vid2VidAppearance)
    np.testing.assert_allclose(appearance.canonical[0], truth["canonical"], atol=1e-4)
    np.testing.assert_allclose(appearance.keypoints[0], truth["source_kp"], atol=1e-4)
    for time in (0, 40):
        vectors = model.keypoints(_frame(truth[f"driving{time}"])[None])
        pose = [truth[f"driving{time}_{name}"] for name in ("yaw", "pitch", "roll", "t", "exp")]
        np.testing.assert_allclose(vectors[0], np.concatenate(pose), atol=1e-4)
        moved = HeadMotion.from_vectors(vectors).moved(appearance.canonical)
        np.testing.assert_allclose(moved[0], truth[f"kp{time}"], atol=1e-4)
        found = model.rendering(appearance, vectors)
        assert found.occlusion is not None
        np.testing.assert_allclose(found.occlusion[0], truth[f"occlusion{time}"], atol=1e-4)
        error = np.abs(found.frames[0].numpy() - truth[f"prediction{time}"])
        assert error.max() < 2e-3
        assert error.mean() < 2e-4
