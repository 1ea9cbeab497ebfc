"""The contact sheet: every frame in its place, nothing cut off, the futures spread out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.flows.pictures.contact_sheet import (
    MOST_ROWS,
    OUTLINE,
    PAGE_WIDTH,
    SheetRow,
    contact_sheet,
    spread_futures,
)

PAST_LEVEL, REFERENCE_LEVEL = 20, 60


def flat(level: int, frames: int = 12, height: int = 16, width: int = 16) -> NDArray[np.uint8]:
    """A grey video whose frame t has brightness level + t."""
    steps = (level + np.arange(frames, dtype=np.uint8))[:, None, None, None]
    return np.broadcast_to(steps, (frames, height, width, 3)).astype(np.uint8)


def row(kept_levels: tuple[int, ...] = (100, 130, 160), **sizes: int) -> SheetRow:
    """A set whose videos can be told apart by their brightness."""
    kept = np.stack([flat(level, **sizes) for level in kept_levels])
    past, reference = flat(PAST_LEVEL, **sizes), flat(REFERENCE_LEVEL, **sizes)
    return SheetRow("jam · reconstruction", "MAE 0.021   APD 0.034", past, reference, kept)


def pixels(path: Path) -> NDArray[np.uint8]:
    """The sheet as an array."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def frames_along(sheet: NDArray[np.uint8], line: int) -> list[int]:
    """Brightness of the frames that one line of pixels crosses, from left to right."""
    found: list[int] = []
    for level in sheet[line].max(axis=1).tolist():
        if level < 250 and (not found or found[-1] != level):
            found.append(level)
        elif level >= 250:
            found.append(255)
    return [level for level in found if level != 255]


def test_a_row_shows_past_reference_and_futures_in_order(tmp_path: Path) -> None:
    path = contact_sheet([row((100, 130, 220))], tmp_path / "sheet.png", times=3, futures=2)
    line = pixels(path).shape[0] - 80  # through the only row of frames
    expected = [23, 27, 31, 63, 67, 71, 103, 107, 111, 223, 227, 231]
    assert frames_along(pixels(path), line) == expected


def test_the_folder_of_the_sheet_is_made_and_its_path_returned(tmp_path: Path) -> None:
    path = tmp_path / "run" / "sheet.png"
    assert contact_sheet([row()], path) == path
    assert pixels(path).ndim == 3


def test_a_usual_sheet_fits_the_page(tmp_path: Path) -> None:
    levels = (100, 110, 120, 130, 140, 150)
    sheet = pixels(contact_sheet([row(levels)] * 3, tmp_path / "sheet.png"))
    assert sheet.shape[1] <= PAGE_WIDTH
    assert (sheet[:, :8] == 255).all()  # margins stay clean: nothing is cut off
    assert (sheet[:, -8:] == 255).all()
    assert (sheet[-8:] == 255).all()


def test_long_titles_stay_within_the_page(tmp_path: Path) -> None:
    long = row()
    titled = SheetRow("clip " * 200, "MAE " * 200, long.past, long.reference, long.kept)
    sheet = pixels(contact_sheet([titled], tmp_path / "sheet.png", times=1, futures=1))
    assert (sheet[:, -8:] == 255).all()


def test_wide_frames_keep_their_proportions(tmp_path: Path) -> None:
    wide = contact_sheet([row(height=8, width=16)], tmp_path / "wide.png", times=1, futures=1)
    square = contact_sheet([row()], tmp_path / "square.png", times=1, futures=1)
    assert pixels(square).shape[0] - pixels(wide).shape[0] == 64


def test_more_sets_than_fit_are_thinned_out_evenly(tmp_path: Path) -> None:
    many = contact_sheet([row()] * 100, tmp_path / "many.png", times=1, futures=1)
    full = contact_sheet([row()] * MOST_ROWS, tmp_path / "full.png", times=1, futures=1)
    assert pixels(many).shape == pixels(full).shape
    assert (pixels(many)[:80] != pixels(full)[:80]).any()  # the heading says so


def test_sets_may_keep_different_numbers_of_futures(tmp_path: Path) -> None:
    rows = [row((100,)), row((100, 130, 160))]
    sheet = pixels(contact_sheet(rows, tmp_path / "sheet.png", times=1, futures=5))
    assert frames_along(sheet, sheet.shape[0] - 80) == [31, 71, 111, 171, 141]


def test_windows_shorter_than_the_times_shown_are_shown_whole(tmp_path: Path) -> None:
    path = contact_sheet([row((100,), frames=2)], tmp_path / "sheet.png", times=4)
    assert frames_along(pixels(path), pixels(path).shape[0] - 80) == [20, 21, 60, 61, 100, 101]


def test_chosen_futures_start_with_the_best_and_spread_out() -> None:
    kept = np.stack([flat(level) for level in (100, 101, 200, 102, 150)])
    assert spread_futures(kept, 3) == [0, 2, 4]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6), st.integers(1, 8))
def test_chosen_futures_are_distinct_even_if_they_look_alike(levels: list[int], count: int) -> None:
    kept = np.stack([flat(level, frames=2) for level in levels])
    chosen = spread_futures(kept, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(levels))
    assert chosen[0] == 0


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected at least one set"):
        contact_sheet([], tmp_path / "sheet.png")


def test_sets_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"same \(P, F\) for all sets"):
        contact_sheet([row(), row(frames=6)], tmp_path / "sheet.png")


def test_masks_are_outlined_on_the_futures_alone(tmp_path: Path) -> None:
    plain = row()
    masks = np.zeros(plain.kept.shape[:-1], bool)
    masks[..., 4:12, 4:12] = True
    masked = replace(plain, masks=masks)
    sheets = [
        pixels(contact_sheet([item], tmp_path / f"{number}.png"))
        for number, item in enumerate((plain, masked))
    ]
    outlined = (sheets[1] == OUTLINE).all(axis=-1)
    assert outlined.any()
    assert np.array_equal(sheets[0][~outlined], sheets[1][~outlined])
    _, columns = np.nonzero(outlined)
    assert columns.min() > sheets[0].shape[1] // 4  # past and reference come first


def test_sets_of_different_sizes_keep_their_proportions(tmp_path: Path) -> None:
    wide, square = row((220,), height=8, width=16), row((220,))
    sheet = pixels(contact_sheet([wide, square], tmp_path / "sheet.png", times=1, futures=1))
    level = int(square.kept[0, -1].max())
    shown = (sheet == level).all(axis=2)  # the last frame of the only future
    runs = np.diff(np.flatnonzero(np.diff(np.pad(shown.any(axis=1), 1).astype(int))))[::2]
    assert [run for run in runs.tolist() if run > 20] == [64, 128]
