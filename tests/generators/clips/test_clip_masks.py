"""Masks of every kind go with their frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.mask_levels import DEFECT
from flawcast.generators.clips import (
    ClipEntry,
    list_clips,
    read_clip,
    read_masks,
)
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import (
    FRAMES,
    SMALL,
    moving,
    write_frames,
)


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


def test_real_masks_go_with_their_frames(shared: Path) -> None:
    for entry in list_clips(shared / "clips" / "print3d"):
        masks = read_masks(entry, SMALL, len(read_clip(entry.path, SMALL).frames))
        assert masks is not None
        assert masks.shape == (10, 16, 16)
