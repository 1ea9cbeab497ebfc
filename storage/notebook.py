"""How notebooks show sample sets and query results: strips of frames and a table.

The result of `SampleStore.query` is a plain pyarrow table, so every library can use it. The
schema's metadata names the store that it comes from. If IPython runs when the store is imported, it
learns how to show such tables; all other tables look as before.
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
from flawcast.storage.sample_set import SampleSet
from flawcast.storage.schema import STORE_KEY
from flawcast.storage.store import SampleStore

FRAMES = 6  # per video in a strip
FUTURES = 4  # shown of a set
ROWS, PICTURES = 20, 8  # rows of a result that are shown, and those of them with frames
HEIGHT = 56  # of a strip, in pixels on the screen
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
    """Register how IPython shows sets and tables, unless it has a formatter for tables."""
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


def set_html(sample: SampleSet) -> str:
    """A sample set: a title, and strips of past, reference and the best kept futures."""
    origin = sample.provenance
    title = (
        f"{sample.id}: {origin.label}, {origin.mode}, {len(sample.videos)} of {len(sample.mae)} "
        f"futures kept, APD {sample.apd:.4f}"
    )
    hold = f"hold {sample.hold_mae:.4f}"
    rows = [("past", "", sample.past), ("reference", hold, sample.reference)]
    for rank, index in enumerate(sample.indices[:FUTURES]):
        rows.append((f"future {index}", f"{sample.mae[index]:.4f}", sample.videos[rank]))
    cells = [[name, score, _strip(video)] for name, score, video in rows]
    return f"<p>{escape(title)}</p>" + _table(("", "MAE", "frames"), cells)


def answer_html(answer: pa.Table) -> str | None:
    """The result of a query: its main columns and frames; None for any other table."""
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
    """Frames of the first rows' best videos; stops at the first that cannot be read."""
    keys = {"set_id", "rank"} & set(answer.column_names)
    if "set_id" not in keys:
        return []
    strips: list[str] = []
    with suppress(FlawcastError, OSError):
        store = SampleStore.open(url)
        for row in answer.slice(0, PICTURES).select(sorted(keys)).to_pylist():
            videos = store.open_array(row["set_id"], "videos")
            strips.append(_strip(np.asarray(videos[row.get("rank", 0)], np.uint8)))
    return strips


def _strip(video: NDArray[np.uint8]) -> str:
    """Some frames of a video side by side, as an image element."""
    from PIL import Image

    times = sorted(set(np.linspace(0, len(video) - 1, FRAMES).round().astype(int).tolist()))
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(list(video[times]), axis=1)).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    size = f"height: {HEIGHT}px; max-width: none"
    return f'<img alt="frames in order of time" style="{size}" src="data:image/png;base64,{data}">'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; the last cell of each row is markup, all others are text."""
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
