"""Clips of every kind are read; what cannot be read is named with its reason and left out."""

import os
import struct
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.generators.clips import (
    ClipEntry,
    Reject,
    iter_clips,
    list_clips,
    read_clip,
    read_masks,
    split_windows,
)
from flawcast.generators.clips.containers import promised_size
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.rendering.carried_masks import DEFECT
from tests.generators.clips.clip_files import (
    FRAMES,
    KINDS,
    SMALL,
    moving,
    write_frames,
    write_gif,
    write_stream,
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


def test_ids_follow_the_bytes_and_the_settings_not_the_name(tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        write_ffv1(tmp_path / name, moving(), 10)
    first, second = (read_clip(tmp_path / name, SMALL).id for name in ("a.mkv", "b.mkv"))
    assert first == second
    assert read_clip(tmp_path / "a.mkv", ClipSettings(size=20)).id != first


def test_frames_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    write_frames(tmp_path / "many", moving(frames=12))
    frames = read_clip(tmp_path / "many", ClipSettings(size=32)).frames
    assert np.array_equal(frames, moving(frames=12))


def test_stride_keeps_every_nth_frame(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "clip.mkv", moving(), 10)
    clip = read_clip(tmp_path / "clip.mkv", ClipSettings(size=32, stride=2))
    assert np.array_equal(clip.frames, moving()[::2])
    assert clip.fps == pytest.approx(5)


def test_broken_clips_are_named_and_the_others_read(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "good.mkv", moving(), 10)
    write_ffv1(tmp_path / "short.mkv", moving(2), 10)
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_gif(tmp_path / "cut.gif", moving())
    (tmp_path / "cut.gif").write_bytes((tmp_path / "cut.gif").read_bytes()[:-200])
    Image.fromarray(moving()[0]).save(tmp_path / "photo.png")
    rejects: list[Reject] = []
    found = list(iter_clips(tmp_path, SMALL, 4, rejects.append))
    assert [clip.name for clip in found] == ["good.mkv"]
    reasons = {reject.name: reject.reason for reject in rejects}
    assert "not a readable video" in reasons["text.mp4"]
    assert "not a readable video" in reasons["empty.mp4"]
    assert "too short: expected at least 4 frames, got 2" in reasons["short.mkv"]
    assert "damaged" in reasons["cut.gif"]
    assert "not a strip" in reasons["photo.png"]
    assert all("\n" not in reason for reason in reasons.values())


def test_nothing_readable_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(ClipError, match=r"none of 1 is \(text.mp4: not a readable video"):
        list(iter_clips(tmp_path, SMALL))


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("1", (70_000, 1_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ClipError, match="expected at most 64 megapixels"):
        read_clip(tmp_path / "bomb.png", SMALL)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0, 0.9999), kind=st.sampled_from(sorted(set(KINDS) - {"frames"})))
def test_a_cut_file_is_read_whole_or_refused(
    share: float, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / kind
    KINDS[kind](path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    try:
        frames = len(read_clip(path, SMALL).frames)
    except ClipError:
        frames = FRAMES
    assert frames == FRAMES  # an avi or png may lack its end and still hold every frame


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    place=st.floats(0, 0.9999),
    byte=st.integers(0, 255),
    kind=st.sampled_from(sorted(set(KINDS) - {"frames"})),
)
def test_a_damaged_byte_raises_nothing_but_clip_errors(
    place: float, byte: int, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / kind
    KINDS[kind](path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] = byte
    path.write_bytes(data)
    with suppress(ClipError):
        read_clip(path, SMALL)


@pytest.mark.parametrize("flags", ["", "faststart"], ids=["index last", "index first"])
def test_a_video_cut_in_its_tail_is_refused(tmp_path: Path, flags: str) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, moving(), "libx264", {"movflags": flags} if flags else {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClipError, match=r"cut.mp4: (damaged after frame|not a readable video)"):
        read_clip(path, SMALL)


def test_a_matroska_file_may_be_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    write_video(path, moving(), "libx264", {"live": "1"})
    assert promised_size(path) == 0
    assert len(read_clip(path, SMALL).frames) == FRAMES


def test_nothing_reaches_the_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("clip.mp4", "clip.webm", "clip.gif"):
        KINDS[name](tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) * 3 // 4])
        with pytest.raises(ClipError):
            read_clip(tmp_path / name, SMALL)
    assert capfd.readouterr() == ("", "")


def test_a_playlist_named_as_a_video_opens_no_other_file(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "other.mkv", moving(), 10)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mkv\n")
    with pytest.raises(ClipError, match=r"list.mp4: not a readable video"):
        read_clip(tmp_path / "list.mp4", SMALL)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ffv1(tmp_path / "clip.mkv", moving(), 10)
    (tmp_path / "clip.mkv").rename(tmp_path / "12:30.mkv")
    monkeypatch.chdir(tmp_path)
    assert len(read_clip("12:30.mkv", SMALL).frames) == FRAMES


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ClipError, match=r"pipe.mp4: not a regular file"):
        read_clip(tmp_path / "pipe.mp4", SMALL)


def test_titles_in_an_old_encoding_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "old.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "TITLE"
        write_stream(container, moving(), "mpeg4")
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"\xe9\xe8\xff\xfe\xe9"))
    assert len(read_clip(path, SMALL).frames) == FRAMES


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


