"""Where in the source frame defects were put: a coarse count for a heat map."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS, ROWS = 24, 15


@dataclass(frozen=True)
class PlaceCell:
    """A field of the frame.

    Args:
        x: Its column.
        y: Its row.
        count: Defects in it.
        share: The same, of those in the fullest field.
    """

    x: int
    y: int
    count: int
    share: float


@dataclass(frozen=True)
class Places:
    """Fields with defects.

    Args:
        columns: Fields from left to right.
        rows: Fields from top to bottom.
        count: Defects in all.
        cells: The fields that are not empty.
    """

    columns: int
    rows: int
    count: int
    cells: tuple[PlaceCell, ...]


def places_of(samples: pa.Table) -> Places | None:
    """Count the defects of samples by place; those of one set are one.

    Args:
        samples: Rows of samples.
    """
    shown = samples.filter(pc.is_valid(samples["defect_type"]))
    sets = shown.group_by("set_id").aggregate(
        [("defect_frame_x", "min"), ("defect_frame_y", "min")]
    )
    if not sets.num_rows:
        return None
    xs, ys = (sets[f"defect_frame_{axis}_min"].to_numpy() for axis in "xy")
    counts, _, _ = np.histogram2d(ys, xs, (ROWS, COLUMNS), ((0, 1), (0, 1)))
    most = counts.max()
    if not most:
        return None
    cells = tuple(
        PlaceCell(int(x), int(y), int(counts[y, x]), float(counts[y, x] / most))
        for y, x in zip(*np.nonzero(counts), strict=True)
    )
    return Places(COLUMNS, ROWS, int(counts.sum()), cells)
