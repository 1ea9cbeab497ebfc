"""Frames as they come: files, pipes, cameras that are not there or are lost."""

import time
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.streams import CameraStream, PipeStream, streams_of
from flawcast.generators.clips.video_files import write_ffv1

VIDEO = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    write_ffv1(path, VIDEO, 20.0)
    return path


def test_a_file_and_a_pipe_have_the_same_frames(clip: Path) -> None:
    (stream,) = streams_of(str(clip))
    assert stream.fps == 20.0
    numbers, frames = zip(*stream.frames(), strict=True)
    assert numbers == tuple(range(8))
    assert np.array_equal(np.stack(frames), VIDEO)
    with clip.open("rb") as pipe:
        piped = [frame for _, frame in PipeStream(pipe).frames()]
    assert np.array_equal(np.stack(piped), VIDEO)


def test_a_folder_of_clips_is_one_stream_for_each(clip: Path) -> None:
    write_ffv1(clip.with_name("other.mkv"), VIDEO[:5], 20.0)
    assert [stream.name for stream in streams_of(str(clip.parent))] == ["clip.mkv", "other.mkv"]


def test_a_camera_that_ends_gets_one_line_after_its_last_frame(clip: Path) -> None:
    stream = CameraStream(f"file://{clip}")
    seen = []
    with pytest.raises(ClipError, match=r"ended after 8 frames; check its cable") as error:
        seen.extend(number for number, _ in stream.frames())
    assert seen == list(range(8))  # fewer frames than may wait: none is dropped
    assert "\n" not in str(error.value)
    assert stream.dropped == 0


def test_frames_that_come_faster_than_they_are_taken_are_dropped_and_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "long.mkv"
    write_ffv1(path, np.repeat(VIDEO, 8, axis=0), 4.0)  # four frames may wait
    stream, numbers = CameraStream(f"file://{path}"), list[int]()

    def take_late() -> None:
        for number, _ in stream.frames():
            while not (numbers or stream._ended):  # until the reader has them all
                time.sleep(0.01)
            numbers.append(number)

    with pytest.raises(ClipError, match="ended after 64 frames"):
        take_late()
    assert numbers == sorted(numbers)
    assert len(numbers) + stream.dropped == 64
    assert numbers[-4:] == [60, 61, 62, 63]


@pytest.mark.parametrize("source", ["97", "rtsp://127.0.0.1:9/none", "nothing.mkv"])
def test_a_source_that_is_not_there_is_one_line(source: str) -> None:
    with pytest.raises(ClipError) as error:
        list(streams_of(source))
    assert source in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pipe_without_a_video_is_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no video")
    with text.open("rb") as pipe, pytest.raises(ClipError, match="ffmpeg -i SOURCE"):
        PipeStream(pipe)


def test_a_damaged_file_says_where(clip: Path) -> None:
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) // 2])
    (stream,) = streams_of(str(clip))
    with pytest.raises(ClipError, match=r"clip.mkv: damaged"):
        list(stream.frames())
