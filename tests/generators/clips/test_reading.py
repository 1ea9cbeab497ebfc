"""Folders of clips are read; what cannot be read is named with its reason and left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.generators.clips import (
    Reject,
    iter_clips,
    read_clip,
    split_windows,
)
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import (
    SMALL,
    moving,
    write_frames,
    write_gif,
)


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
