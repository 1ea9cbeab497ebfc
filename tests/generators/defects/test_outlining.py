"""Masks from a rectangle and strokes: what stands out is found, the brush has the last word."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import DefectError
from flawcast.generators.defects.bank import (
    Bank,
    Box,
    Stills,
    Stroke,
    add_marked,
    add_pictures,
    outline,
)
from tests.generators.defects.test_bank import polygon_mask, with_mask, write_still

AROUND = Box(24, 14, 44, 28)


@pytest.fixture
def still(tmp_path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(write_still(tmp_path / "stills" / "a.png")))


def overlap(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_what_stands_out_in_a_rectangle_is_found(still: NDArray[np.uint8]) -> None:
    mask = outline(still, AROUND)
    assert overlap(mask, polygon_mask()) > 0.9
    assert np.array_equal(mask, outline(still, AROUND)), "equal arguments, equal masks"
    lit = still * np.linspace(0.5, 1, 96)[None, :, None]  # light falls off across the still
    assert overlap(outline(lit.astype(np.uint8), AROUND), polygon_mask()) > 0.85


def test_large_stills_are_outlined_at_their_own_size(still: NDArray[np.uint8]) -> None:
    large = np.asarray(Image.fromarray(still).resize((960, 640), Image.Resampling.BICUBIC))
    mask = outline(large, Box(240, 140, 440, 280))
    wanted = np.kron(polygon_mask(), np.ones((10, 10), np.bool_))
    assert mask.shape == (640, 960)
    assert overlap(mask, wanted) > 0.85


def test_the_brush_has_the_last_word(still: NDArray[np.uint8]) -> None:
    off = Stroke(False, 3, ((35, 27), (55, 27)))
    on = Stroke(True, 2, ((80, 50),))  # outside the rectangle
    mask = outline(still, AROUND, [off, on])
    assert not mask[26:29, 36:54].any()
    assert mask[50, 80]
    assert outline(still, AROUND, [off, Stroke(True, 3, off.points)])[27, 40], (
        "the later one counts"
    )


@pytest.mark.parametrize(
    ("box", "strokes", "line"),
    [
        (
            Box(90, 60, 40, 1),
            (),
            "rectangle: expected at least 3x3 pixels inside the 96x64 picture",
        ),
        (Box(-50, 0, 40, 20), (), "got 0x20; draw it anew"),
        (AROUND, [Stroke(False, 500, ((48, 32),))], "outline: expected something that stands out"),
        (AROUND, [Stroke(True, 1, ((1.0, 1.0),) * 20_001)], "strokes: expected at most 20000"),
    ],
    ids=["thin", "outside", "all off", "too many"],
)
def test_what_cannot_be_outlined_is_one_line(
    still: NDArray[np.uint8], box: Box, strokes: Any, line: str
) -> None:
    with pytest.raises(DefectError, match=line):
        outline(still, box, strokes)


def test_what_is_marked_by_hand_enters_like_what_is_annotated(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    write_still(folder / "a.png")
    write_still(folder / "test" / "b.png", 1)
    stills, bank = Stills(folder), Bank(tmp_path / "bank")
    assert stills.admitted() == ["a.png"]
    item = add_marked(stills, "a.png", polygon_mask(), bank, "rust", "CC0")
    assert item is not None
    assert add_marked(stills, "a.png", polygon_mask(), bank, "rust") is None, "it is there already"
    for name, line in (("test/b.png", "of the test split"), ("../a.png", "expected one of")):
        with pytest.raises(DefectError, match=line):
            add_marked(stills, name, polygon_mask(), bank, "rust")
    with_mask(folder)
    (same,) = add_pictures(folder, Bank(tmp_path / "other"), "rust", "CC0").items
    assert same == item
    assert list(Bank(tmp_path / "bank")) == [item]
    with pytest.raises(DefectError, match=r"all 1 of .* are of the test split"):
        Stills(folder / "a.png", [folder]).admitted()
