"""Contact sheets of defects by type and severity, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.flows.pictures.defect_sheet import write_sheet
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.ledger import fulfil
from flawcast.generators.defects.making import Order
from flawcast.generators.defects.placebo import make_placebo
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.reasons import RefusedError
from flawcast.generators.defects.sketch import DEFECT_TYPES

SHOWN = (0.2, 0.5, 0.9)  # severities, one row each
ZOOM = 0.75  # half side of a detail, in lengths of its defect's box
AIR = 10  # pixels around

Picture = NDArray[np.uint8]


def write_type_sheets(folder: Path, hosts: Sequence[tuple[str, Host]]) -> list[Path]:
    """Write a sheet for each part: a row for each severity, a column for each type, then a placebo.

    Args:
        folder: Where the PNG files go.
        hosts: Names and parts.
    """
    written = []
    for name, host in hosts:
        kinds, cells = DEFECT_TYPES.names(), []
        for severity in SHOWN:
            for number, kind in enumerate(kinds):
                size = float(np.mean(DEFECT_TYPES[kind].sizes))
                (layer,), ledger = fulfil(host, [Order(kind, Wish(size), severity, number)])
                if layer is None:
                    cells.append((f"{kind}: {', '.join(ledger.rejected)}", _blank()))
                else:
                    cells.append((f"{kind} {layer.contrast:.1f}", detail(host, layer)))
            cells.append(_placebo_cell(host))
        path = folder / f"defects-{name}.png"
        written.append(write_sheet(path, cells, len(kinds) + 1))
    return written


def detail(host: Host, layer: DefectLayer) -> Picture:
    """The part around a defect, (S, S, 3)."""
    picture = layer.over(host.picture, host.background)
    left, top, right, bottom = layer.box
    reach = round(ZOOM * max(right - left, bottom - top)) + AIR
    padded = cv2.copyMakeBorder(picture, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    x, y = (left + right) // 2, (top + bottom) // 2
    return np.asarray(padded[y : y + 2 * reach, x : x + 2 * reach], np.uint8)


def _placebo_cell(host: Host) -> tuple[str, Picture]:
    """A harmless patch."""
    try:
        layer = make_placebo(host, Order("stain", Wish(0.2), 0.5, 1))
    except RefusedError as refused:
        return f"placebo: {refused.reason}", _blank()
    return f"placebo {layer.contrast:.1f}", detail(host, layer)


def _blank() -> Picture:
    """A light square, for what was rejected."""
    return np.full((32, 32, 3), 235, np.uint8)
