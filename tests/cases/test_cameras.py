"""Clips as real cameras and recorders write them."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.generators.clips import (
    Clip,
    ClipEntry,
    Reject,
    iter_clips,
    list_clips,
    read_clip,
    read_masks,
    split_windows,
)
from flawcast.generators.clips.decoding import frame_files
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.video_files import write_video
from tests.flows.commands.running import run
from tests.generators.clips.clip_files import SMALL, moving
from tests.generators.clips.clip_files import write_video as write_coded

SIZE = ClipSettings(size=32)


def write_timed(path: Path, milliseconds: list[int], codec: str = "libx264") -> None:
    """A video whose frames are shown at these times."""
    video = moving(len(milliseconds))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(1000))
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.options = {"bf": "0", "g": "8"}
        for picture, when in zip(video, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi"])
def test_a_camera_that_slows_in_dim_light_is_whole(suffix: str, tmp_path: Path) -> None:
    times = [33 * number for number in range(10)] + [330 + 66 * number for number in range(20)]
    path = tmp_path / f"dim{suffix}"
    write_timed(path, times, "mpeg4" if suffix == ".avi" else "libx264")
    clip = read_clip(path, SMALL)
    assert len(clip.frames) == 30
    if suffix != ".avi":  # which has no times, only empty chunks
        assert clip.times is not None
        assert np.allclose(clip.times, np.array(times) / 1000, atol=0.002)
        assert clip.fps == pytest.approx(1 / 0.066, rel=0.02)


def test_a_pause_divides_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "burst.mkv"
    write_timed(path, [40 * n for n in range(13)] + [60_000 + 40 * n for n in range(9)])
    clip = read_clip(path, SMALL)
    assert (len(clip.frames), clip.gaps, clip.fps) == (22, (13,), 25.0)
    assert [window.start for window in split_windows(clip, 2, 2)] == [0, 4, 8, 13, 17]
    assert read_clip(path, ClipSettings(size=16, stride=2)).gaps == (7,)
    settings = GenerateSettings(past=2, future=2, samples=2, keep=2)
    plan = plan_sets(tmp_path, None, ("reconstruction",), settings, SMALL, "w")
    assert [item.window.start for item in plan.sets] == [0, 4, 8, 13, 17]


def test_a_slow_camera_has_no_pauses(tmp_path: Path) -> None:
    path = tmp_path / "lapse.mkv"
    write_timed(path, [60_000 * number for number in range(12)])
    clip = read_clip(path, SMALL)
    assert (len(clip.frames), clip.gaps) == (12, ())
    assert clip.fps == pytest.approx(1 / 60, rel=0.02)
    out = tmp_path / "shown.mp4"
    write_video(out, clip.frames, clip.fps)
    with av.open(str(out)) as container:
        assert container.duration / av.time_base <= 12  # not 720 s


def test_a_recording_that_begins_between_key_frames_lacks_only_those(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    write_timed(whole, [40 * number for number in range(24)])
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if number >= 3 and packet.size:
                packet.stream = stream
                target.mux(packet)
    clip = read_clip(cut, SMALL)
    assert len(clip.frames) == 16
    assert clip.notes == ("5 frames before the first key frame are left out",)
    assert np.array_equal(clip.frames, read_clip(whole, SMALL).frames[8:])


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi", ".ts"])
def test_a_file_that_is_cut_short_is_damaged_still(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut{suffix}"
    write_coded(path, moving(60), "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    if suffix == ".ts":  # a stream has no length; what decodes is used
        assert len(read_clip(path, SMALL).frames) > 20
        return
    with pytest.raises(ClipError, match=r"damaged|not a readable"):
        read_clip(path, SMALL)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".wmv", "wmv2"), (".mpg", "mpeg1video"), (".flv", "flv"), (".mts", "libx264")),
        *((".ts", "mpeg2video"), (".3gp", "h263"), (".m2ts", "libx264"), (".ogv", "libtheora")),
    ],
)
def test_other_containers_are_read(suffix: str, codec: str, tmp_path: Path) -> None:
    video = moving(6, 96, 128)  # a size that H.263 knows
    form = {".mts": "mpegts", ".m2ts": "mpegts", ".wmv": "asf"}.get(suffix)
    try:
        with av.open(str(tmp_path / f"a{suffix}"), "w", format=form) as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
            for picture in video:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this FFmpeg cannot write {codec}: {error}")
    (clip,) = iter_clips(tmp_path, SMALL)
    assert len(clip.frames) == 6


def deep(largest: int, frames: int = 6) -> np.ndarray:
    """A clip of 16-bit greys; the last frame alone is bright."""
    ramp = np.linspace(0, largest // 4, 32).astype(np.uint16)
    video = np.tile(ramp, (frames, 32, 1))
    video[-1, 0, 0] = largest
    return video


@pytest.mark.parametrize(("bits", "largest"), [(10, 1000), (12, 4000), (14, 16_000), (16, 65_000)])
@pytest.mark.parametrize("kind", ["frames", "stack.tif", "grey.mkv", "colours"])
def test_bits_in_use_are_those_of_the_whole_clip(
    bits: int, largest: int, kind: str, tmp_path: Path
) -> None:
    video, path = deep(largest), tmp_path / kind
    if kind == "stack.tif":
        pages = [Image.fromarray(page) for page in video]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    elif kind == "grey.mkv":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = 32, 32, "gray16le"
            for page in video:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(page, format="gray16le")))
            container.mux(stream.encode())
    else:
        path.mkdir()
        for number, page in enumerate(video):
            picture = np.repeat(page[..., None], 3, axis=2) if kind == "colours" else page
            cv2.imwrite(str(path / f"{number}.png"), picture)
    clip = read_clip(path, SIZE)
    expected = np.round(video.astype(float) * 255 / (2**bits - 1))
    assert np.abs(clip.frames[..., 0].astype(float) - expected).max() <= 1
    assert clip.frames.max() > 240
    assert any(f"{bits} bits" in note for note in clip.notes) == (bits < 16)


def mosaic_of_red(order: str, value: int, frames: int = 2) -> np.ndarray:
    """What a camera sees of a red wall: one pixel of each square of four."""
    raw = np.zeros((frames, 32, 32), np.uint16)
    row, column = divmod(order.index("r"), 2)
    raw[:, row::2, column::2] = value
    return raw


def is_red(frame: np.ndarray) -> bool:
    """Whether the middle of a frame is red."""
    red, green, blue = frame[8:24, 8:24].mean(axis=(0, 1))
    return bool(red > 150 and green < 20 and blue < 20)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        *(("cam1_BayerRG8", "rggb"), ("BayerBG12", "bggr"), ("bayer_grbg8 left", "grbg")),
        *(("Bayer GB10p", "gbrg"), ("top_RGGB", "rggb"), ("gbrg", "gbrg")),
    ],
)
@pytest.mark.parametrize("kind", ["frames", "deep frames", "video"])
def test_a_colour_mosaic_is_found_by_name(name: str, order: str, kind: str, tmp_path: Path) -> None:
    raw = mosaic_of_red(order, 3800 if kind == "deep frames" else 200)
    if kind == "video":
        path = tmp_path / f"{name}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = 32, 32, "gray"
            for page in raw.astype(np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(page, format="gray")))
            container.mux(stream.encode())
    else:
        path = tmp_path / name
        path.mkdir()
        for number, page in enumerate(raw):
            cv2.imwrite(str(path / f"{number}.png"), page if "deep" in kind else page.astype("u1"))
    assert is_red(read_clip(path, SIZE).frames[0])


@pytest.mark.parametrize("name", ["graybayer", "embargo", "mono8", "programs", "grgb"])
def test_names_that_say_no_mosaic_are_grey(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    for number, page in enumerate(mosaic_of_red("rggb", 200).astype(np.uint8)):
        cv2.imwrite(str(tmp_path / name / f"{number}.png"), page)
    frame = read_clip(tmp_path / name, SIZE).frames[0]
    assert (frame[..., 0] == frame[..., 2]).all()


def test_a_mosaic_may_be_said(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for number, page in enumerate(mosaic_of_red("gbrg", 200).astype(np.uint8)):
        cv2.imwrite(str(tmp_path / "clip" / f"{number}.png"), page)
    said = ClipSettings(size=32, mosaic="gbrg")
    assert is_red(read_clip(tmp_path / "clip", said).frames[0])
    assert "mosaic" not in SIZE.model_dump()  # ids of old stay
    assert read_clip(tmp_path / "clip", said).id != read_clip(tmp_path / "clip", SIZE).id


@pytest.mark.parametrize("pix_fmt", ["gbrp16le", "rgb48le"])
def test_colours_of_twelve_bits_in_sixteen_are_not_black(pix_fmt: str, tmp_path: Path) -> None:
    video = np.repeat(deep(4000)[..., None], 3, axis=3)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 32, pix_fmt
        for page in video:
            frame = av.VideoFrame.from_ndarray(page, format="rgb48le")
            container.mux(stream.encode(frame.reformat(format=pix_fmt)))
        container.mux(stream.encode())
    clip = read_clip(tmp_path / "a.mkv", SIZE)
    assert np.abs(clip.frames - np.round(video.astype(float) * 255 / 4095)).max() <= 1
    assert clip.notes == ("12 bits of its 16 are in use, and scaled to 8",)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "gray10le", "gray12le"])
def test_videos_that_say_their_depth_are_as_bright_as_they_were(
    pix_fmt: str, tmp_path: Path
) -> None:
    grey = np.full((32, 32, 3), 200, np.uint8)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 32, pix_fmt
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pix_fmt)))
        container.mux(stream.encode())
    assert abs(read_clip(tmp_path / "a.mkv", SIZE).frames.mean() - 200) < 4


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_what_is_transparent_is_black(deep: bool, tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    most = 65_535 if deep else 255
    picture = np.full((32, 32, 4), most, np.uint16 if deep else np.uint8)
    picture[:16, :, 3] = 0
    for number in range(2):
        cv2.imwrite(str(tmp_path / "cut" / f"{number}.png"), picture)
    frame = read_clip(tmp_path / "cut", SIZE).frames[0]
    assert frame[:15].max() == 0
    assert frame[17:].min() == 255


@pytest.mark.parametrize(("value", "word"), [(0, "black"), (255, "white")])
def test_a_clip_that_shows_nothing_is_left_out(value: int, word: str, tmp_path: Path) -> None:
    write_video(tmp_path / "nothing.mkv", np.full((6, 32, 32, 3), value, np.uint8), 10)
    write_video(tmp_path / "something.mkv", moving(), 10)
    rejects: list[Reject] = []
    assert [clip.name for clip in iter_clips(tmp_path, SMALL, 1, rejects.append)] == [
        "something.mkv"
    ]
    assert rejects[0].name == "nothing.mkv"
    assert f"{word} throughout" in rejects[0].reason


def test_a_circle_of_pixels_that_are_not_square_is_round(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    picture = np.zeros((64, 32, 3), np.uint8)
    cv2.ellipse(picture, (16, 32), (8, 16), 0, 0, 360, (255, 255, 255), -1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    (frame,) = read_clip(path, ClipSettings(size=64)).frames
    rows, columns = np.nonzero(frame[..., 0] > 128)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 2


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), lambda a: a),
        ((-1, 0, 0, 1), lambda a: a[:, ::-1]),
        ((1, 0, 0, -1), lambda a: a[::-1]),
        ((-1, 0, 0, -1), lambda a: a[::-1, ::-1]),
        ((0, 1, -1, 0), lambda a: np.rot90(a, -1)),  # a quarter clockwise, as phones write
        ((0, -1, 1, 0), lambda a: np.rot90(a)),
        ((0, 1, 1, 0), lambda a: a.transpose(1, 0, 2)),
    ],
    ids=["plain", "mirrored", "upside down", "half", "clockwise", "anticlockwise", "transposed"],
)
def test_display_matrices_turn_and_mirror(
    matrix: tuple[int, int, int, int], expected: object, tmp_path: Path
) -> None:
    path = tmp_path / "phone.mp4"
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:24, :40] = 255
    write_coded(path, np.stack([picture] * 3), "libx264")
    raw = bytearray(path.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (value << 16 for value in matrix)
    place = raw.rindex(plain)  # the track's; the first is the movie's
    raw[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(raw)
    shown = read_clip(path, ClipSettings(size=64)).frames[0]
    wanted = expected(picture)  # type: ignore[operator]
    assert np.abs(shown.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize("name", ["moving.png", "moving.webp", "stack.tif", "moving.gif"])
def test_pictures_of_several_pages_are_clips(name: str, tmp_path: Path) -> None:
    pages = [Image.fromarray(frame) for frame in moving()]
    options = {} if name.endswith("tif") else {"duration": [100] * 3 + [200] * 3}
    if name.endswith("webp"):
        options["lossless"] = True
    for number in range(2):
        pages[0].save(
            tmp_path / f"{number}{name}", save_all=True, append_images=pages[1:], **options
        )
    clips = list(iter_clips(tmp_path, SIZE))
    assert [clip.name for clip in clips] == [f"0{name}", f"1{name}"]
    assert clips[0].frames.shape == (6, 32, 32, 3)
    if not name.endswith("tif"):
        assert clips[0].times is not None
        assert np.allclose(clips[0].times, [0, 0.1, 0.2, 0.3, 0.5, 0.7])


def test_bytes_after_a_gifs_trailer_are_not_damage(tmp_path: Path) -> None:
    pages = [Image.fromarray(frame) for frame in moving()]
    path = tmp_path / "a.gif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    whole = path.read_bytes()
    path.write_bytes(whole + b"uploaded by a site" * 20)
    assert len(read_clip(path, SMALL).frames) == 6
    path.write_bytes(whole[:-1])
    with pytest.raises(ClipError, match="before its trailer"):
        read_clip(path, SMALL)


@pytest.mark.parametrize(
    "names",
    [
        [f"{1700000000 + number / 3!r}.png" for number in range(30)],
        [f"t{number / 2}s.png" for number in range(24)],
        [f"frame_{number / 4:g}.png" for number in range(24)],
        [f"{number}.png" for number in range(12)],
        [f"cam1.{number}.png" for number in range(8, 13)],
        [f"shot.{number:04d}.png" for number in range(12)],
    ],
    ids=["time.time()", "seconds", "short decimals", "numbers", "counter", "zeros"],
)
def test_frames_are_in_the_order_of_their_numbers(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in frame_files(tmp_path)] == names


def test_odd_pictures_are_no_frames(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(moving()):
        Image.fromarray(frame).save(folder / f"{number}.png")
        Image.fromarray(frame).save(folder / f"{number}.jpg")
    Image.new("RGB", (99, 9)).save(folder / "cover.jpg")
    clip = read_clip(folder, SIZE)
    assert np.array_equal(clip.frames, moving())
    assert clip.notes == ("7 pictures that are no frames are left out, such as 0.jpg",)


def test_a_name_that_is_not_utf8_is_readable_and_used(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", moving(), 10)
    os.rename(os.fsencode(tmp_path / "a.mkv"), os.fsencode(tmp_path) + b"/F\xf6rder.mkv")  # noqa: PTH104
    write_video(tmp_path / "b.mkv", moving(), 12)
    rows = {entry.name for entry in list_clips(tmp_path)}
    assert rows == {"F\\xf6rder.mkv", "b.mkv"}
    done = run("inspect", tmp_path, "--json")
    assert done.returncode == 0
    assert "xf6rder" in done.stdout
    settings = GenerateSettings(past=2, future=2, samples=2, keep=2)
    plan = plan_sets(tmp_path, None, ("reconstruction",), settings, SMALL, "w")
    assert plan.sets[0].title.encode()


@pytest.mark.parametrize(
    ("colour", "level"),
    [
        *(((255, 0, 0), DEFECT), ((0, 255, 0), DEFECT), ((0xFA, 0x32, 0x53), DEFECT)),
        *(((0, 0, 128), DEFECT), ((255,) * 3, DEFECT), ((1, 1, 1), DEFECT), ((128,) * 3, PART)),
    ],
)
def test_a_mask_of_one_colour_is_the_defect(
    colour: tuple[int, int, int], level: int, tmp_path: Path
) -> None:
    """Grey 128 stays the part, as the built-in line draws it."""
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[8:16, 8:16] = colour
    assert set(np.unique(levels_of(read_mask(tmp_path, Image.fromarray(mask))))) == {0, level}


def test_a_mask_that_is_drawn_by_transparency_counts(tmp_path: Path) -> None:
    alpha = np.zeros((32, 32), np.uint8)
    alpha[8:16, 8:16] = 255
    drawn = Image.new("RGBA", (32, 32), "black")
    drawn.putalpha(Image.fromarray(alpha))
    assert set(np.unique(levels_of(read_mask(tmp_path, drawn)))) == {0, DEFECT}


@pytest.mark.parametrize("size", [(48, 32), (32, 48)])
def test_a_mask_of_another_shape_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"expected the shape of the frames, 32x32, got"):
        read_mask(tmp_path, Image.new("L", size, 255))
    read_mask(tmp_path, Image.new("L", (128, 128), 255))  # another size is none


def read_mask(folder: Path, picture: Image.Image) -> np.ndarray:
    """The mask of a clip, read as clips' masks are."""
    write_video(folder / "a.mkv", moving(), 10)
    picture.save(folder / "m.png")
    entry = ClipEntry("a.mkv", folder / "a.mkv", mask=folder / "m.png")
    masks = read_masks(entry, SIZE, 6)
    assert masks is not None
    return masks


CASES = {
    "avi_dropped_frames.avi": 24,
    "burst_gap60s.mkv": 30,
    "mono12": 24,
    "sar_2to1_circle.mp4": 30,
    "stack.tif": 30,
    "starts_mid_gop.mkv": 40,
    "uvc_lowlight.mkv": 30,
    "wide_2to1": 30,
}


@pytest.mark.parametrize("name", CASES)
def test_the_inputs_of_the_reports_are_read(name: str, shared: Path) -> None:
    path = shared / "cases" / name
    if not path.exists():
        pytest.skip("needs ../shared/cases: inputs of bug reports")
    clips: list[Clip] = list(iter_clips(path, SMALL))
    assert [len(clip.frames) for clip in clips] == [CASES[name]]
    assert clips[0].frames.max() > 200
