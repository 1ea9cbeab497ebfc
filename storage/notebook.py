"""How sample sets and answers show themselves in a notebook: strips of frames and a table.

An answer of `SampleStore.query` is a plain pyarrow table, so that it goes wherever tables go. It
only remembers, in its schema's metadata, which store it is from; IPython, if it runs when the store
is imported, is told how to show such tables, and shows all others as before.
"""

import base64
import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flawcast.configs.errors import FlawcastError
from flawcast.configs.spread import spread_ends
from flawcast.storage.sample_set import SampleSet
from flawcast.storage.schema import STORE_KEY
from flawcast.storage.store import SampleStore

FRAMES = 6  # of each video in a strip
FUTURES = 4  # of a set that are shown
ROWS, PICTURES = 20, 8  # of an answer that are shown, and that get frames
HEIGHT = 56  # pixels of a strip as shown
COLUMNS = (
    "set_id",
    "sample_id",
    "run_id",
    "label",
    "mode",
    "mae",
    "ssim",
    "apd",
    "diversity",
    "clip_name",
    "state",
    "made",
    "clip",
    "reason",
)


def tell_ipython() -> None:
    """Show sets and answers where IPython runs, unless somebody has said how to show tables."""
    if "IPython" not in sys.modules:
        return
    with suppress(Exception):  # showing is a courtesy
        shell: Any = sys.modules["IPython"].get_ipython()
        if shell is None:
            return
        formatter = shell.display_formatter.formatters["text/html"]
        formatter.for_type(SampleSet, set_html)
        if pa.Table not in formatter.type_printers:
            formatter.for_type(pa.Table, answer_html)


def set_html(made: SampleSet) -> str:
    """A sample set: what it is, and strips of past, reference and the best kept futures."""
    about = made.provenance
    title = (
        f"{made.id}: {about.label}, {about.mode}, {len(made.videos)} of {len(made.mae)} futures "
        f"kept, APD {made.apd:.4f}"
    )
    rows = [("past", "", made.past), ("reference", f"hold {made.hold_mae:.4f}", made.reference)]
    for rank, index in enumerate(made.indices[:FUTURES]):
        rows.append((f"future {index}", f"{made.mae[index]:.4f}", made.videos[rank]))
    cells = [[name, score, _strip(video)] for name, score, video in rows]
    return f"<p>{escape(title)}</p>" + _table(("", "MAE", "frames"), cells)


def answer_html(answer: pa.Table) -> str | None:
    """An answer of a store: its main columns and frames; None for any other table."""
    metadata = answer.schema.metadata or {}
    if STORE_KEY not in metadata:
        return None
    names = [name for name in COLUMNS if name in answer.column_names]
    strips = _strips(answer, metadata[STORE_KEY].decode())
    rows = answer.slice(0, ROWS).select(names).to_pylist()
    cells = [[_text(row[name]) for name in names] for row in rows]
    for row, strip in zip(cells, [*strips, *[""] * len(cells)], strict=False):
        row.append(strip)
    shown = f", the first {ROWS} shown" if answer.num_rows > ROWS else ""
    return _table((*names, "frames"), cells) + f"<p>{answer.num_rows} rows{shown}</p>"


def _strips(answer: pa.Table, url: str) -> list[str]:
    """Frames of the first rows' best videos, as far as they can be read."""
    keys = {"set_id", "rank"} & set(answer.column_names)
    if "set_id" not in keys:
        return []
    found: list[str] = []
    with suppress(FlawcastError, OSError):
        store = SampleStore.open(url)
        for row in answer.slice(0, PICTURES).select(sorted(keys)).to_pylist():
            videos = store.open_array(row["set_id"], "videos")
            found.append(_strip(np.asarray(videos[row.get("rank", 0)], np.uint8)))
    return found


def _strip(video: NDArray[np.uint8]) -> str:
    """Some frames of a video side by side, as an image element."""
    from PIL import Image

    chosen = spread_ends(len(video), FRAMES)
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(list(video[chosen]), axis=1)).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    size = f"height: {HEIGHT}px; max-width: none"
    return f'<img alt="frames in order of time" style="{size}" src="data:image/png;base64,{data}">'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the last cell of a row is markup of ours, all others are text."""
    lines = ["<table><thead><tr>", *(f"<th>{escape(name)}</th>" for name in head), "</tr></thead>"]
    for *texts, markup in rows:
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        lines.append(f"<tr>{cells}<td>{markup}</td></tr>")
    return "".join([*lines, "</table>"])


def _text(value: object) -> str:
    """One value of a row."""
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
