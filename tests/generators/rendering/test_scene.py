"""A frame is the same in whatever company it is drawn, which pruned rendering relies on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.rendering.scene import Scene
from tests.generators.backbones.tiny_backbones import TINY


@pytest.mark.parametrize("name", TINY)
def test_a_frame_does_not_depend_on_its_batch(name: str, rng: np.random.Generator) -> None:
    backbone = ready(build_backbone(name, TINY[name]))
    source = rng.integers(0, 256, (32, 32, 3), np.uint8)
    scene = Scene.encode(backbone, source)
    own = backbone.keypoints(torch.from_numpy(source / np.float32(255)).movedim(-1, 0)[None])
    moved = own.detach() + torch.from_numpy(rng.normal(0, 0.1, (20, own.shape[1]))).float()

    whole = scene.render(moved)
    assert whole.shape == (20, 32, 32, 3)
    order = rng.permutation(20)
    assert np.array_equal(scene.render(moved[order]), whole[order])
    for index in (0, 7, 19):
        assert np.array_equal(scene.draw(scene.place(moved[index : index + 1]))[0], whole[index])


def test_a_batch_has_fewer_frames_the_larger_they_are() -> None:
    backbone = build_backbone("fomm", TINY["fomm"])
    scene = Scene.encode(ready(backbone), np.zeros((32, 32, 3), np.uint8))
    sizes = [replace(scene, pixels=side * side).batch for side in (32, 64, 128, 256, 512)]
    assert sizes == [16, 16, 16, 8, 2]
