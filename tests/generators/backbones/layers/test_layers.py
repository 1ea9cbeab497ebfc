"""Layers: plate, belt, tracks, motion and composite on drawn clips, and causality."""

import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.generators.backbones.layers.affine import fitted
from flawcast.generators.backbones.layers.composite import make_cut_out
from flawcast.generators.backbones.layers.inpainting import inpainted
from flawcast.generators.backbones.layers.keypoints import centres, shared_out, unpacked
from flawcast.generators.backbones.layers.mattes import cut_out, soft_matte
from flawcast.generators.backbones.layers.model import appearance, best_sources, render
from flawcast.generators.backbones.layers.motion import dense_motion, part_motion
from flawcast.generators.backbones.layers.noise import FreshNoise, Noise, estimate_noise
from flawcast.generators.backbones.layers.observation import follow_on, observe, with_pixels_of
from flawcast.generators.backbones.layers.plate import clean_plate, uncovered_plate
from tests.generators.backbones.layers.drawn_clips import STEP, Image, draw_clip, textured

Clip = tuple[Image, Image]


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A part on a plate that stands still."""
    return draw_clip()


def test_the_plate_is_what_lies_behind_the_part(clip: Clip) -> None:
    frames, plate = clip
    assert np.abs(clean_plate([frames]).image.astype(int) - plate).mean() < 1


def test_a_part_that_never_leaves_its_middle_is_inpainted_and_said() -> None:
    frames, plate = draw_clip(count=5, start=20)
    seen = observe(frames)
    assert not seen.plate.valid.all()
    assert np.abs(seen.plate.image.astype(int) - plate).mean() < 12
    assert any("inpainted" in note for note in seen.notes)


def test_pixels_covered_in_every_frame_are_not_valid(clip: Clip) -> None:
    frames, _ = clip
    covered = np.zeros(frames.shape[:3], bool)
    covered[:, 5:9, 5:9] = True
    plate = uncovered_plate([frames], [covered])
    assert not plate.valid[5:9, 5:9].any()
    assert plate.valid.sum() == plate.valid.size - 16


def test_inpainting_a_flat_picture_keeps_it_flat() -> None:
    hole = np.zeros((32, 40), bool)
    hole[10:20, 10:30] = True
    assert (inpainted(np.full((32, 40, 3), 77, np.uint8), hole) == 77).all()


def test_inpainting_goes_on_with_a_rail() -> None:
    plate = np.full((32, 48, 3), 90, np.uint8)
    plate[12:16] = 20
    hole = np.zeros((32, 48), bool)
    hole[6:22, 10:30] = True
    assert np.abs(inpainted(plate, hole).astype(int) - plate)[hole].mean() < 8


def test_tracks_follow_an_exact_motion(clip: Clip) -> None:
    frames, _ = clip
    seen = observe(frames)
    assert seen.failure == ""
    places = centres(seen.keypoints, seen.groups == 0, frames.shape[1:3])
    steps = np.diff(places, axis=0)
    assert np.abs(steps - (STEP, 0)).max() < 0.3
    jacobians = unpacked(seen.keypoints)[1]
    assert np.abs(jacobians - np.eye(2)).max() < 0.03


def test_keypoints_are_sixty_numbers_within_the_frame(clip: Clip) -> None:
    frames, _ = clip
    seen = observe(frames)
    assert seen.keypoints.shape == (len(frames), 60)
    assert np.abs(unpacked(seen.keypoints[:8])[0]).max() <= 1


def test_a_drawn_frame_is_nearly_the_real_one(clip: Clip) -> None:
    frames, _ = clip
    seen = observe(frames)
    drawn = render(appearance(seen, frames, best_sources(seen, 2)), seen.keypoints)
    error = np.abs(drawn.frames.astype(int) - frames).mean(axis=(1, 2, 3))
    copy = np.abs(frames[0].astype(int) - frames[-1]).mean()
    assert error.max() < 0.25 * copy
    assert drawn.alpha.shape == frames.shape[:3]
    assert drawn.deformation.shape[0] == len(frames)


def test_the_deformation_is_the_identity_where_no_part_is(clip: Clip) -> None:
    frames, _ = clip
    seen = observe(frames)
    drawn = render(appearance(seen, frames), seen.keypoints[:1])
    rows, columns = drawn.deformation.shape[1:3]
    corner = drawn.deformation[0, -1, -1]
    assert np.allclose(corner, (1 - 1 / columns, 1 - 1 / rows), atol=1e-5)


@pytest.mark.parametrize("size", [(40, 90), (96, 50)])
def test_any_aspect_is_drawn(size: tuple[int, int]) -> None:
    frames, _ = draw_clip()
    tall = np.ascontiguousarray(frames[:, : size[0], : size[1]])
    tall = np.pad(tall, [(0, 0), (0, max(0, size[0] - 64)), (0, 0), (0, 0)], mode="edge")
    seen = observe(tall)
    assert render(appearance(seen, tall), seen.keypoints[:2]).frames.shape == (2, *tall.shape[1:])


def test_the_past_knows_nothing_of_the_future() -> None:
    frames, _ = draw_clip()
    past = 9
    noisy = frames.copy()
    shape = noisy[past:].shape
    noisy[past:] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    one, two = observe(frames, past), observe(noisy, past)
    assert (one.keypoints == two.keypoints).all()
    assert (one.plate.image == two.plate.image).all()
    assert (one.plate.valid == two.plate.valid).all()


def test_following_on_reads_no_frame_after_its_own() -> None:
    frames, _ = draw_clip()
    past, until = 8, 10
    noisy = frames.copy()
    noisy[until:] = np.random.default_rng(0).integers(0, 256, noisy[until:].shape, dtype=np.uint8)
    seen = observe(frames, past)
    one, two = follow_on(seen, frames), follow_on(seen, noisy)
    assert len(one) == len(frames)
    assert (one[:until] == two[:until]).all()
    way = np.diff(centres(one, seen.groups == 0, frames.shape[1:3])[: until + 1], axis=0)
    assert np.abs(way - (STEP, 0)).max() < 0.5


def test_a_moving_belt_keeps_its_weave() -> None:
    frames, _ = draw_clip(count=14, weave=40)
    seen = observe(frames)
    assert seen.belt is not None
    assert np.abs(seen.belt.velocity - (STEP, 0)).max() < 0.2
    assert seen.belt.rate == pytest.approx(1, abs=0.05)
    drawn = render(appearance(seen, frames), seen.keypoints).frames
    plain = np.abs(seen.plate.image.astype(int) - frames).mean()
    assert np.abs(drawn.astype(int) - frames).mean() < 0.5 * plain


def test_nothing_that_moves_is_a_failure() -> None:
    _, plate = draw_clip()
    seen = observe(np.repeat(plate[None], 6, 0))
    assert "nothing moves" in seen.failure
    assert seen.tracks == ()


def test_a_camera_that_moves_is_named() -> None:
    wide = textured((90, 130), 3, 0, 255)
    steps = np.random.default_rng(0).integers(0, 20, (8, 2))
    seen = observe(np.stack([wide[y : y + 64, x : x + 96] for y, x in steps]))
    assert "the whole picture changes" in seen.failure


def test_without_a_part_there_is_nothing_to_cut_out() -> None:
    _, plate = draw_clip()
    frames = np.repeat(plate[None], 6, 0)
    with pytest.raises(ClipError, match="expected a part that can be followed"):
        appearance(observe(frames), frames)


def test_a_clip_that_shows_no_motion_is_refused() -> None:
    with pytest.raises(ClipError, match="got 1 of 96x64"):
        observe(draw_clip()[0], past=1)


@pytest.mark.parametrize("weave", [0, 40])
def test_held_out_pixels_change_nothing(weave: int) -> None:
    frames, _ = draw_clip(weave=weave)
    seen, even = observe(frames), range(0, len(frames), 2)
    other = frames.copy()
    other[1::2] = 200
    one, two = (with_pixels_of(seen, clip, even) for clip in (frames, other))
    looks = [
        appearance(part, clip, best_sources(part, 2, even))
        for part, clip in ((one, frames), (two, other))
    ]
    drawn = [render(look, seen.keypoints).frames for look in looks]
    assert (drawn[0] == drawn[1]).all()
    error = np.abs(drawn[0].astype(int) - frames)[1::2].mean()
    assert error < 0.3 * np.abs(frames[0].astype(int) - frames)[1::2].mean()


def test_a_cut_out_over_its_background_is_the_frame(clip: Clip) -> None:
    frames, plate = clip
    mask = np.zeros(plate.shape[:2], bool)
    mask[14:42, 24:52] = True
    alpha = soft_matte(frames[5], plate, mask)
    pixels = cut_out(frames[5], plate, alpha).astype(float)
    again = pixels[..., :3] + (1 - pixels[..., 3:] / 255) * plate
    assert np.abs(again - frames[5]).mean() < 1
    assert alpha[20:36, 30:46].min() == 1
    assert alpha[:8].max() == 0


def test_equal_keypoints_are_the_identity() -> None:
    keypoints = observe(draw_clip()[0]).keypoints[3]
    nodes = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    assert np.allclose(part_motion(keypoints, keypoints, nodes), nodes, atol=1e-5)
    field = dense_motion(keypoints, keypoints, (3, 5, 40, 30), (64, 96))
    assert np.allclose(field[0, 0], (3, 5), atol=1e-2)
    assert np.allclose(field[-1, -1], (39, 29), atol=1e-2)


def test_an_affine_motion_is_exact_between_bent_keypoints() -> None:
    keypoints = observe(draw_clip()[0]).keypoints[3]
    moved = keypoints.copy().reshape(10, 6)
    moved[:, 0] += 0.25
    nodes = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    came = part_motion(keypoints, moved.ravel(), nodes)
    assert np.allclose(came, nodes - (0.25, 0), atol=1e-4)


def test_a_part_outside_the_frame_leaves_the_plate(clip: Clip) -> None:
    frames, _ = clip
    seen = observe(frames)
    away = seen.keypoints[:1].copy().reshape(1, 10, 6)
    away[..., 0] += 5
    drawn = render(appearance(seen, frames), away.reshape(1, 60))
    assert (drawn.frames[0] == seen.plate.image).all()
    assert drawn.alpha.max() == 0


def test_every_layer_gets_keypoints() -> None:
    assert np.bincount(shared_out([900, 100, 4])).min() >= 2
    assert len(shared_out([900, 100, 4])) == 10


def test_a_robust_fit_ignores_outliers() -> None:
    random = np.random.default_rng(0)
    starts = random.uniform(0, 60, (40, 2)).astype(np.float32)
    ends = (starts + np.array([3, -2])).astype(np.float32)
    ends[:10] += random.uniform(-30, 30, (10, 2)).astype(np.float32)
    motion = fitted(starts, ends)
    assert motion is not None
    assert np.allclose(motion, [[1, 0, 3], [0, 1, -2]], atol=0.05)


def test_noise_is_measured_and_added_with_its_strength() -> None:
    random = np.random.default_rng(0)
    frames = (110 + random.normal(0, 3, (6, 64, 64, 3))).round().astype(np.uint8)
    noise = estimate_noise(frames, np.zeros(frames.shape[:3], bool))
    assert noise.mean == pytest.approx(3, rel=0.15)
    flat = np.full((64, 64, 3), 110, np.uint8)
    one = FreshNoise(noise, (64, 64), np.random.default_rng(1)).add(flat)
    assert one.astype(float).std() == pytest.approx(3, rel=0.2)
    assert (one == FreshNoise(noise, (64, 64), np.random.default_rng(1)).add(flat)).all()
    assert (FreshNoise(Noise(np.zeros(8)), (64, 64), random).add(flat) == flat).all()


def test_a_cut_out_is_trimmed_to_its_part() -> None:
    pixels = np.zeros((40, 50, 4), np.uint8)
    pixels[10:20, 30:45] = 200
    one = make_cut_out(pixels, np.zeros(60, np.float32))
    left, top, right, bottom = one.box
    assert (left, top, right, bottom) == (27, 7, 48, 23)
    assert one.pixels.shape == (bottom - top, right - left, 4)