def test_a_frame_that_links_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", moving())
    Image.fromarray(moving()[0]).save(tmp_path / "secret.png")
    (tmp_path / "frames" / "9.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ClipError, match=r"9.png is a link that leads out"):
        read_clip(tmp_path / "frames", SMALL)


def test_a_damaged_frame_of_a_folder_is_named(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", moving())
    broken = tmp_path / "frames" / "3.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(ClipError, match=r"frames: 3.png: damaged"):
        read_clip(tmp_path / "frames", SMALL)


def test_windows_do_not_overlap() -> None:
    starts = [window.start for window in split_windows(50, 12, 12)]
    assert starts == [0, 24]


def test_a_clip_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ClipError, match=r"at least past \+ future = 24 frames, got 8"):
        split_windows(8, 12, 12)


def test_windows_of_a_clip_name_it_when_it_is_too_short(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    clip = read_clip(tmp_path / "a.mkv", SMALL)
    assert [window.start for window in split_windows(clip, 2, 1)] == [0, 3]
    with pytest.raises(ClipError, match=r"a.mkv: expected at least past \+ future = 24"):
        split_windows(clip, 12, 12)


def test_windows_have_a_past_and_a_future() -> None:
    with pytest.raises(SettingsError, match="at least one frame each, got 0 and 3"):
        split_windows(8, 0, 3)


def mask_strip(count: int) -> np.ndarray:
    """Masks side by side, each of its own grey value."""
    return np.repeat(np.arange(1, count + 1, dtype=np.uint8) * 20, 32)[None].repeat(32, axis=0)


def write_masks(kind: str, path: Path, count: int) -> None:
    masks = np.split(mask_strip(count), count, axis=1)
    if kind == "video":
        write_ffv1(path, np.stack(masks), 10)
    elif kind == "strip":
        Image.fromarray(mask_strip(count)).save(path)
    else:
        path.mkdir()
        for time, mask in enumerate(masks):
            Image.fromarray(mask).save(path / f"{time}_mask.png")


MASKS = {"video": "m.mkv", "strip": "m.png", "folder": "m"}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_go_with_their_frames(kind: str, tmp_path: Path) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    write_masks(kind, tmp_path / MASKS[kind], FRAMES)
    entry = ClipEntry("a.mkv", tmp_path / "a.mkv", mask=tmp_path / MASKS[kind])
    taken = ClipSettings(size=16, stride=2, max_frames=2)
    masks = read_masks(entry, taken, len(read_clip(entry.path, taken).frames))
    assert masks is not None
    assert [int(mask.max()) for mask in masks] == [20, 60]


@pytest.mark.parametrize("kind", MASKS)
def test_masks_that_are_too_few_are_refused(kind: str, tmp_path: Path) -> None:
    write_masks(kind, tmp_path / MASKS[kind], 3)
    entry = ClipEntry("a.mkv", tmp_path / "a.mkv", mask=tmp_path / MASKS[kind])
    with pytest.raises(ClipError, match=r"a.mkv: masks: m.*or 6 as there are frames, got 3"):
        read_masks(entry, SMALL, FRAMES)


def test_one_mask_is_for_all_frames_and_grey(tmp_path: Path) -> None:
    green = np.zeros((32, 32, 3), np.uint8)
    green[8:, 8:, 1] = 255
    Image.fromarray(green).save(tmp_path / "m.png")
    entry = ClipEntry("a.mkv", tmp_path / "a.mkv", mask=tmp_path / "m.png")
    masks = read_masks(entry, SMALL, FRAMES)
    assert masks is not None
    assert masks.shape == (FRAMES, 16, 16)
    assert masks[5].any()


@pytest.mark.parametrize(("bits", "values"), [("uint16", (0, 1)), ("uint16", (0, 65535))])
def test_masks_of_16_bits_may_hold_small_numbers(
    bits: str, values: tuple[int, int], tmp_path: Path
) -> None:
    mask = np.full((32, 32), values[0], bits)
    mask[8:, 8:] = values[1]
    Image.fromarray(mask).save(tmp_path / "m.png")
    masks = read_masks(ClipEntry("a", tmp_path / "a", mask=tmp_path / "m.png"), SMALL, 2)
    assert masks is not None
    assert (levels_of(masks)[:, 8:, 8:] == DEFECT).all()
    assert not masks[:, :3].any()


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


def test_a_sound_that_is_longer_than_the_video_does_no_harm(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        write_stream(container, moving(), "libx264")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 24000), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    assert len(read_clip(tmp_path / "a.mkv", SMALL).frames) == FRAMES


def test_masks_beside_the_frames_are_theirs(tmp_path: Path) -> None:
    write_frames(tmp_path / "c", moving())
    for time in range(FRAMES):
        Image.new("L", (32, 32), time + 1).save(tmp_path / "c" / f"{time}_mask.png")
    entry = ClipEntry("c", tmp_path / "c")
    masks = read_masks(entry, SMALL, FRAMES)
    assert masks is not None
    assert [int(mask[0, 0]) for mask in masks] == [1, 2, 3, 4, 5, 6]
    assert read_clip(entry.path, SMALL).frames.shape[0] == FRAMES
    (tmp_path / "c" / "2_mask.png").unlink()
    with pytest.raises(ClipError, match=r"2_mask.png is absent"):
        read_masks(entry, SMALL, FRAMES)


def test_clips_without_masks_have_none(tmp_path: Path) -> None:
    write_frames(tmp_path / "c", moving())
    assert read_masks(ClipEntry("c", tmp_path / "c"), SMALL, FRAMES) is None


@pytest.mark.parametrize(
    ("folder", "count"),
    [("belt", 14), ("mgif", 44), ("print3d", 15)],
    ids=["belt", "mgif", "print"],
)
def test_real_clips_are_all_readable(shared: Path, folder: str, count: int) -> None:
    rejects: list[Reject] = []
    settings = ClipSettings(size=16, max_frames=8)
    found = list(iter_clips(shared / "clips" / folder, settings, 8, rejects.append))
    assert (len(found), rejects) == (count, [])


def test_real_masks_go_with_their_frames(shared: Path) -> None:
    for entry in list_clips(shared / "clips" / "print3d"):
        masks = read_masks(entry, SMALL, len(read_clip(entry.path, SMALL).frames))
        assert masks is not None
        assert masks.shape == (10, 16, 16)
