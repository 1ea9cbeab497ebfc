"""A mask drawn on the source frame is carried to every rendered frame."""

import numpy as np
import pytest
import torch

from flawcast.generators.backbones import Rendering, build_backbone, load_backbone
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import draw_line
from flawcast.generators.model import shipped_model
from flawcast.generators.rendering.carried_masks import carry_mask, mean_iou
from tests.generators.backbones.tiny_backbones import LEARNED, TINY


def shifted(pixels: int, size: int = 16) -> Rendering:
    """A rendering that moves everything to the right by whole pixels."""
    edges = (torch.arange(size) + 0.5) / size * 2 - 1
    xs = edges - 2 * pixels / size
    field = torch.stack(torch.meshgrid(xs, edges, indexing="xy"), dim=-1)[None]
    return Rendering(torch.zeros(1, 3, size, size), field, None)


def test_a_shift_moves_the_mask_by_as_much() -> None:
    mask = np.zeros((16, 16), bool)
    mask[4:8, 2:6] = True
    carried = carry_mask(mask, shifted(5))
    np.testing.assert_array_equal(carried.mask[0], np.roll(mask, 5, axis=1))
    assert not carried.valid[0, :, :5].any()  # came in from outside the frame
    assert carried.valid[0, :, 5:].all()


def test_what_was_hidden_is_not_valid() -> None:
    occlusion = torch.ones(1, 1, 4, 4)
    occlusion[..., :2] = 0
    still = shifted(0)
    carried = carry_mask(
        np.ones((16, 16), bool), Rendering(still.frames, still.deformation, occlusion)
    )
    assert not carried.valid[0, :, :6].any()
    assert carried.valid[0, :, 10:].all()


def test_iou_by_hand() -> None:
    ours = np.array([[[True, True, False, False]], [[False] * 4]])
    truth = np.array([[[True, False, True, False]], [[False] * 4]])
    everywhere = np.ones_like(ours)
    assert mean_iou(ours, truth, everywhere) == pytest.approx(1 / 3)
    assert mean_iou(ours, truth, ours) == pytest.approx(1 / 2)
    assert np.isnan(mean_iou(truth[1:], truth[1:], everywhere[1:]))


@pytest.mark.parametrize("name", LEARNED)
@torch.no_grad()
def test_every_backbone_says_where_pixels_come_from(name: str) -> None:
    backbone = build_backbone(name, TINY[name]).eval()
    frames = torch.rand(3, 3, 32, 32)
    drawn = backbone.rendering(backbone.appearance(frames[0]), backbone.keypoints(frames))
    assert drawn.deformation.shape[0] == 3
    assert drawn.deformation.shape[-1] == 2
    carried = carry_mask(np.ones((32, 32), bool), drawn)
    assert carried.mask.shape == carried.valid.shape == (3, 32, 32)


@torch.no_grad()
def test_a_still_clip_leaves_the_mask_where_it_was() -> None:
    backbone = load_backbone(shipped_model())
    (clip,) = draw_line(1, seed=7, frames=2, size=64, states=("normal",))
    frame = to_tensor(clip.frames[:1])
    drawn = backbone.rendering(backbone.appearance(frame[0]), backbone.keypoints(frame))
    carried = carry_mask(clip.part_masks[0], drawn).mask[0]
    assert (carried != clip.part_masks[0]).sum() <= 0.02 * clip.part_masks[0].sum()


@pytest.mark.parametrize(("model", "size"), [("demo", 64), ("line-128", 128)])
@torch.no_grad()
def test_shipped_models_carry_the_parts_mask(model: str, size: int) -> None:
    backbone = load_backbone(shipped_model(model))
    carried_iou, still_iou = [], []
    for clip in draw_line(1, seed=4321, frames=12, size=size):
        frames = to_tensor(clip.frames)
        drawn = backbone.rendering(backbone.appearance(frames[0]), backbone.keypoints(frames))
        carried = carry_mask(clip.part_masks[0], drawn)
        truth, valid = clip.part_masks[1:], carried.valid[1:]
        still = np.broadcast_to(clip.part_masks[:1], truth.shape)
        carried_iou.append(mean_iou(carried.mask[1:], truth, valid))
        still_iou.append(mean_iou(still, truth, valid))
    assert np.mean(carried_iou) > 0.8 > np.mean(still_iou)
