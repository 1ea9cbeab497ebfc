"""Plates of other clips: of the same camera alone, and never of the clip itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.generators.backbones import load_backbone, save_backbone
from flawcast.generators.backbones.layers import observe
from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.backbones.layers.cameras import (
    completed,
    is_same,
    known_plate,
    plates_to_keep,
)
from flawcast.generators.backbones.layers.plate import Plate
from tests.generators.backbones.layers.drawn_clips import SIDE, STEP, Image, draw_clip

PAST = 5
STAIN, INK = (slice(20, 36), slice(22, 30)), np.array([150, 40, 40])  # always below the part


def stained(count: int, start: int) -> Image:
    """A clip of a belt with a stain, over which a part runs."""
    frames, _ = draw_clip(count, start)
    columns = np.arange(frames.shape[2])
    for index, frame in enumerate(frames):
        left = start + STEP * index
        free = (columns < left) | (columns >= left + SIDE)
        frame[STAIN][:, free[STAIN[1]]] = INK
    return frames


def plate_of_another() -> Plate:
    """The plate of a clip of the same line whose part leaves the stain."""
    return observe(stained(14, 24)).plate


def error_of_stain(plate: Image) -> float:
    return float(np.abs(plate[STAIN].astype(int) - INK).mean())


def test_another_clip_shows_what_the_past_never_does() -> None:
    frames, other = stained(PAST, 4), plate_of_another()
    assert error_of_stain(observe(frames).plate.image) > 25
    seen = observe(frames, plates=[other])
    assert error_of_stain(seen.plate.image) < 5
    assert seen.plate.valid.all()
    assert not seen.failure


def test_the_light_of_the_clip_itself_counts() -> None:
    frames = np.clip(stained(PAST, 4).astype(int) + 12, 0, 255).astype(np.uint8)
    seen = observe(frames, plates=[plate_of_another()])
    assert np.abs(seen.plate.image[STAIN].astype(int) - INK - 12).mean() < 5


def test_only_plates_of_the_same_camera_are_used() -> None:
    frames, other = stained(PAST, 4), plate_of_another()
    moved = Plate(np.roll(other.image, 2, axis=0), np.roll(other.valid, 2, axis=0))
    darker = Plate((other.image // 3).astype(np.uint8), other.valid)
    upside_down = Plate(other.image[::-1].copy(), other.valid[::-1].copy())
    assert is_same(frames, other)
    assert not any(is_same(frames, one) for one in (moved, darker, upside_down))
    smaller = Plate(other.image[:32].copy(), other.valid[:32].copy())
    assert known_plate(frames, [moved, darker, smaller]) is None


def test_a_bare_wall_is_no_camera() -> None:
    """White behind one thing and white behind another are not the same place."""
    bare = np.full((64, 96, 3), 200, np.uint8)
    assert not is_same(np.repeat(bare[None], 3, 0), Plate(bare, np.ones((64, 96), bool)))


def test_several_plates_outvote_one_with_a_part_in_it() -> None:
    frames, other = stained(PAST, 4), plate_of_another()
    spoilt = other.image.copy()
    spoilt[STAIN] = (20, 220, 20)
    known = known_plate(frames, [other, Plate(spoilt, other.valid), other])
    assert known is not None
    assert error_of_stain(known.image) < 5


def test_a_part_that_was_left_in_the_only_other_plate_is_not_taken() -> None:
    plate = plate_of_another()
    hidden = np.zeros_like(plate.valid)
    hidden[16:44, 10:40] = True
    own = Plate(plate.image, ~hidden)
    left = plate.image.copy()
    left[18:42, 12:38] = 250
    assert np.array_equal(completed(own, Plate(left, plate.valid)).image, own.image)


def test_a_whole_plate_stays_as_it_is() -> None:
    plate = plate_of_another()
    assert completed(plate, Plate(255 - plate.image, plate.valid)) is plate


def test_a_few_plates_of_each_camera_are_kept() -> None:
    plate = plate_of_another()
    other = Plate(plate.image[::-1].copy(), plate.valid[::-1].copy())
    assert plates_to_keep([other, plate, plate, plate, plate]) == [0, 1, 2, 3]


def test_the_plate_of_the_clip_itself_is_never_used() -> None:
    """It was made of what comes after the past as well."""
    frames, plate = stained(14, 4), plate_of_another()
    plain, knowing = LayersBackbone.knowing([]), LayersBackbone.knowing([("clip-1", plate)])
    own = knowing.observe(frames, PAST, clip_id="clip-1").seen.plate.image
    other = knowing.observe(frames, PAST, clip_id="clip-2").seen.plate.image
    assert np.array_equal(own, plain.observe(frames, PAST).seen.plate.image)
    assert error_of_stain(other) < 5 < error_of_stain(own)


def test_what_comes_after_the_past_does_not_choose_plates() -> None:
    frames, knowing = stained(14, 4), LayersBackbone.knowing([("other", plate_of_another())])
    noisy = frames.copy()
    noisy[PAST:] = np.random.default_rng(0).integers(0, 256, noisy[PAST:].shape, np.uint8)
    one, two = (knowing.observe(each, PAST, clip_id="this") for each in (frames, noisy))
    assert np.array_equal(one.seen.plate.image, two.seen.plate.image)
    assert torch.equal(one.keypoints()[:PAST], two.keypoints()[:PAST])


def test_plates_are_saved_with_the_backbone(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_backbone(LayersBackbone.knowing([("other", plate_of_another())]), path)
    loaded = load_backbone(path)
    assert isinstance(loaded, LayersBackbone)
    seen = loaded.observe(stained(PAST, 4), clip_id="this").seen
    assert error_of_stain(seen.plate.image) < 5


@pytest.mark.parametrize("share", [0.1, 0.9], ids=["little is seen", "nearly all is seen"])
def test_what_is_not_valid_is_not_compared(share: float) -> None:
    frames, other = stained(PAST, 4), plate_of_another()
    valid = np.zeros_like(other.valid)
    valid[:, : round(share * valid.shape[1])] = True
    assert is_same(frames, Plate(other.image, valid)) == (share > 0.5)
