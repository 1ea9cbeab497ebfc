"""Damaged, hostile and unusual containers are read whole or refused in one line."""

import os
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flawcast.configs.errors import ClipError
from flawcast.generators.clips import (
    read_clip,
)
from flawcast.generators.clips.containers import promised_size
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import (
    FRAMES,
    KINDS,
    SMALL,
    moving,
    write_stream,
    write_video,
)


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


def test_a_sound_that_is_longer_than_the_video_does_no_harm(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        write_stream(container, moving(), "libx264")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 24000), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    assert len(read_clip(tmp_path / "a.mkv", SMALL).frames) == FRAMES
