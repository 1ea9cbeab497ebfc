"""YOLO: a text file for each picture, with a class and a polygon or a box in each line.

Reference:
    https://docs.ultralytics.com/datasets/segment/
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import (
    READERS,
    Annotations,
    Draw,
    Picture,
    Shape,
    named,
    naming,
)
from flawcast.generators.clips.annotations.outlines import filled_box, filled_polygons
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.layouts import SPLITS, split_named

NAMES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names")
NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt")


@READERS.register("yolo")
def yolo(path: Path) -> Annotations:
    """Read a `data.yaml`, or a folder with one, and the text files of `labels/` beside `images/`.

    A picture without a text file shows nothing.
    """
    root = path if path.is_dir() else path.parent
    file = path if path.is_file() else names_file(root)
    names: dict[str, str] = {}
    divided: dict[str, str] = {}
    if file is not None:
        with naming(file.name):
            names = class_names(file)
            if file.suffix != ".txt" and file.suffix != ".names":
                root, divided = _places(file)
    pictures, seen = [], set()
    for text in sorted(root.rglob("*.txt")):
        if text.name.lower() in NO_LABELS or text.parent.name.startswith("."):
            continue
        where = _picture_of(text.relative_to(root))
        with naming(text.relative_to(root).as_posix()):
            shapes = tuple(shapes_of(text, names))
        seen.add(where)
        pictures.append(Picture(where, shapes, split=_split(where, divided)))
    for picture in sorted(root.rglob("*")):
        where = picture.relative_to(root).with_suffix("").as_posix()
        if picture.suffix.lower() in STILL and where not in seen:
            pictures.append(Picture(where, split=_split(where, divided)))
    if not seen:
        raise AnnotationError(f"{path.name}: expected text files of YOLO below {root}, found none")
    notes = () if names else (f"{path.name}: it names no classes, so labels are their numbers",)
    return Annotations(path.name, tuple(pictures), notes=notes, complete=True)


def shapes_of(text: Path, names: dict[str, str]) -> Iterator[Shape]:
    """The shapes of a text file.

    Args:
        text: The file.
        names: Names of the classes by number; empty if nobody named them.

    Raises:
        AnnotationError: If a line is neither a polygon nor a box, or its class has no name.
    """
    for number, line in enumerate(text.read_text(encoding="utf-8-sig").splitlines(), start=1):
        first, *rest = line.split() or [""]
        if not first:
            continue
        label = named(names, first, "class") if names else first
        try:
            values = np.asarray(rest, np.float64)
        except ValueError:
            values = np.zeros(0)
        if len(values) == 4:
            yield Shape(label, _box(values), is_box=True)
        elif len(values) >= 6 and len(values) % 2 == 0:
            yield Shape(label, _polygon(values.reshape(-1, 2)))
        else:
            raise AnnotationError(
                f"line {number}: expected a class and pairs of numbers (a polygon) or four (a box)"
            )


def names_file(folder: Path) -> Path | None:
    """The file that names the classes, in a folder or the one above; None if there is none."""
    places = (folder / name for name in NAMES), (folder.parent / name for name in NAMES)
    return next((path for place in places for path in place if path.is_file()), None)


def class_names(file: Path) -> dict[str, str]:
    """Names of classes by number, from a file of YAML or of one name in each line."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix in (".txt", ".names"):
        names: Any = [line.strip() for line in text.splitlines()]
    else:
        names = _yaml(text).get("names", [])
    pairs = names.items() if isinstance(names, dict) else enumerate(names or ())
    return {str(number): str(label) for number, label in pairs}


def _yaml(text: str) -> dict[str, Any]:
    """What a file of YAML says."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AnnotationError(f"expected YAML, got {' '.join(str(error).split())[:80]}") from None
    if not isinstance(values, dict):
        raise AnnotationError("expected YAML with the keys names and train")
    return values


def _places(file: Path) -> tuple[Path, dict[str, str]]:
    """The folder of a `data.yaml`, and the split of each folder of pictures or picture in it."""
    values = _yaml(file.read_text(encoding="utf-8-sig"))
    root = file.parent
    said = Path(str(values.get("path") or "."))
    if (file.parent / said).is_dir():
        root = file.parent / said
    found: dict[str, str] = {}
    for key, split in SPLITS.items():
        asked = values.get(key) or []
        for place in asked if isinstance(asked, list) else [asked]:
            name = _plain(str(place))
            if name.endswith(".txt") and (root / name).is_file():
                lines = (root / name).read_text(encoding="utf-8").splitlines()
                found |= {_stem(_plain(line)): split for line in lines if line.strip()}
            else:
                found.setdefault(name, split)
    return root, found


def _plain(name: str) -> str:
    """A path without the dots that Roboflow begins it with."""
    parts = [
        part for part in Path(name.strip().replace("\\", "/")).parts if part not in (".", "..")
    ]
    return "/".join(parts)


def _stem(name: str) -> str:
    """A path without its suffix."""
    return Path(name).with_suffix("").as_posix()


def _split(picture: str, divided: dict[str, str]) -> str:
    """The split of a picture: as `data.yaml` says, or else its folders.

    A folder that two splits share, as where nobody kept pictures for validation, is that of the
    first, train.
    """
    for place in (picture, *(parent.as_posix() for parent in Path(picture).parents)):
        if place in divided:
            return divided[place]
    said = (split_named(part) for part in Path(picture).parts[:-1])
    return next((split for split in said if split), "")


def _picture_of(text: Path) -> str:
    """The path of a text file's picture, without the suffix: `images` for the last `labels`."""
    parts = list(text.with_suffix("").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "labels":
            parts[place] = "images"
            break
    return "/".join(parts)


def _polygon(shares: NDArray[np.float64]) -> Draw:
    """Draws corners (M, 2) in shares of the picture."""
    return lambda size: filled_polygons([shares * [size[1], size[0]]], size)


def _box(shares: NDArray[np.float64]) -> Draw:
    """Draws centre, width and height in shares of the picture."""
    x, y, width, height = shares
    return lambda size: filled_box(
        (x - width / 2) * size[1],
        (y - height / 2) * size[0],
        (x + width / 2) * size[1],
        (y + height / 2) * size[0],
        size,
    )
