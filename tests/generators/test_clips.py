"""Clips of every kind are read; what cannot be read is named with its reason and left out."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from configs.clip_settings import ClipSettings
from configs.errors import ClipError
from generators.clips import Reject, iter_clips, list_clips, read_clip, read_masks, split_windows
from generators.frames import resize_square, to_tensor, to_video
from generators.line.files import write_ffv1

SMALL = ClipSettings(size=16)
FRAMES = 6


def moving(frames: int = FRAMES, height: int = 32, width: int = 32) -> np.ndarray:
    """A bright square on its way over a dark picture."""
    video = np.full((frames, height, width, 3), 40, np.uint8)
    for time in range(frames):
        video[time, 4:20, 2 + time : 18 + time] = (220, 120, 60)
    return video


def write_video(path: Path, video: np.ndarray, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
        for picture in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_gif(path: Path, video: np.ndarray) -> None:
    pictures = [Image.fromarray(frame) for frame in video]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)


def write_frames(folder: Path, video: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for time, frame in enumerate(video):
        Image.fromarray(frame).save(folder / f"{time}.png")


KINDS = {
    "clip.mp4": lambda path: write_video(path, moving(), "libx264"),
    "clip.avi": lambda path: write_video(path, moving(), "mpeg4"),
    "clip.mkv": lambda path: write_ffv1(path, moving(), 10),
    "clip.webm": lambda path: write_video(path, moving(), "libvpx-vp9"),
    "clip.gif": lambda path: write_gif(path, moving()),
    "frames": lambda path: write_frames(path, moving()),
    "strip.png": lambda path: Image.fromarray(np.concatenate(list(moving()), axis=1)).save(path),
}


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


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_frames_become_square(fit: str) -> None:
    frame = moving(height=20, width=40)[0]
    assert resize_square(frame, ClipSettings(size=16, fit=fit)).shape == (16, 16, 3)


def test_pad_keeps_the_whole_frame_and_crop_its_middle() -> None:
    frame = np.zeros((20, 40, 3), np.uint8)
    frame[:, :10] = 255
    assert resize_square(frame, ClipSettings(size=20, fit="crop")).max() == 0
    assert resize_square(frame, ClipSettings(size=40, fit="pad"))[15, 5].min() == 255


def test_video_and_tensor_are_each_others_inverse() -> None:
    tensor = to_tensor(moving())
    assert tensor.shape == (FRAMES, 3, 32, 32)
    assert tensor.max() <= 1
    assert np.array_equal(to_video(tensor), moving())
    assert to_video(torch.full((2, 3, 4, 4), 7.0)).max() == 255


def test_labels_come_from_sub_folders(tmp_path: Path) -> None:
    for label in ("jam", "normal"):
        (tmp_path / label).mkdir()
        write_ffv1(tmp_path / label / "a.mkv", moving(), 10)
    write_frames(tmp_path / "slip" / "clip", moving())
    found = {entry.name: entry.label for entry in list_clips(tmp_path)}
    assert found == {"jam/a.mkv": "jam", "normal/a.mkv": "normal", "slip/clip": "slip"}


def test_labels_csv_says_label_split_onset_and_mask(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "masks").mkdir()
    write_ffv1(tmp_path / "masks" / "a.mkv", moving()[..., 0], 10)
    text = "\ufefffile,label,split,onset,mask\r\na.mkv,jam,test,4,masks/a.mkv\r\n"
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8", newline="")
    (entry,) = list_clips(tmp_path)
    assert (entry.label, entry.split, entry.onset) == ("jam", "test", 4)
    clip = next(iter_clips(tmp_path, ClipSettings(size=16, stride=2)))
    assert clip.onset == 2
    masks = read_masks(entry, SMALL)
    assert masks is not None
    assert masks.shape == (FRAMES, 16, 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,colour\na.mkv,red\n", "rename or remove colour"),
        ("label\njam\n", "only file is needed"),
        ("file,onset\na.mkv,soon\n", "expected a frame number from 0, got 'soon'"),
        ("file\na.mkv\na.mkv\n", "there twice"),
        ("file\n../a.mkv\n", "expected a path inside the folder"),
        ("file\n/etc/passwd\n", "expected a path inside the folder"),
    ],
    ids=["column", "no file", "onset", "twice", "outside", "absolute"],
)
def test_malformed_labels_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ClipError, match=message):
        list_clips(tmp_path)


def test_links_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_ffv1(tmp_path / "secret.mkv", moving(), 10)
    write_ffv1(folder / "own.mkv", moving(), 10)
    (folder / "link.mkv").symlink_to(tmp_path / "secret.mkv")
    rejects: list[Reject] = []
    assert [entry.name for entry in list_clips(folder, rejects.append)] == ["own.mkv"]
    assert rejects == [Reject("link.mkv", "a link that leads out of the folder")]


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


def test_empty_and_absent_folders_say_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"expected mp4, avi, mkv.*found none; name another"):
        list_clips(tmp_path)
    with pytest.raises(ClipError, match="does not exist"):
        list_clips(tmp_path / "absent")


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("1", (70_000, 1_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ClipError, match="expected at most 64 megapixels"):
        read_clip(tmp_path / "bomb.png", SMALL)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0, 0.999), kind=st.sampled_from(["clip.mp4", "clip.gif", "clip.mkv"]))
def test_a_cut_file_is_read_nearly_whole_or_refused(
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
    assert frames >= FRAMES - 3  # Matroska counts seconds, not frames


def test_windows_do_not_overlap() -> None:
    starts = [window.start for window in split_windows(50, 12, 12)]
    assert starts == [0, 24]


def test_a_clip_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ClipError, match=r"at least past \+ future = 24 frames, got 8"):
        split_windows(8, 12, 12)


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
