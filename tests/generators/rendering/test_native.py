"""A learned model at the clip's own size: the source's pixels, moved by the model's motion."""

import numpy as np
import pytest
import torch
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.generators.backbones import Rendering, build_backbone
from flawcast.generators.blocks.geometry import coordinate_grid
from flawcast.generators.model import load_model, shipped_model
from flawcast.generators.rendering.native import NativeDetail
from flawcast.generators.rendering.precision import in_precision
from flawcast.generators.rendering.scene import Scene
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

WIDE = (48, 80)  # of frames; the models see 32x32


@pytest.fixture(params=LEARNED)
def detail(request: pytest.FixtureRequest) -> NativeDetail:
    return NativeDetail(build_backbone(request.param, TINY[request.param]).eval(), 32)


def frames(count: int = 3) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (count, 6, 10, 3), np.uint8)
    return small.repeat(8, axis=1).repeat(8, axis=2)


def test_every_learned_model_draws_frames_of_any_aspect(detail: NativeDetail) -> None:
    context = detail.observe(frames())
    keypoints = context.keypoints()
    drawn = Scene.observed(detail, context, 0).render(keypoints)
    assert keypoints.shape == (3, detail.layout.length)
    assert drawn.shape == (3, *WIDE, 3)


def drawn_by(way: tuple[float, float], visible: float) -> tuple[Tensor, Tensor]:
    """A source, and its drawing by a model whose motion is the same everywhere."""
    model = build_backbone("fomm", TINY["fomm"]).eval()
    source = torch.from_numpy(frames(1)).permute(0, 3, 1, 2).float() / 255
    grid = coordinate_grid(16, 16, source)[None]
    occlusion = torch.full((1, 1, 16, 16), visible)
    drawn = Rendering(torch.full((1, 3, 32, 32), 0.25), grid + torch.tensor(way), occlusion)
    model.rendering = lambda appearance, keypoints: drawn  # type: ignore[method-assign]
    detail = NativeDetail(model, 32)
    return source, detail.rendering(detail.appearance(source[0]), torch.zeros(1, 60)).frames


def test_what_does_not_move_is_the_source_itself() -> None:
    source, drawn = drawn_by((0, 0), 1.0)
    torch.testing.assert_close(drawn, source, atol=1e-4, rtol=0)


def test_pixels_move_by_whole_steps_and_the_decoder_fills_the_edge() -> None:
    source, drawn = drawn_by((2 * 8 / WIDE[1], 0), 1.0)  # each comes from 8 pixels to the right
    torch.testing.assert_close(drawn[..., :-12], source[..., 8:-4], atol=1e-3, rtol=0)
    beyond = drawn[..., -7:]  # of the source's right edge
    torch.testing.assert_close(beyond, torch.full_like(beyond, 0.25))


def test_what_the_source_does_not_show_is_the_decoders() -> None:
    drawn = drawn_by((0, 0), 0.0)[1]
    torch.testing.assert_close(drawn, torch.full_like(drawn, 0.25))


def test_clips_of_their_own_size_are_drawn_so() -> None:
    model = load_model(shipped_model("demo"))
    assert model.clip_settings() == model.card.settings.clips
    assert model.clip_settings(200) == ClipSettings(size=200, fit="keep")
    assert model.clip_settings(200, "model") == ClipSettings(size=200)
    assert model.clip_settings(None, "native") == ClipSettings(size=512, fit="keep")
    assert model.backbone_for(model.clip_settings()) is model.backbone
    assert isinstance(model.backbone_for(model.clip_settings(200)), NativeDetail)


def test_integers_draw_at_native_size_too() -> None:
    model = load_model(shipped_model("demo"))
    backbone = model.backbone_for(model.clip_settings(96))
    context = backbone.observe(frames())
    scene, keypoints = Scene.observed(backbone, context, 0), context.keypoints()
    quick = in_precision(scene, "int8", keypoints).render(keypoints)
    assert np.abs(quick.astype(int) - scene.render(keypoints)).mean() / 255 < 0.02
