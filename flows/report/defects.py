"""The report's part on defects of looks: how many of which type and severity, and how they look."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from flawcast.configs.errors import StoreError
from flawcast.configs.mask_levels import DEFECT
from flawcast.flows.pictures.contact_sheet import outlined
from flawcast.storage import SampleStore

BANDS = ("weak", "medium", "strong")  # thirds of the severities
CELL = 132  # pixels along a side of a cell of the sheet
AROUND = 1.3  # of a defect's longer side, shown on each side of its middle
LEAST = 40  # pixels from the middle that are shown at least
MOST_TYPES = 16

Row = dict[str, Any]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class DefectCell:
    """Sets of one type and severity.

    Args:
        count: How many there are.
        picture: One of them as a data address, without and with the outline of its mask; None if
            there is none, or it cannot be read.
        target: The set that is shown.
    """

    count: int
    picture: str | None
    target: str


@dataclass(frozen=True)
class DefectView:
    """What the page shows of defects.

    Args:
        bands: Names of the severities.
        types: Each type with its cells, one for each band, and its median contrast-to-noise.
        placebos: Sets with a placebo.
        without: Sets with neither.
        more: Types that are not shown.
    """

    bands: tuple[str, ...]
    types: tuple[tuple[str, tuple[DefectCell, ...], float], ...]
    placebos: int
    without: int
    more: int


def view_defects(store: SampleStore, rows: Sequence[Row]) -> DefectView | None:
    """Count the defects of sets, and draw one for each type and severity.

    Args:
        store: The store.
        rows: Rows of sets.

    Returns:
        None if no set has a defect.
    """
    defective = [row for row in rows if row["defect_type"] is not None]
    if not defective:
        return None
    types = [name for name, _ in Counter(row["label"] for row in defective).most_common()]
    shown = []
    for name in sorted(types[:MOST_TYPES]):
        members = [row for row in defective if row["label"] == name]
        contrast = float(np.median([row["defect_contrast"] for row in members]))
        cells = tuple(
            _cell(store, [row for row in members if band_of(row["defect_severity"]) == band])
            for band in range(len(BANDS))
        )
        shown.append((name, cells, contrast))
    placebos = sum(bool(row["placebo"]) for row in rows)
    left = len(rows) - len(defective) - placebos
    return DefectView(BANDS, tuple(shown), placebos, left, max(0, len(types) - MOST_TYPES))


def band_of(severity: float) -> int:
    """Which third of the severities one is in."""
    return min(len(BANDS) - 1, int(severity * len(BANDS)))


def _cell(store: SampleStore, rows: Sequence[Row]) -> DefectCell:
    """Count sets, and draw the middle one by contrast."""
    if not rows:
        return DefectCell(0, None, "")
    middle = sorted(rows, key=lambda row: row["defect_contrast"])[len(rows) // 2]
    try:
        picture = _as_data(_drawn(store, middle["set_id"]))
    except StoreError:
        picture = None
    return DefectCell(len(rows), picture, middle["set_id"])


def _drawn(store: SampleStore, set_id: str) -> Image:
    """The defect in the best kept video, without and with its outline, side by side."""
    masks = np.asarray(store.open_array(set_id, "masks")[0]) == DEFECT
    frame = int(masks.sum(axis=(1, 2)).argmax())
    picture = np.asarray(store.open_array(set_id, "videos")[0, frame], np.uint8)
    mask = masks[frame]
    rows, columns = np.nonzero(mask)
    if not len(rows):
        rows, columns = np.array([mask.shape[0] // 2]), np.array([mask.shape[1] // 2])
    reach = max(LEAST, round(AROUND * max(np.ptp(rows), np.ptp(columns)) / 2 + LEAST / 2))
    y, x = (int(values.min() + values.max()) // 2 for values in (rows, columns))
    box = slice(max(0, y - reach), y + reach), slice(max(0, x - reach), x + reach)
    cut = _fitted(np.ascontiguousarray(picture[box]), cv2.INTER_CUBIC)
    around = _fitted(mask[box].astype(np.uint8), cv2.INTER_NEAREST) > 0
    return np.concatenate([cut, outlined(cut, around)], axis=1)


def _fitted(picture: NDArray[np.uint8], how: int) -> Image:
    """A picture at a cell's size, its longer side as long as the cell's."""
    scale = CELL / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    fitted = cv2.resize(picture, size, interpolation=how)
    height, width = fitted.shape[:2]
    pad = [(0, CELL - height), (0, CELL - width), (0, 0)][: fitted.ndim]
    return np.asarray(np.pad(fitted, pad), np.uint8)


def _as_data(picture: Image) -> str:
    """A picture as a data address."""
    data = io.BytesIO()
    Pictures.fromarray(picture).save(data, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
