"""Annotation files beside pictures: masks, COCO, YOLO, labelme and CVAT."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from flawcast.configs.errors import ClipError, DefectError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects.bank.polygons import (
    Marked,
    filled_polygons,
    from_run_lengths,
    packed_run_lengths,
)

Size = tuple[int, int]  # (H, W)
Reader = Callable[[Path, Size], list[Marked]]

MASK = "_mask"
FEWEST = 12  # pixels of a piece of a mask: smaller ones are dust
YOLO_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt")


class Annotations:
    """Every annotation below a folder.

    A picture's defects come from `NAME_mask.png` beside it or in `masks/`, `NAME.json` of labelme,
    `NAME.txt` of YOLO beside it or in `labels/` instead of `images/`, and from all COCO files
    (`.json`) and CVAT files (`.xml`) below the folder.

    Args:
        folder: The pictures' folder.

    Raises:
        DefectError: If a COCO or CVAT file is malformed; the message names it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shared: dict[str, list[Reader]] = {}
        for path in sorted(folder.rglob("*.json")):
            self._add(_coco(path))
        for path in sorted(folder.rglob("*.xml")):
            self._add(_cvat(path))
        self._names = _yolo_names(folder)

    def of(self, picture: Path, size: Size) -> list[Marked]:
        """Defects that are marked in a picture.

        Args:
            picture: One below the folder.
            size: Its (H, W).

        Raises:
            DefectError: If an annotation does not fit; the message names its file.
        """
        found: list[Marked] = []
        for mask in (
            picture.with_name(f"{picture.stem}{MASK}.png"),
            picture.parent / "masks" / f"{picture.stem}{MASK}.png",
            picture.parent / "masks" / f"{picture.stem}.png",
        ):
            if mask.is_file():
                found += _in_file(mask, size, _pieces)
        beside = picture.with_suffix(".json")
        if beside.is_file():
            found += _in_file(beside, size, _labelme)
        lines = picture.with_suffix(".txt")
        if not lines.is_file() and picture.parent.name == "images":
            lines = picture.parent.parent / "labels" / f"{picture.stem}.txt"
        if lines.is_file():
            found += _in_file(lines, size, self._yolo)
        relative = picture.relative_to(self.folder).as_posix()
        readers = self._shared.get(relative, []) or self._shared.get(picture.name, [])
        for reader in readers:
            found += reader(picture, size)
        return found

    def _add(self, readers: dict[str, list[Reader]]) -> None:
        """Take over what one file says of its pictures, by their names."""
        for name, more in readers.items():
            self._shared.setdefault(name, []).extend(more)

    def _yolo(self, path: Path, size: Size) -> list[Marked]:
        """Lines of a class and a polygon in shares of the picture."""
        found = []
        for line in path.read_text().splitlines():
            values = line.split()
            if not values:
                continue
            if len(values) == 5:
                raise DefectError("expected polygons (YOLO-seg), got boxes, which are no masks")
            name = self._names.get(values[0], values[0])
            scale = np.array([size[1], size[0]])
            try:
                points = np.asarray(values[1:], np.float64).reshape(-1, 2) * scale
            except ValueError:
                raise DefectError("expected a class and pairs of numbers in a line") from None
            found.append(Marked(name, filled_polygons([points], size)))
        return found


