"""Sheets of defects: pictures in rows, each with a line of text below."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flawcast.configs.errors import DefectError
from flawcast.generators.defects.bank import BankItem
from flawcast.generators.defects.cut_outs import CutOut

SIDE, GAP, LINE = 168, 6, 18  # pixels
PER_ROW = 8
OUTLINE = (255, 60, 200)  # RGB

Picture = NDArray[np.uint8]


def write_sheet(path: Path, cells: Sequence[tuple[str, Picture]], per_row: int = PER_ROW) -> Path:
    """Write pictures with a line of text below each as PNG.

    Args:
        path: The file.
        cells: Text and picture, RGB, (H, W, 3).
        per_row: Pictures side by side.

    Raises:
        DefectError: If there is none.
    """
    if not cells:
        raise DefectError("sheet: expected pictures to show, got none; add some first")
    rows = -(-len(cells) // per_row)
    columns = min(per_row, len(cells))
    size = GAP + columns * (SIDE + GAP), GAP + rows * (SIDE + LINE + GAP)
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for number, (text, picture) in enumerate(cells):
        row, column = divmod(number, per_row)
        left, top = GAP + column * (SIDE + GAP), GAP + row * (SIDE + LINE + GAP)
        page.paste(Image.fromarray(_square(picture)), (left, top))
        pen.text((left, top + SIDE + 2), text, "black", font)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


def write_bank_sheet(path: Path, items: Sequence[tuple[BankItem, CutOut]]) -> Path:
    """Write items of a bank, each with the outline of its mask."""
    cells = []
    for item, cut in items:
        text = f"{item.label} {item.length:.2f} {item.item_id[7:13]}"
        cells.append((text, outlined(cut.picture, cut.mask)))
    return write_sheet(path, cells)


def outlined(picture: Picture, mask: NDArray[np.bool_]) -> Picture:
    """A picture, enlarged to a cell's size, with the outline of a mask."""
    scale = max(1, round(SIDE / max(mask.shape)))
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    wide = cv2.resize(
        mask.astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST
    )
    outlines, _ = cv2.findContours(wide, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(large, outlines, -1, OUTLINE, 1)
    return np.asarray(large, np.uint8)


def _square(picture: Picture) -> Picture:
    """A picture scaled into a square cell, on white."""
    scale = SIDE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, size, interpolation=how)
    cell = np.full((SIDE, SIDE, 3), 255, np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell
