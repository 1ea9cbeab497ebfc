"""Prints a query's answer: a table for people, JSON, CSV or Parquet for programs."""

import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flawcast.configs.errors import SettingsError
from flawcast.configs.files import whole_file

WIDE = 110  # columns of a terminal that has room for all of these
SHOWN = {  # what fits a terminal, with its format; JSON, CSV and Parquet have every column
    "sample_id": "",
    "set_id": "",
    "label": "",
    "mode": "",
    "apd": ".4f",
    "diversity": ".4f",
    "mae": ".4f",
    "hold_mae": ".4f",
    "ssim": ".3f",
    "clip_name": "",
    "review": "",
    "note": "",
    "reviewer": "",
    "reviewed_at": "%Y-%m-%d %H:%M:%S",
    "newest": "",
    "forgotten_at": "%Y-%m-%d %H:%M:%S",
    "undoable": "",
    "run_id": "",
    "state": "",
    "started": "%Y-%m-%d %H:%M:%S",
    "seconds": ".0f",
    "planned": "",
    "made": "",
    "skipped": "",
    "failed": "",
    "accepted": "",
    "rejected": "",
    "clip": "",
    "reason": "",
}


def write_answer(answer: pa.Table, style: str, out: Path | None, console: Console) -> None:
    """Print an answer, or write it to a file, which appears whole.

    Args:
        answer: The result of `SampleStore.query`.
        style: "table", "json", "csv" or "parquet".
        out: File to write; None prints.
        console: Where a table goes.

    Raises:
        SettingsError: If Parquet is to be printed on a terminal, or the file cannot be written.
    """
    if style == "parquet" and out is None and sys.stdout.isatty():
        raise SettingsError("format: parquet is binary, expected --out FILE or a pipe, got neither")
    if out is None and style == "table":
        console.print(_table(answer, console.width))
    elif out is None:
        sys.stdout.buffer.write(_encode(answer, style))
        sys.stdout.buffer.flush()
    else:
        if out.is_dir():
            raise SettingsError(f"out: expected a file, {out} is a folder; name a file in it")
        try:
            with whole_file(out) as draft:
                draft.write_bytes(_encode(answer, style))
        except OSError as error:
            raise SettingsError(f"out: cannot write {out}: {error.strerror}") from None


def _encode(answer: pa.Table, style: str) -> bytes:
    """The bytes of an answer."""
    if style == "json":
        return json.dumps(answer.to_pylist(), default=str).encode() + b"\n"
    stream = io.BytesIO()
    if style == "csv":
        pyarrow.csv.write_csv(answer, stream)
    elif style == "parquet":
        pyarrow.parquet.write_table(answer, stream)
    else:
        text = Console(file=io.StringIO(), width=200)
        text.print(_table(answer, text.width))
        stream.write(text.file.getvalue().encode())  # type: ignore[attr-defined]
    return stream.getvalue()


def _table(answer: pa.Table, width: int) -> Table:
    """The main columns of an answer, for people."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"{answer.num_rows} rows",
        caption_justify="left",
    )
    names = answer.column_names
    hidden = {"set_id", "hold_mae"} if "sample_id" in names else set()
    if "set_id" in names:
        hidden |= {"run_id"}
    if "mae" in names:  # of sets or samples: shown where somebody reviewed any
        said = set(names) & {"review", "accepted", "rejected"}
        hidden |= {name for name in said if not set(answer[name].to_pylist()) - {"none", 0}}
    if width < WIDE:
        hidden |= {"clip_name", "ssim"}
    shown = [name for name in SHOWN if name in names and name not in hidden]
    for name in shown:
        table.add_column(
            name,
            justify="right" if SHOWN[name] else "left",
            no_wrap=True,
        )
    for row in answer.select(shown).to_pylist():
        table.add_row(*(_cell(row[name], SHOWN[name]) for name in shown))
    return table


def _cell(value: object, style: str) -> str:
    """One value; a dash where there is none."""
    return "-" if value is None else escape(format(value, style))
