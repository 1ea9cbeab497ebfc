"""Drawing on 8-bit integers, or in half precision, draws nearly what fp32 draws."""

import numpy as np
import pytest
import torch
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.configs.identity import content_id
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.request import GenerateRequest
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import draw_clip
from flawcast.generators.model import load_model, shipped_model
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.doubling import UpConv
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.halves import HalfConv, HalfUp
from flawcast.generators.rendering.int8 import Int8Conv, Int8Up
from flawcast.generators.rendering.precision import check_precision, halved, in_precision
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import mae
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

PLAIN, MODERN = ("Any", ("avx2",)), ("Any", ("avx2", "avx512f", "amx_bf16"))
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(scope="module")
def scene() -> tuple[Scene, Tensor]:
    """The shipped model with a wobbling product, and that clip's keypoints."""
    backbone = load_model(shipped_model("demo")).backbone
    frames = draw_clip("wobble", 5, 16, 64).frames
    with torch.no_grad():
        return Scene.encode(backbone, frames[0]), backbone.keypoints(to_tensor(frames))


def test_integers_draw_nearly_the_same(scene: tuple[Scene, Tensor]) -> None:
    exact, keypoints = scene
    quick = in_precision(exact, "int8", keypoints)
    wanted, found = exact.render(keypoints), quick.render(keypoints)
    assert np.abs(wanted.astype(int) - found).mean() / 255 < 0.01
    kinds = {type(module) for module in quick.backbone.modules()}
    assert {Int8Conv, Int8Up} <= kinds
    assert not any(isinstance(module, Int8Conv) for module in exact.backbone.modules())
    assert np.array_equal(found, in_precision(exact, "int8", keypoints).render(keypoints))


@pytest.mark.parametrize("name", LEARNED)
def test_every_motion_model_draws_with_integers(name: str) -> None:
    backbone = for_inference(ready(build_backbone(name, TINY[name])))
    source = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    scene = Scene.encode(backbone, source)
    with torch.no_grad():
        keypoints = backbone.keypoints(to_tensor(np.stack([source, source[::-1]])))
    wanted = scene.render(keypoints)
    found = in_precision(scene, "int8", keypoints).render(keypoints)
    assert np.abs(wanted.astype(int) - found).mean() / 255 < 0.02


@pytest.mark.parametrize(
    ("precision", "device", "advice"),
    [
        (
            "bf16",
            "cpu",
            "for CPUs with AMX; this runs on cpu, Any .avx2., where .* use fp32 or int8",
        ),
        ("fp16", "cpu", "use fp32 or int8"),
        ("int8", "cuda", "use bf16 or fp16"),
    ],
)
def test_what_a_device_is_not_made_for_is_refused(
    precision: str, device: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flawcast.generators.rendering.precision.processor", lambda: PLAIN)
    with pytest.raises(SettingsError, match=advice):
        check_precision(precision, torch.device(device))


def test_half_precision_is_for_processors_with_amx(
    scene: tuple[Scene, Tensor], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It draws nearly the same, and keeps nearly the same futures."""
    name = "flawcast.generators.rendering.precision.processor"
    monkeypatch.setattr(name, lambda: MODERN)
    exact, keypoints = scene
    half = in_precision(exact, "bf16", keypoints)
    wanted, found = exact.render(keypoints), half.render(keypoints)
    assert not capsys.readouterr().err
    assert 0 < np.abs(wanted.astype(int) - found).mean() / 255 < 0.005
    assert half.backbone.keypoints == exact.backbone.keypoints
    kinds = {type(module) for module in half.backbone.modules()}
    assert {HalfConv, HalfUp} <= kinds
    assert not kinds & {SameConv, UpConv}
    futures = keypoints[-2:] + 0.05 * torch.randn(
        8, 1, keypoints.shape[1], generator=torch.Generator().manual_seed(0)
    )
    kept = []
    for one in (exact, half):
        videos = one.render(futures.flatten(0, 1)).reshape(8, 2, *wanted.shape[1:])
        kept.append(set(np.argsort(mae(videos, wanted[-2:]))[:3].tolist()))
    assert len(kept[0] & kept[1]) >= 2
    monkeypatch.setattr(name, lambda: PLAIN)
    monkeypatch.setenv("FLAWCAST_SLOW_BF16", "1")
    check_precision("bf16", torch.device("cpu"))
    assert "slower than fp32" in capsys.readouterr().err


def test_only_another_precision_gives_sets_another_id() -> None:
    plain, quick = GenerateSettings(), GenerateSettings(precision="int8")
    assert "precision" not in plain.model_dump(mode="json")
    ids = {content_id("settings", **one.model_dump(mode="json")) for one in (plain, quick)}
    assert len(ids) == 2
    assert GenerateSettings.model_validate(quick.model_dump(mode="json")) == quick


@pytest.mark.parametrize(
    ("device", "gpus", "share"), [("auto", 0, 0), ("cpu", 2, 0), ("auto", 1, 0.25), ("cuda", 8, 1)]
)
def test_workers_share_the_gpus(
    device: str, gpus: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    values = {"clips": "c", "model": "m", "store": "s", "workers": 4, "device": device}
    assert GenerateRequest.model_validate(values).gpus_per_worker() == share
    assert GenerateRequest.model_validate(values | {"task_gpus": 0.5}).gpus_per_worker() == 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of PyTorch's compiler
def test_compiled_halves_draw_nearly_the_same(scene: tuple[Scene, Tensor]) -> None:
    exact, keypoints = scene
    twin = halved(exact.backbone, torch.bfloat16, "aot_eager")
    with torch.no_grad():
        wanted = exact.backbone.rendering(exact.appearance, keypoints)
        found = twin.rendering(exact.appearance, keypoints)
    assert found.frames.dtype == torch.float32
    assert (found.frames - wanted.frames).abs().mean() < 0.01


@NO_GPU
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_draws_nearly_the_same(precision: str, scene: tuple[Scene, Tensor]) -> None:
    exact, keypoints = scene
    frames = draw_clip("wobble", 5, 16, 64).frames
    backbone = load_model(shipped_model("demo"), "cuda").backbone
    there = in_precision(Scene.encode(backbone, frames[0]), precision, keypoints)
    wanted, found = exact.render(keypoints), there.render(keypoints)
    assert np.abs(wanted.astype(int) - found).mean() / 255 < 0.01
