"""`layers` as a backbone: a clip is observed, its parts are followed, one frame is not enough."""

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError, ModelError, NothingToFollowError
from flawcast.configs.renderers import RENDERERS
from flawcast.configs.settings import Transfer
from flawcast.generators.backbones import MotionBackbone, build_backbone, keypoints_of
from flawcast.generators.rendering.scene import Scene
from tests.generators.backbones.layers.drawn_clips import draw_clip

PAST = 8


@pytest.fixture
def backbone() -> MotionBackbone:
    return build_backbone("layers", {})


def test_a_clip_is_drawn_from_its_past(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip()
    context = backbone.observe(frames, PAST)
    keypoints = context.keypoints()
    scene = Scene.observed(backbone, context, 0)
    drawn = scene.render(keypoints)
    still = np.abs(frames[PAST:].astype(int) - frames[PAST - 1]).mean()
    assert keypoints.shape == (len(frames), backbone.layout.length)
    assert drawn.shape == frames.shape
    assert np.abs(frames[PAST:].astype(int) - drawn[PAST:]).mean() < 0.3 * still


def test_nothing_of_the_past_depends_on_the_future(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip()
    other = frames.copy()
    other[PAST:] = np.random.default_rng(0).integers(0, 256, other[PAST:].shape, np.uint8)
    ours, theirs = backbone.observe(frames, PAST), backbone.observe(other, PAST)
    past = ours.keypoints()[:PAST]
    assert torch.equal(past, theirs.keypoints()[:PAST])
    shown = [Scene.observed(backbone, one, 0).render(past) for one in (ours, theirs)]
    assert np.array_equal(*shown)  # hence the same plate and the same parts


def test_keypoints_of_a_clip_are_those_of_all_its_frames(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip()
    assert torch.equal(keypoints_of(backbone, frames, 4), backbone.observe(frames).keypoints())


def test_measured_frames_are_those_that_show_the_part(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip(count=30)  # the part is gone after 24 of them
    measured = backbone.observe(frames).measured()
    assert measured.start == 0
    assert 20 <= measured.stop <= 25


def test_sampled_parts_stay_whole(backbone: MotionBackbone) -> None:
    """Keypoints that each turn and grow on their own place are drawn as one part that turns."""
    frames, _ = draw_clip()
    context = backbone.observe(frames, PAST)
    last = context.keypoints()[PAST - 1].unflatten(0, (-1, 6))
    torn = last.clone()
    quarter = torch.tensor([[0.0, -1.5], [1.5, 0.0]])
    torn[:, 2:] = (quarter @ last[:, 2:].unflatten(1, (2, 2))).flatten(1)
    torn[:, :2] += 0.1
    futures = torch.stack([last, torn]).flatten(1)[None]
    still, turned = context.possible(futures)[0].unflatten(1, (-1, 6))
    torch.testing.assert_close(still, last, atol=1e-5, rtol=0)
    arms = last[:, :2] - last[:, :2].mean(dim=0)
    across = torch.stack([-arms[:, 1], arms[:, 0]], dim=1)
    moved = turned[:, :2] - last[:, :2].mean(dim=0) - 0.1
    torch.testing.assert_close(moved, across, atol=0.05 * float(arms.abs().max()), rtol=0)


def test_what_a_part_uncovers_comes_from_nowhere_in_the_source(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip()
    context = backbone.observe(frames)
    (last,) = Scene.observed(backbone, context, 0).renderings(context.keypoints()[-1:])
    field = last.deformation[0].numpy()
    scale = field.shape[0] / frames.shape[1]
    was, rail = (int(28 * scale), int(18 * scale)), (int(52 * scale), int(90 * scale))
    assert (np.abs(field[was]) > 1).all()  # where the part was in the source
    assert (np.abs(field[rail]) <= 1).all()  # where it never was


def test_motion_of_another_clip_moves_the_part_from_where_it_is(backbone: MotionBackbone) -> None:
    driving, _ = draw_clip(start=4)
    source, _ = draw_clip(start=20)
    motion = backbone.observe(driving).keypoints()
    context = backbone.observe(source)
    own = context.keypoints()
    for how in (Transfer(), Transfer(adapt_movement_scale=True)):
        moved = backbone.transfer(motion, motion[0], own[0], how)
        torch.testing.assert_close(moved[0], own[0], atol=1e-5, rtol=1e-4)
    moved = backbone.transfer(motion, motion[0], own[0], Transfer())
    torch.testing.assert_close(moved, own, atol=0.02, rtol=0)  # both move by 4 pixels a frame


def test_kept_videos_get_noise_of_the_clip_that_depends_on_the_seed_alone() -> None:
    frames, _ = draw_clip()
    noisy = np.random.default_rng(0).normal(frames, 4).clip(0, 255).astype(np.uint8)
    for wanted in (True, False):
        backbone = build_backbone("layers", {"noise": wanted})
        context = backbone.observe(noisy)
        scene, keypoints = Scene.observed(backbone, context, 0), context.keypoints()
        drawn = scene.render(keypoints)
        drawing = RENDERERS["layers"](backbone.source_arrays(scene.appearance))
        vectors, times = keypoints.numpy(), range(len(keypoints))
        one, again, other = (drawing.frames(vectors, seed, times) for seed in (1, 1, 2))
        assert np.array_equal(drawing.frames(vectors, None, times), drawn)
        assert np.array_equal(one, again)
        assert np.array_equal(one, drawn) != wanted
        assert np.array_equal(one, other) != wanted
        if wanted:
            added = (one.astype(int) - drawn)[:, :10]  # above the part
            assert 2 < added.std() < 6


def test_what_shows_nothing_to_follow_is_refused(backbone: MotionBackbone) -> None:
    frames, _ = draw_clip()
    with pytest.raises(NothingToFollowError, match="nothing moves; use frames in which a part"):
        backbone.observe(np.repeat(frames[:1], 8, 0))
    with pytest.raises(ClipError, match="layers: expected a clip, got a single frame"):
        backbone.appearance(torch.rand(3, 64, 96))
    with pytest.raises(ModelError, match="expected self-made pairs to learn from"):
        backbone.losses(None, None)  # type: ignore[arg-type]
