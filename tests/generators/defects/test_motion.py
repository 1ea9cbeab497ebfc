"""Defects move with their part: masks follow, hide and leave the frame as the part does."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from flawcast.generators.backbones import Rendering
from flawcast.generators.backbones.layers import appearance, observe, render
from flawcast.generators.backbones.layers.composite import CutOut
from flawcast.generators.defects.host import measure_host
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.motion import (
    carried_to,
    field_of_affine,
    field_of_deformation,
    move,
    painted,
)
from flawcast.generators.defects.placement import Wish
from flawcast.generators.rendering.carried_masks import mean_iou, source_positions
from tests.generators.backbones.layers.drawn_clips import draw_clip
from tests.generators.defects.hosts import smooth_host


def stain(severity: float = 0.8) -> DefectLayer:
    return make_defect(smooth_host(), Order("stain", Wish(0.25, at=(0.0, 0.0)), severity, 2))


def turned(degrees: float, shift: tuple[float, float], scale: float = 1.0) -> np.ndarray:
    """A motion around the middle of a frame of 128 pixels, (2, 3)."""
    cos, sin = np.cos(np.radians(degrees)) * scale, np.sin(np.radians(degrees)) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, 63.5)
    return np.column_stack([linear, middle - linear @ middle + shift])


def test_standing_still_changes_nothing() -> None:
    layer, host = stain(), smooth_host()
    still = move(layer, field_of_affine(np.eye(2, 3), host.size))
    assert np.array_equal(still.mask, layer.mask())
    assert np.array_equal(still.over(host.picture), layer.over(host.picture))


def test_a_whole_step_moves_the_mask_exactly() -> None:
    layer = stain()
    moved = move(layer, field_of_affine(turned(0, (7, -4)), layer.size))
    assert np.array_equal(moved.mask, np.roll(layer.mask(), (-4, 7), (0, 1)))


def test_there_and_back_again() -> None:
    layer = stain()
    motion = turned(25, (6, 3), 1.1)
    there = carried_to(layer, field_of_affine(motion, layer.size))
    back = np.linalg.inv(np.vstack([motion, [0, 0, 1]]))
    again = move(there, field_of_affine(back, layer.size))
    assert mean_iou(again.mask[None], layer.mask()[None], np.ones((1, *layer.size), bool)) > 0.93
    assert there.at(0.4)[1].sum() == pytest.approx(layer.at(0.4)[1].sum() * 1.21, rel=0.15)


def test_hidden_and_outside_are_no_defect() -> None:
    layer = stain()
    field = field_of_affine(np.eye(2, 3), layer.size)
    visible = np.ones(layer.size, bool)
    columns = np.flatnonzero(layer.mask().any(0))
    half = int(columns.mean())
    visible[:, half:] = False
    moved = move(layer, field, visible=visible)
    assert np.array_equal(moved.mask, layer.mask() & visible)
    frame = np.full((*layer.size, 3), 128, np.uint8)
    assert np.array_equal(moved.over(frame)[:, half:], frame[:, half:])
    gone = move(layer, field_of_affine(turned(0, (300, 0)), layer.size))
    assert not gone.mask.any()
    assert np.array_equal(gone.over(frame), frame)
    cut = move(layer, field_of_affine(turned(0, (128 - half, 0)), layer.size))
    assert 0 < cut.mask.sum() < layer.mask().sum()


def test_a_defect_grows_while_it_moves() -> None:
    layer = stain()
    field = field_of_affine(turned(10, (2, 2)), layer.size)
    areas = [move(layer, field, progress).mask.sum() for progress in (0, 0.3, 0.6, 1)]
    assert areas[0] == 0
    assert areas == sorted(areas)


def test_a_deformation_is_the_same_motion() -> None:
    size = (128, 128)
    motion = turned(12, (5, -3))
    exact = field_of_affine(motion, size)
    coarse = exact[2::4, 2::4] - 0.5  # as a backbone's smaller field has them: middles of 4 x 4
    normalised = (coarse + 0.5) / 64 - 1
    field = field_of_deformation(normalised, size)
    inner = slice(8, -8)
    assert np.abs(field - exact)[inner, inner].max() < 0.3
    rendering = Rendering(
        torch.zeros(1, 3, *size), torch.from_numpy(normalised)[None].float(), torch.ones(1, 1, 8, 8)
    )
    positions, visible = source_positions(rendering)
    assert np.abs(positions[0] - exact)[inner, inner].max() < 0.3
    assert visible[0, 64, 64]


def changed_area(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where pictures differ by more than noise."""
    return np.abs(after.astype(int) - before).max(-1) > 25


def test_a_painted_part_of_layers_shows_the_mask_that_moved() -> None:
    frames, _ = draw_clip(count=10)
    frames = np.repeat(np.repeat(frames, 2, 1), 2, 2)
    seen = observe(frames)
    source = seen.tracks[0].source
    looks = appearance(seen, frames, [source])
    cut = looks.layers[0][0]
    part = np.zeros(frames.shape[1:3], bool)
    left, top, right, bottom = cut.box
    part[max(0, top) : bottom, max(0, left) : right] = (
        cut.pixels[max(0, -top) :, max(0, -left) :, 3][
            : part.shape[0] - max(0, top), : part.shape[1] - max(0, left)
        ]
        > 200
    )
    host = measure_host(frames[source], part, seen.plate.image)
    layer = make_defect(host, Order("pit", Wish(0.4, at=(0.0, 0.0)), 1.0, 3))
    painted_cut = CutOut(painted(cut.pixels, cut.box, layer), cut.box, cut.keypoints, cut.visible)
    defective = replace(looks, layers=((painted_cut,),))
    plain = render(looks, seen.keypoints)
    drawn = render(defective, seen.keypoints)
    changed = changed_area(plain.frames, drawn.frames)
    box = slice(layer.box[1], layer.box[3]), slice(layer.box[0], layer.box[2])
    at_source = changed_area(host.picture, layer.over(host.picture))[box]
    shown = replace(layer, cover=np.where(at_source, 255, 0).astype(np.uint8))
    masks, inside = [], []
    for index in range(len(frames)):
        field = field_of_deformation(plain.deformation[index], frames.shape[1:3])
        visible = plain.alpha[index] / 255
        masks.append(move(shown, field, visible=visible).mask)
        mask = move(layer, field, visible=visible).mask.astype(np.uint8)
        near = cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0
        inside.append((changed[index] & near).sum() / changed[index].sum())
    assert mean_iou(np.stack(masks), changed, np.ones_like(changed)) > 0.95
    assert min(inside) > 0.97
