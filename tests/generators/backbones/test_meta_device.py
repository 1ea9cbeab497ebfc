"""Everything a backbone computes on another device stays there, as tensors without values tell.

PyTorch's `meta` tensors have a shape and a type, but no memory, and a device of their own: a
product of one with a tensor that was left on the CPU is an error, as it would be on a GPU.
"""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from flawcast.configs.settings import MotionTraining
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.objective import Objective, Pairs
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

THERE = torch.device("meta")


@pytest.fixture(autouse=True)
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no autocast for that device; where it is turned off, it is off."""

    def only_off(device: str, enabled: bool = True) -> Any:
        assert not enabled
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", only_off)


def test_what_was_left_on_the_cpu_is_told() -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(3, device=THERE) + torch.zeros(3)


@pytest.mark.parametrize("name", LEARNED)
@torch.no_grad()
def test_drawing_stays_on_the_gpu(name: str) -> None:
    backbone = for_inference(ready(build_backbone(name, TINY[name]))).to(THERE)
    frames = torch.rand(2, 3, 32, 32, device=THERE)
    keypoints = backbone.keypoints(frames)
    appearance = backbone.appearance(frames[0])
    drawn = backbone.rendering(appearance, keypoints)
    assert {keypoints.device, drawn.frames.device, drawn.deformation.device} == {THERE}
    moved = backbone.relative(keypoints, keypoints[0], keypoints[1], 0.5)
    assert moved.device == backbone.positions(keypoints).device == THERE


@pytest.mark.parametrize("name", LEARNED)
def test_training_stays_on_the_gpu(name: str) -> None:
    backbone = build_backbone(name, TINY[name]).to(THERE).train()
    settings = MotionTraining(steps=1, batch=2, scales=(1, 0.5))
    objective = Objective(settings).to(THERE)
    warp = RandomWarp.draw(2, settings.transform_params, torch.Generator()).to(THERE)
    source, driving = torch.rand(2, 2, 3, 32, 32, device=THERE)
    losses = backbone.losses(Pairs(source, driving, warp, 0.0), objective).losses
    total = torch.stack([loss.float() for loss in losses.values()]).sum()
    total.backward()
    assert total.device == THERE
    gradients = [one.grad for one in backbone.parameters() if one.grad is not None]
    assert {one.device for one in gradients} == {THERE}
