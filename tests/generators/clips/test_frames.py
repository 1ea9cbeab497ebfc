"""Video and tensors are each other's inverse; frames become square in three ways."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.generators.clips.frames import resize_frame, to_tensor, to_video


def picture(height: int, width: int, channels: tuple[int, ...] = (3,)) -> NDArray[np.uint8]:
    """Seeded noise."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (height, width, *channels), dtype=np.uint8)


@pytest.mark.parametrize("leading", [(), (5,), (2, 5)], ids=["frame", "video", "sample set"])
def test_video_and_tensor_are_each_others_inverse(leading: tuple[int, ...]) -> None:
    video = np.random.default_rng(0).integers(0, 256, (*leading, 6, 4, 3), dtype=np.uint8)
    tensor = to_tensor(video)
    assert tensor.shape == (*leading, 3, 6, 4)
    assert tensor.dtype == torch.float32
    assert np.array_equal(to_video(tensor), video)


def test_every_value_survives_the_way_there_and_back() -> None:
    video = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    assert np.array_equal(to_video(to_tensor(video)), video)


def test_values_are_rounded_and_clamped() -> None:
    values = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 7.0]).reshape(4, 1, 1, 1)
    assert to_video(values.expand(4, 3, 1, 1))[:, 0, 0, 0].tolist() == [0, 0, 1, 255]


def test_read_only_video_is_taken_without_a_warning() -> None:
    video = np.zeros((2, 4, 4, 3), np.uint8)
    video.setflags(write=False)
    to_tensor(video).add_(1)
    assert not video.any()


@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
    channels=st.sampled_from([(), (3,)]),
)
def test_frames_and_masks_of_any_size_become_square(
    height: int, width: int, fit: str, channels: tuple[int, ...]
) -> None:
    square = resize_frame(picture(height, width, channels), ClipSettings(size=16, fit=fit))
    assert square.shape == (16, 16, *channels)
    assert square.dtype == np.uint8


def test_crop_takes_the_middle() -> None:
    frame = picture(20, 40)
    assert np.array_equal(resize_frame(frame, ClipSettings(size=20)), frame[:, 10:30])


def test_pad_keeps_the_whole_frame_between_black_bars() -> None:
    frame = picture(20, 40)
    square = resize_frame(frame, ClipSettings(size=40, fit="pad"))
    assert np.array_equal(square[10:30], frame)
    assert not square[:10].any()
    assert not square[30:].any()


def test_a_very_long_frame_is_padded_without_growing() -> None:
    frame = np.full((1, 2_000_000, 3), 200, np.uint8)
    square = resize_frame(frame, ClipSettings(size=16, fit="pad"))
    assert (square > 0).any(axis=(1, 2)).sum() == 1


def test_an_axis_that_shrinks_is_averaged_even_if_the_other_grows() -> None:
    frame = np.zeros((8, 64, 3), np.uint8)
    frame[:, ::2] = 200
    square = resize_frame(frame, ClipSettings(size=16, fit="stretch"))
    assert (square == 100).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_masks_keep_their_values(fit: str) -> None:
    mask = np.where(picture(50, 70, ()) > 127, 255, 0).astype(np.uint8)
    square = resize_frame(mask, ClipSettings(size=16, fit=fit))
    assert set(np.unique(square)) <= {0, 255}


def test_a_frame_of_the_right_size_is_left_alone() -> None:
    frame = picture(16, 16)
    assert np.array_equal(resize_frame(frame, ClipSettings(size=16)), frame)
