"""Which files hold annotations, and of which program."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import naming
from flawcast.generators.clips.layouts import SPLITS, split_named

YOLO = ("data.yaml", "data.yml", "dataset.yaml", "obj.names")
VISA = ("split_csv/*.csv", "image_anno.csv", "*/image_anno.csv")
NAMES = "coco, yolo, cvat, labelme, label-studio, mvtec or visa"


def recognise(path: Path) -> str:
    """Name the format of a file or a folder.

    Raises:
        AnnotationError: If it is absent, of none that is known, or of several.
    """
    if not path.exists():
        raise AnnotationError(f"annotations: expected a file or a folder, {path} does not exist")
    found = {_of_file(path)} if path.is_file() else set(_of_folder(path))
    found -= {""}
    if len(found) == 1:
        return found.pop()
    what = f"it may be {' or '.join(sorted(found))}" if found else "it is of none that is known"
    raise AnnotationError(
        f"annotations: expected {NAMES}, but of {path.name} {what}; name it with --format"
    )


def files_of(path: Path, suffix: str, kind: str) -> Iterator[tuple[Path, str]]:
    """The files of a format, each with its folder below `path`.

    Args:
        path: One file, or a folder of them.
        suffix: Of the files.
        kind: The format: other files of a folder are none of it.

    Raises:
        AnnotationError: If there is none.
    """
    if path.is_file():
        yield path, ""
        return
    found = [file for file in sorted(path.rglob(f"*{suffix}")) if _of_file(file) == kind]
    if not found:
        raise AnnotationError(f"{path.name}: expected files of {kind} in the folder, found none")
    for file in found:
        folder = file.parent.relative_to(path).as_posix()
        yield file, "" if folder == "." else folder


def split_said(file: Path) -> str:
    """The split that a file's folder or name says: `instances_val2017.json`; empty if none."""
    words = re.split(r"[\W_\d]+", file.stem.lower())
    return split_named(file.parent.name) or next(
        (SPLITS[word] for word in words if word in SPLITS), ""
    )


def _of_file(path: Path) -> str:
    """The format of a file; empty if it is of none."""
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "yolo"
    if suffix == ".csv":
        return "visa"
    if suffix == ".xml":
        return "cvat" if b"<annotations" in path.read_bytes()[:4096] else ""
    if suffix != ".json":
        return ""
    with naming(path.name):
        return _of_json(json.loads(path.read_text(encoding="utf-8")))


def _of_json(values: Any) -> str:
    """The format of what a file of JSON holds."""
    if isinstance(values, dict):
        if {"images", "annotations"} <= set(values):
            return "coco"
        if "shapes" in values:
            return "labelme"
    tasks = values if isinstance(values, list) else [values]
    first = tasks[0] if tasks else None
    if isinstance(first, dict) and "data" in first:
        return "label-studio"
    return ""


def _of_folder(path: Path) -> Iterator[str]:
    """The formats that a folder may be of."""
    if any(next(path.glob(pattern), None) for pattern in VISA):
        yield "visa"
    if any((place / "ground_truth").is_dir() for place in (path, *path.iterdir())):
        yield "mvtec"
    named = any((path / name).is_file() for name in YOLO)
    texts = (file.parent.relative_to(path.parent).parts for file in path.rglob("*.txt"))
    if named or any("labels" in folders for folders in texts):
        yield "yolo"
    for file in (*path.rglob("*.json"), *path.rglob("*.xml")):
        with suppress(AnnotationError):  # the reader says so, if it is one that it reads
            yield _of_file(file)
