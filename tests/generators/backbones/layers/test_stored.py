"""Appearances as arrays: exact, drawn in parts as in full, with masks that ride along."""

import numpy as np
import pytest

from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.configs.renderers import RENDERERS
from flawcast.generators.backbones.layers import Observation, appearance, observe, render
from flawcast.generators.backbones.layers.noise import FreshNoise, Noise
from flawcast.generators.backbones.layers.stored import LayerDrawing, from_arrays, to_arrays
from tests.generators.backbones.layers.drawn_clips import SIDE, STEP, Image, draw_clip


@pytest.fixture(scope="module", params=[0, 12], ids=["plate", "belt"])
def seen(request: pytest.FixtureRequest) -> tuple[Image, Observation]:
    frames, _ = draw_clip(weave=request.param)
    return frames, observe(frames)


@pytest.mark.parametrize("seed", [None, 7], ids=["clean", "noisy"])
def test_frames_from_arrays_are_those_of_the_appearance(
    seen: tuple[Image, Observation], seed: int | None
) -> None:
    frames, observation = seen
    look = appearance(observation, frames, [2, 6])
    look = look if seed is None else from_arrays(to_arrays(look) | {"noise": np.full(8, 2.0)})
    random = None if seed is None else np.random.default_rng(seed)
    whole = render(look, observation.keypoints, None, random).frames
    drawing = RENDERERS["layers"](to_arrays(from_arrays(to_arrays(look))))
    for wanted in (range(len(frames)), range(5, 9), range(3, 14, 4)):
        assert np.array_equal(
            drawing.frames(observation.keypoints, seed, wanted), whole[list(wanted)]
        )


def test_patches_over_backdrops_are_the_frames(seen: tuple[Image, Observation]) -> None:
    """Also where the part is cut off or outside, and where the belt goes beyond its texture."""
    frames, observation = seen
    drawing = LayerDrawing(to_arrays(appearance(observation, frames, [2, 6])))
    way = observation.keypoints.copy()
    way.reshape(len(way), -1, 6)[..., 0] += np.linspace(-1.5, 1.5, len(way))[:, None]
    whole = drawing.frames(way, None, range(len(way)))
    spots = drawing.spots(way)
    assert any(spot.empty for spot in spots)
    by_backdrop: dict[object, Image] = {}
    for frame, spot in zip(whole, spots, strict=True):
        own = drawing.backdrop(spot)
        assert np.array_equal(by_backdrop.setdefault(spot.backdrop, own), own)
        if not spot.empty:
            assert np.array_equal(drawing.backdrop(spot, spot.box), own[spot.inside])
            own = own.copy()
            own[spot.inside] = drawing.patch(spot)
        assert np.array_equal(own, frame)


def test_arrays_are_plain_and_survive_a_round_trip(seen: tuple[Image, Observation]) -> None:
    frames, observation = seen
    arrays = to_arrays(appearance(observation, frames))
    again = to_arrays(from_arrays(arrays))
    assert arrays.keys() == again.keys()
    for name, array in arrays.items():
        assert array.dtype.kind in "uifb", name
        assert np.array_equal(array, again[name]), name
        assert array.dtype == again[name].dtype, name


def test_levels_ride_on_the_part_and_uncovered_background_is_not_valid() -> None:
    frames, _ = draw_clip()
    observation, source = observe(frames), 3
    levels = np.zeros(frames.shape[1:3], np.uint8)
    left = 4 + STEP * source
    levels[14 : 14 + SIDE, left : left + SIDE] = PART
    levels[20:30, left + 8 : left + 18] = DEFECT
    drawing = LayerDrawing(to_arrays(appearance(observation, frames, [source]), levels=levels))
    maps, valid = drawing.maps(observation.keypoints, range(2, 12))
    for time, (one, sure) in enumerate(zip(maps, valid, strict=True), start=2):
        wanted = np.zeros_like(one)
        at = 4 + STEP * time
        wanted[14 : 14 + SIDE, at : at + SIDE] = PART
        wanted[20:30, at + 8 : at + 18] = DEFECT
        assert (one != wanted).mean() < 0.02
        assert sure.mean() > 0.8
        if at > left + 8:  # what the part uncovered is not in the source frame
            assert not sure[18:38, left + 2 : min(at - 3, left + SIDE - 2)].any()


def test_a_motion_map_measures_the_way_from_the_usual_video() -> None:
    frames, _ = draw_clip()
    observation = observe(frames)
    usual = observation.keypoints[4:10]
    look = appearance(observation, frames, [4])
    drawing = LayerDrawing(to_arrays(look, usual=usual))
    same, _ = drawing.maps(usual, range(6))
    assert not same.any()
    late, _ = drawing.maps(observation.keypoints[6:12], range(6))
    width = frames.shape[2]
    both = late[0][20:36, 4 + STEP * 6 + 3 : 4 + STEP * 4 + SIDE - 3]  # part in both videos
    assert np.allclose(both, 2 * STEP / (0.25 * width) * 255, atol=6)


def test_a_source_without_mask_material_says_so() -> None:
    frames, _ = draw_clip()
    drawing = LayerDrawing(to_arrays(appearance(observe(frames), frames)))
    with pytest.raises(KeyError, match="levels"):
        drawing.maps(np.zeros((1, 60), np.float32), range(1))


def test_noise_of_a_table_has_its_strength() -> None:
    flat = np.full((200, 300, 3), 120, np.uint8)
    for sigma in (0.4, 1.0, 3.0, 9.0):
        noisy = FreshNoise(Noise(np.full(8, sigma)), (200, 300), np.random.default_rng(0)).add(flat)
        away = noisy.astype(np.float64) - 120
        assert abs(away.mean()) < 0.02 * max(1, sigma)
        assert np.isclose(away.std(), np.hypot(sigma, 0.29), rtol=0.1)
