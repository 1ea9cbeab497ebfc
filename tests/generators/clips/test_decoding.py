"""Clips of every kind become frames with the right colours, sides and times."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.generators.clips import (
    read_clip,
)
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import (
    FRAMES,
    KINDS,
    SMALL,
    moving,
    write_video,
)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_clip_is_read(name: str, tmp_path: Path) -> None:
    KINDS[name](tmp_path / name)
    clip = read_clip(tmp_path / name, ClipSettings(size=32))
    assert clip.frames.shape == (FRAMES, 32, 32, 3)
    assert np.abs(clip.frames.astype(float) - moving()).mean() < 12
    assert clip.fps > 0


@pytest.mark.parametrize("name", ["clip.mkv", "clip.gif", "frames", "strip.png"])
def test_colours_are_in_their_order(name: str, tmp_path: Path) -> None:
    KINDS[name](tmp_path / name)
    red, green, blue = read_clip(tmp_path / name, ClipSettings(size=32)).frames[0, 10, 10]
    assert red > green > blue


def test_stride_keeps_every_nth_frame(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "clip.mkv", moving(), 10)
    clip = read_clip(tmp_path / "clip.mkv", ClipSettings(size=32, stride=2))
    assert np.array_equal(clip.frames, moving()[::2])
    assert clip.fps == pytest.approx(5)


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("1", (70_000, 1_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ClipError, match="expected at most 64 megapixels"):
        read_clip(tmp_path / "bomb.png", SMALL)


def test_pictures_of_16_bits_are_scaled(tmp_path: Path) -> None:
    strip = np.repeat(np.uint16([0, 0x8080, 0xFFFF]), 16)[None].repeat(16, axis=0)
    Image.fromarray(strip).save(tmp_path / "deep.png")
    frames = read_clip(tmp_path / "deep.png", SMALL).frames
    assert [int(frame.max()) for frame in frames] == [0, 128, 255]


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    frames = np.full((2, 16, 16, 4), (255, 0, 255, 0), np.uint8)
    frames[0, 4:8] = frames[1, 6:10] = (0, 200, 0, 255)  # equal frames would become one in a gif
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(
        tmp_path / "clear.gif", save_all=True, append_images=pictures[1:], disposal=2, duration=40
    )
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(tmp_path / "clear.png")
    expected = np.where(frames[..., 3:] > 0, frames[..., :3], 0)
    for name in ("clear.gif", "clear.png"):
        assert np.array_equal(read_clip(tmp_path / name, SMALL).frames, expected)


def test_a_turned_phone_gives_upright_frames(tmp_path: Path) -> None:
    """By the display matrix of a video, and by the EXIF data of a picture."""
    video = moving()
    write_video(tmp_path / "a.mp4", video, "libx264")
    data = (tmp_path / "a.mp4").read_bytes()
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    track = data.index(identity, data.index(b"tkhd"))
    (tmp_path / "a.mp4").write_bytes(data[:track] + turned + data[track + len(identity) :])
    whole = ClipSettings(size=32)
    upright = np.rot90(video, -1, axes=(1, 2)).astype(int)
    found = read_clip(tmp_path / "a.mp4", whole).frames
    assert np.abs(found - upright).mean() < 6  # H.264 loses a little
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned so that the top is on the right
    Image.fromarray(video[0]).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), upright[0])
