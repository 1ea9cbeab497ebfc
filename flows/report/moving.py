"""A looping picture of a few sets, for slides and documents: what happened beside what may."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import FlawcastError, SettingsError, one_line
from flawcast.flows.pictures.contact_sheet import FUTURE, REFERENCE, spread_futures
from flawcast.flows.report.pictures import beside, tile
from flawcast.generators.clips.video_files import sane_rate
from flawcast.storage import SampleSet, SampleStore

ROWS, FUTURES = 2, 3
SIDE = 256  # longest side of a frame, in pixels
GAP = 6  # pixels between rows
QUALITIES = (60, 45, 30, 20)  # of WebP: the first at which the picture is small enough
LARGEST = 600_000  # bytes, so that a page with it opens quickly
LAST_FRAME = 900  # milliseconds


def write_moving(store: SampleStore, path: Path, where: str | None = None) -> Path:
    """Write the most diverse sets, one a row, as an animated WebP.

    The first tile of a row is the real clip, the others are kept futures that differ most. Each has
    a bar: grey while the past is seen, green for what happened, blue for what was sampled.

    Args:
        store: The sets.
        path: The file.
        where: SQL condition over sets.

    Raises:
        SettingsError: If the file cannot be written.
        FlawcastError: If no set meets the condition.
    """
    table = store.query(where=where, order_by="apd desc")
    if not len(table):
        raise FlawcastError(f"moving: expected sets in {store.url}, found none; see --where")
    first = table.slice(0, 1).to_pylist()[0]
    size = {name: first[name] for name in ("past", "future", "height", "width")}
    alike = [row["set_id"] for row in table.to_pylist() if size.items() <= row.items()]
    rows = [_row(store.load(set_id)) for set_id in alike[:ROWS]]
    frames = [_above(moment) for moment in zip(*rows, strict=True)]
    pace = round(1000 / sane_rate(first["fps"] or 12))
    times = [pace] * (len(frames) - 1) + [LAST_FRAME]
    opening, *others = map(Image.fromarray, frames)
    try:
        for quality in QUALITIES:
            opening.save(
                path,
                "WEBP",
                save_all=True,
                append_images=others,
                duration=times,
                loop=0,
                quality=quality,
                method=4,
            )
            if path.stat().st_size <= LARGEST:
                break
    except OSError as error:
        raise SettingsError(
            f"moving: expected a file that can be written, got {path}: {one_line(error)}"
        ) from error
    return path


def _row(made: SampleSet) -> list[NDArray[np.uint8]]:
    """Frames of one set: the real clip, and futures that differ most."""
    before = made.past
    if made.provenance.mode == "transfer":
        before = np.repeat(made.source[None], len(made.past), axis=0)
    chosen = spread_futures(made.videos, FUTURES)
    videos = [(made.past, made.reference, REFERENCE)]
    videos += [(before, made.videos[rank], FUTURE) for rank in chosen]
    tiles = [tile(past, later, colour, SIDE) for past, later, colour in videos]
    return [beside(moment) for moment in zip(*tiles, strict=True)]


def _above(rows: tuple[NDArray[np.uint8], ...]) -> NDArray[np.uint8]:
    """Rows of one moment, one above the other; a row of fewer futures ends earlier."""
    width = max(row.shape[1] for row in rows)
    gap = np.full((GAP, width, 3), 255, np.uint8)
    whole = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate([part for row in whole for part in (gap, row)][1:])