def _in_file(path: Path, size: Size, read: Reader) -> list[Marked]:
    """What one file says, with its name in front of an error."""
    try:
        return read(path, size)
    except (DefectError, ClipError) as error:
        raise DefectError(f"{path.name}: {error}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:80]
        raise DefectError(f"{path.name}: expected an annotation, got {reason}; mend it") from None


def _pieces(path: Path, size: Size) -> list[Marked]:
    """Connected pieces of a mask file; 128 is the part and 255 the defect, as in clips' masks."""
    grey = read_picture(path, numbers=True)[..., 0]
    if grey.shape != size:
        raise DefectError(
            f"expected a mask of {size[1]}x{size[0]} as its picture, got "
            f"{grey.shape[1]}x{grey.shape[0]}; resize it"
        )
    levels = levels_of(grey[None])[0]
    part = levels >= PART if (levels == PART).any() else None
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((levels == DEFECT).astype(np.uint8))
    if count == 1:
        raise DefectError("expected a mask that marks a defect, got an empty one; mend it")
    large = [index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= FEWEST]
    return [Marked("", pieces == index, part) for index in large]


def _labelme(path: Path, size: Size) -> list[Marked]:
    """Shapes of a labelme file."""
    values = json.loads(path.read_text())
    if not isinstance(values, dict) or "shapes" not in values:
        return []  # another tool's file
    found = []
    for shape in values["shapes"]:
        kind, points = shape.get("shape_type", "polygon"), np.asarray(shape["points"], float)
        if kind == "rectangle":
            (x0, y0), (x1, y1) = points
            points = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        elif kind == "circle":
            turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
            radius = np.linalg.norm(points[1] - points[0])
            points = points[0] + radius * np.column_stack([np.cos(turn), np.sin(turn)])
        elif kind != "polygon":
            raise DefectError(f"expected polygons, rectangles or circles, got a {kind}")
        found.append(Marked(str(shape["label"]), filled_polygons([points], size)))
    return found


def _coco(path: Path) -> dict[str, list[Reader]]:
    """Annotations of a COCO file, by file names; none if it is another tool's file."""
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict) or not {"images", "annotations"} <= set(values):
            return {}
        labels = {one["id"]: str(one["name"]) for one in values.get("categories", [])}
        names = {one["id"]: str(one["file_name"]) for one in values["images"]}
        readers: dict[str, list[Reader]] = {}
        for one in values["annotations"]:
            label, outline = labels.get(one["category_id"], ""), one.get("segmentation")
            reader = _named(path, label, outline)
            readers.setdefault(names[one["image_id"]], []).append(reader)
        return readers
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DefectError(f"{path.name}: expected JSON of COCO, got {error}; mend it") from None


def _named(path: Path, label: str, outline: Any) -> Reader:
    """Reads one annotation of a COCO file."""

    def read(picture: Path, size: Size) -> list[Marked]:
        try:
            return [Marked(label, _coco_mask(outline, size))]
        except DefectError as error:
            raise DefectError(f"{path.name}: {picture.name}: {error}") from None

    return read


def _coco_mask(outline: Any, size: Size) -> Any:
    """The mask of a COCO segmentation: polygons, run lengths or packed run lengths."""
    if isinstance(outline, list) and outline:
        return filled_polygons(outline, size)
    if not isinstance(outline, dict) or "counts" not in outline:
        raise DefectError("expected a segmentation, got a box, which is no mask")
    if list(outline.get("size", size)) != list(size):
        raise DefectError(f"expected a mask of (H, W) {list(size)}, got {outline['size']}")
    counts = outline["counts"]
    counts = packed_run_lengths(counts) if isinstance(counts, str) else counts
    return from_run_lengths(counts, size, by_columns=True)


def _cvat(path: Path) -> dict[str, list[Reader]]:
    """Polygons and masks of a CVAT file "for images", by file names."""
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise DefectError(f"{path.name}: expected XML without entities; export it again")
    try:  # entities, which could fill the memory, are refused above
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise DefectError(f"{path.name}: expected XML of CVAT, got {error}; mend it") from None
    readers: dict[str, list[Reader]] = {}
    for image in root.iter("image"):
        for shape in image:
            if shape.tag in ("polygon", "mask"):
                reader = _cvat_reader(path, shape)
                readers.setdefault(image.get("name", ""), []).append(reader)
    return readers


def _cvat_reader(path: Path, shape: ElementTree.Element) -> Reader:
    """Reads one shape of a CVAT file."""

    def read(picture: Path, size: Size) -> list[Marked]:
        try:
            label = shape.get("label", "")
            if shape.tag == "polygon":
                pairs = shape.get("points", "").split(";")
                points = [[float(value) for value in pair.split(",")] for pair in pairs]
                return [Marked(label, filled_polygons([points], size))]
            left, top, width, height = (
                int(shape.get(name, "0")) for name in ("left", "top", "width", "height")
            )
            counts = [int(count) for count in shape.get("rle", "").split(",")]
            mask = np.zeros(size, bool)
            piece = from_run_lengths(counts, (height, width), by_columns=False)
            mask[top : top + height, left : left + width] = piece
            return [Marked(label, mask)]
        except (DefectError, ValueError) as error:
            raise DefectError(f"{path.name}: {picture.name}: {error}") from None

    return read


def _yolo_names(folder: Path) -> dict[str, str]:
    """Names of YOLO's classes by number, where a file gives them."""
    for name in YOLO_NAMES:
        for path in (folder / name, folder.parent / name):
            if not path.is_file():
                continue
            if path.suffix == ".txt":
                names: Any = [line.strip() for line in path.read_text().splitlines()]
            else:
                names = (yaml.safe_load(path.read_text()) or {}).get("names", [])
            pairs = names.items() if isinstance(names, dict) else enumerate(names)
            return {str(number): str(label) for number, label in pairs}
    return {}
