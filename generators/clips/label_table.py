"""Read labels.csv as people and programs write it, and pair its rows with clips."""

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.entries import UNLABELLED, ClipEntry, OnNote, OnReject, Reject
from flawcast.generators.clips.layouts import OWN_TABLE, SPLITS

LABELS = OWN_TABLE
COLUMNS = ("file", "label", "split", "onset", "mask")
DELIMITERS = ",;\t|"
INDEX = {"", "index", "unnamed: 0"}  # names that programs give the column of row numbers
_WHOLE = re.compile(r"\d+([.,]0*)?")


def read_labels(folder: Path, on_note: OnNote) -> dict[str, tuple[int, ClipEntry]]:
    """Rows of labels.csv by file, each with the line that it stands in.

    The delimiter is found; a column of row numbers and empty rows are ignored; 12.0 is 12. Each is
    said once.

    Raises:
        ClipError: If the file is malformed; the message names the line and the reason.
    """
    path = folder / LABELS
    if not path.is_file():
        return {}
    columns, rows = _table(path, on_note)
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown or "file" not in columns:
        raise ClipError(
            f"{path}: expected the columns {', '.join(COLUMNS)} (only file is needed), "
            f"got {', '.join(columns)}; rename or remove {', '.join(unknown) or 'none'}"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ClipError(f"{path}: expected each column once, {twice[0]} is there twice; remove one")
    entries: dict[str, tuple[int, ClipEntry]] = {}
    for line, values in rows:
        where = f"{path} line {line}"
        if len(values) > len(columns):
            raise ClipError(f"{where}: expected {len(columns)} values, got more; quote commas")
        row = dict(zip(columns, [*values, *[""] * len(columns)], strict=False))
        entry = _entry(folder, row, where)
        if entry.name in entries:
            raise ClipError(f"{where}: {entry.name} is there twice; keep one row")
        entries[entry.name] = line, entry
    return entries


def pair_rows(
    folder: Path,
    rows: Mapping[str, tuple[int, ClipEntry]],
    clips: Mapping[str, Path],
    on_note: OnNote,
    on_reject: OnReject,
) -> dict[str, ClipEntry]:
    """The row of each clip that has one.

    A row whose file is not there pairs with a clip without a row if their names differ only in
    capitals, slashes, composed letters, leading zeros or the suffix, and no other clip's does.

    Args:
        folder: The folder.
        rows: What `read_labels` returned.
        clips: Paths of the clips by name.
        on_note: Called once if rows were paired so.
        on_reject: Called for each row without a clip.

    Raises:
        ClipError: If a clip has no row and a row no clip: its split may be that row's.
    """
    paired = {name: rows[name][1] for name in clips if name in rows}
    missing = [name for name, (_, row) in rows.items() if name not in clips and not _there(row)]
    free = [name for name in clips if name not in rows]
    for key in (_spelling, _stem):
        options, wanted = defaultdict(list), defaultdict(list)
        for name in free:
            options[key(name)].append(name)
        for name in missing:
            wanted[key(name)].append(name)
        for spelt, names in wanted.items():
            if len(names) == 1 and len(options[spelt]) == 1:
                (row,), (clip,) = names, options[spelt]
                paired[clip] = replace(rows[row][1], name=clip, path=clips[clip])
                missing.remove(row)
                free.remove(clip)
                on_note(f"{LABELS} line {rows[row][0]}: {row} is taken for {clip}")
    if missing and free:
        raise ClipError(
            f"{folder / LABELS} line {rows[missing[0]][0]}: there is no file {missing[0]}, and "
            f"{free[0]} has no row, so its label and split are unknown; mend the name, add a row, "
            "or remove the one without a file"
        )
    for name in missing:
        on_reject(Reject(name, f"named by {LABELS}, but there is no such file"))
    return paired


def _there(row: ClipEntry) -> bool:
    """Whether a row's file exists, though it may be no clip."""
    return row.path.exists()


def _spelling(name: str) -> str:
    """A name without what programs and people spell differently."""
    text = unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()
    text = re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", text)
    return unicodedata.normalize("NFC", text.removeprefix("./"))


def _stem(name: str) -> str:
    """The same without the suffix."""
    head, dot, suffix = _spelling(name).rpartition(".")
    return head if dot and head and "/" not in suffix and not suffix.isdigit() else _spelling(name)


def _table(path: Path, on_note: OnNote) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names and rows, with the numbers of their lines."""
    text = _text(path)
    lines = text.splitlines(keepends=True)
    first = 0
    delimiter = None
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        delimiter, first = lines[0][4], 1  # what Excel understands
    elif lines and lines[0].lower().strip("\r\n") == "sep=\t":
        delimiter, first = "\t", 1
    header = lines[first] if len(lines) > first else ""
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda mark: (header.count(mark), -DELIMITERS.index(mark)))
    if delimiter != ",":
        on_note(f"{LABELS}: its values are divided by {delimiter!r}")
    reader = csv.reader(io.StringIO("".join(lines[first:]), newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        for row in reader:
            rows.append((first + reader.line_num, [value.strip() for value in row]))
    except csv.Error as error:
        raise ClipError(f"{path}: expected CSV, {error}") from None
    while columns and not columns[-1] and not any(row[len(columns) - 1 :] for _, row in rows):
        columns.pop()
    if len(columns) > 1 and columns[0] in INDEX and "file" in columns[1:]:
        on_note(f"{LABELS}: its first column, of row numbers, is ignored")
        columns, rows = columns[1:], [(line, row[1:]) for line, row in rows]
    full = [(line, _trimmed(row, len(columns))) for line, row in rows if any(row)]
    if len(full) < len(rows):
        on_note(f"{LABELS}: {len(rows) - len(full)} empty rows are skipped")
    return columns, full


def _trimmed(row: list[str], length: int) -> list[str]:
    """A row without empty values beyond the last column, which spreadsheets write."""
    while len(row) > length and not row[-1]:
        row = row[:-1]
    return row


def _text(path: Path) -> str:
    """The file's text: UTF-8, or UTF-16 with a mark, as spreadsheets write it."""
    raw = path.read_bytes()
    coding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(coding)
    except UnicodeDecodeError as error:
        raise ClipError(
            f"{path}: expected CSV in UTF-8, {error}; save it as UTF-8 in your spreadsheet"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _entry(folder: Path, row: dict[str, str], where: str) -> ClipEntry:
    """One row of labels.csv."""
    onset = row.get("onset", "").strip()
    if onset and not (onset.isascii() and _WHOLE.fullmatch(onset)):
        raise ClipError(f"{where}: onset: expected a frame number from 0, got {onset!r}")
    mask = row.get("mask", "").strip()
    path = _inside(folder, row["file"].strip(), where)
    return ClipEntry(
        name=path.relative_to(folder).as_posix(),
        path=path,
        label=row.get("label", "").strip() or UNLABELLED,
        split=_split(row.get("split", ""), where),
        onset=int(re.split("[.,]", onset)[0]) if onset else None,
        mask=_inside(folder, mask, where) if mask else None,
    )


def _split(value: str, where: str) -> str:
    """The split that a value of labels.csv names; empty if the value is empty."""
    name = value.strip().lower()
    if name and name not in SPLITS:
        raise ClipError(
            f"{where}: split: expected train, val or test, got {value.strip()!r}; mend the row"
        )
    return SPLITS.get(name, "")


def _inside(folder: Path, name: str, where: str) -> Path:
    """A path inside the folder; any other path is refused."""
    plain = Path(name.replace("\\", "/"))
    if not name or plain.is_absolute() or ".." in plain.parts:
        raise ClipError(f"{where}: expected a path inside the folder, got {name!r}")
    path = folder / name
    try:
        if "\\" in name and not path.exists():  # written on Windows
            path = folder / plain
        inside = path.resolve().is_relative_to(folder.resolve())
        path.exists()  # raises for names that are too long
    except (OSError, ValueError):
        raise ClipError(f"{where}: expected a path, got {name[:60]!r}; mend the row") from None
    if not inside:
        raise ClipError(f"{where}: {name!r} leads out of the folder")
    return path
