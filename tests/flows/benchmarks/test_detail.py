"""Real parts at their own size: the table, its sheets, and clips that cannot be used."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from flawcast.configs.errors import ClipError
from flawcast.flows.benchmarks import Report
from flawcast.flows.benchmarks.detail import read_native
from flawcast.flows.benchmarks.detail_figures import COLUMNS, sharpness
from flawcast.generators.clips.listing import ClipEntry
from flawcast.generators.clips.video_files import write_ffv1
from tests.flows.commands.running import run
from tests.generators.backbones.layers.drawn_clips import draw_clip


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A part that moves at 160x96, a picture that stands still, and a file that is no video."""
    folder = tmp_path / "line"
    folder.mkdir()
    frames, plate = draw_clip(count=12)
    wide = np.stack([cv2.resize(frame, (160, 96)) for frame in frames])
    write_ffv1(folder / "part.mkv", wide, 25)
    still = cv2.resize(plate, (160, 96))
    write_ffv1(folder / "still.mkv", np.repeat(still[None], 6, 0), 25)
    (folder / "torn.mp4").write_text("no video")
    return folder


def test_layers_beat_copying_and_the_decoder(line: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--model", "demo", "--out", out, "--json")
    done = run("benchmark", "detail", line, *options)
    assert "Traceback" not in done.stderr
    part, still, torn, mean = json.loads(done.stdout)["rows"]
    assert set(COLUMNS) < set(part)
    assert (part["clip"], part["size"]) == ("part.mkv", "160x96")
    assert part["layers"] < 0.3 * part["copy"]
    assert part["layers"] < 0.5 * part["decoder"]
    assert part["sharpness, layers"] == pytest.approx(1, abs=0.15)
    assert part["second half"] < 0.5
    assert "nothing moves" in still["remark"]
    assert still["layers"] == ""
    assert "not a readable video" in torn["remark"]
    assert mean["layers / copy"] == pytest.approx(part["layers / copy"])
    with Image.open(out / "part.mkv.png") as sheet:
        assert sheet.width > 6 * 160
    assert "part.mkv" in (out / "detail.md").read_text()


def test_clips_are_named_once(line: Path) -> None:
    done = run("benchmark", "detail", line, "--clips", line)
    assert done.returncode == 1
    assert "clips: expected one folder, got" in done.stderr


def test_frames_of_several_sizes_are_refused(tmp_path: Path) -> None:
    for index, side in enumerate((40, 48)):
        Image.new("RGB", (side, 40)).save(tmp_path / f"{index}.png")
    with pytest.raises(ClipError, match="expected frames of one size, got 40x40, 48x40"):
        read_native(ClipEntry("clip", tmp_path))


def test_a_blurred_part_is_less_sharp() -> None:
    frames = draw_clip(count=3)[0]
    part = np.ones(frames.shape[:3], bool)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames])
    assert sharpness(frames, frames, part) == pytest.approx(1)
    assert sharpness(blurred, frames, part) < 0.5


def test_a_wide_table_is_printed_in_pieces() -> None:
    row = {"clip": "a long name", **{f"figure {number}": 0.1 for number in range(8)}}
    console = Console(width=50, record=True)
    Report("title", (row,), "note").show(console)
    text = console.export_text()
    assert text.count("a long name") > 1
    assert text.count("0.100") == 8
    assert all(
        line.rstrip().endswith(("│", "┃", "┓", "┩", "┘")) for line in text.splitlines()[1:-2]
    )
