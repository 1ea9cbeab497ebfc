"""VisA: pictures, masks and splits named by tables.

Reference:
    https://github.com/amazon-science/spot-diff
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from flawcast.configs.errors import AnnotationError
from flawcast.configs.labels import is_good
from flawcast.generators.clips.annotations.base import (
    READERS,
    Annotations,
    Picture,
    Shape,
    naming,
)
from flawcast.generators.clips.annotations.mask_files import drawn_in
from flawcast.generators.clips.layouts import SPLITS

TABLE, KINDS = "split_csv/1cls.csv", "image_anno.csv"
UNNAMED = "anomaly"


@READERS.register("visa")
def visa(path: Path) -> Annotations:
    """Read a table of splits, or a folder with `split_csv/1cls.csv` or `image_anno.csv`.

    The kind of a defect is that of `image_anno.csv`; where it gives several, the first counts.
    """
    table = path
    if path.is_dir():
        table = path / TABLE if (path / TABLE).is_file() else path
    root = table.parent.parent if table.parent.name == "split_csv" else table.parent
    root = path if table is path and path.is_dir() else root
    kinds = {
        row["image"]: row
        for file in sorted((*root.glob(KINDS), *root.glob(f"*/{KINDS}")))
        for row in _rows(file)
    }
    rows = [*_rows(table)] if table.is_file() else [*kinds.values()]
    if not rows:
        raise AnnotationError(f"{path.name}: expected {TABLE} or {KINDS} of VisA, found none")
    with naming(table.name if table.is_file() else KINDS):
        return Annotations(path.name, tuple(_picture(row, kinds, root) for row in rows))


def _rows(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a table, with all that `_picture` needs."""
    with naming(file.name), file.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            if not row.get("image") or row.get("label") is None:
                raise AnnotationError("expected the columns image, label and mask")
            yield {name: value or "" for name, value in row.items() if name}


def _picture(row: dict[str, str], kinds: dict[str, dict[str, str]], root: Path) -> Picture:
    """The picture of a row."""
    split = SPLITS.get(row.get("split", "").lower(), "")
    if is_good(row["label"]):
        return Picture(row["image"], split=split)
    kind = kinds.get(row["image"], row)["label"].split(",")[0].strip() or UNNAMED
    mask = row.get("mask", "").strip()
    return Picture(
        row["image"], (Shape(kind, drawn_in([root / mask] if mask else [])),), split=split
    )
