"""Annotation files beside stills: masks, COCO, YOLO, labelme and CVAT."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from flawcast.configs.errors import AnnotationError, DefectError
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.clips.annotations.base import Picture, Shape, naming
from flawcast.generators.clips.annotations.formats import coco, cvat, labelme, yolo
from flawcast.generators.clips.annotations.outlines import Mask, Size
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.pictures import read_picture

Read = TypeVar("Read")

MASK = "_mask"
FEWEST = 12  # pixels of a piece of a mask: smaller ones are dust


@dataclass(frozen=True)
class Marked:
    """A defect that somebody marked in a picture.

    Args:
        label: What it is called; empty if nobody said.
        mask: Where it is, (H, W).
        part: Where the part is, (H, W); None if unknown.
    """

    label: str
    mask: Mask
    part: Mask | None = None


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
        self._shared: dict[str, list[tuple[str, Picture]]] = {}
        for path in sorted(folder.rglob("*.json")):
            self._add(path, _coco)
        for path in sorted(folder.rglob("*.xml")):
            self._add(path, lambda file: cvat.pictures_of(cvat.tree_of(file)))
        self._names: dict[str, str] = {}
        file = yolo.names_file(folder)
        if file is not None:
            self._names = _as_defect_errors(file, yolo.class_names)

    def of(self, picture: Path, size: Size, mask: Path | None = None) -> list[Marked]:
        """Defects that are marked in a picture.

        Args:
            picture: One below the folder.
            size: Its (H, W).
            mask: The mask that labels.csv names, which counts alone; None for what lies around.

        Raises:
            DefectError: If an annotation does not fit; the message names its file.
        """
        if mask is not None:
            return _as_defect_errors(mask, lambda path: _pieces(path, size))
        found: list[Marked] = []
        for file in (
            picture.with_name(f"{picture.stem}{MASK}.png"),
            picture.parent / "masks" / f"{picture.stem}{MASK}.png",
            picture.parent / "masks" / f"{picture.stem}.png",
        ):
            if file.is_file():
                found += _as_defect_errors(file, lambda path: _pieces(path, size))
        beside = picture.with_suffix(".json")
        if beside.is_file():
            found += _as_defect_errors(beside, lambda path: _drawn(_labelme(path), size))
        lines = picture.with_suffix(".txt")
        if not lines.is_file() and picture.parent.name == "images":
            lines = picture.parent.parent / "labels" / f"{picture.stem}.txt"
        if lines.is_file():
            found += _as_defect_errors(lines, lambda path: self._yolo(path, size))
        relative = picture.relative_to(self.folder).as_posix()
        for source, one in self._shared.get(relative, []) or self._shared.get(picture.name, []):
            try:
                found += _drawn(one.shapes, size, without_boxes=True)
            except (AnnotationError, DefectError) as error:
                raise DefectError(f"{source}: {picture.name}: {error}") from None
        return found

    def _add(self, path: Path, read: Callable[[Path], Iterable[Picture]]) -> None:
        """Take over what one file says of its pictures, by their names."""
        for picture in _as_defect_errors(path, lambda file: list(read(file))):
            if picture.shapes:
                self._shared.setdefault(picture.name, []).append((path.name, picture))

    def _yolo(self, path: Path, size: Size) -> list[Marked]:
        """Polygons of a file of YOLO."""
        return _drawn(yolo.shapes_of(path, self._names), size, without_boxes=True)


def _as_defect_errors(path: Path, read: Callable[[Path], Read]) -> Read:
    """Read one file, with its name in front of an error."""
    try:
        with naming(path.name):
            return read(path)
    except AnnotationError as error:
        raise DefectError(str(error)) from None


def _pieces(path: Path, size: Size) -> list[Marked]:
    """Connected pieces of a mask file; 128 is the part and 255 the defect, as in clips' masks."""
    grey = read_picture(path, numbers=True)[..., 0]
    if grey.shape != size:
        raise AnnotationError(
            f"expected a mask of {size[1]}x{size[0]} as its picture, got "
            f"{grey.shape[1]}x{grey.shape[0]}; resize it"
        )
    levels = levels_of(grey[None])[0]
    part = levels >= PART if (levels == PART).any() else None
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((levels == DEFECT).astype(np.uint8))
    if count == 1:
        raise AnnotationError("expected a mask that marks a defect, got an empty one; mend it")
    large = [index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= FEWEST]
    return [Marked("", pieces == index, part) for index in large]


def _labelme(path: Path) -> tuple[Shape, ...]:
    """Shapes of a file of labelme; none of another tool's."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or "shapes" not in values:
        return ()
    shapes, skipped = labelme.shapes_of(values)
    if skipped:
        raise AnnotationError(f"expected polygons, rectangles or circles: {skipped[0]}")
    return shapes


def _coco(path: Path) -> list[Picture]:
    """Pictures of a file of COCO; none of another tool's."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not {"images", "annotations"} <= set(values):
        return []
    return coco.pictures_of(values, unnamed=True)


def _drawn(shapes: Iterable[Shape], size: Size, without_boxes: bool = False) -> list[Marked]:
    """Masks of shapes; a rectangle that somebody drew counts, a box of a detector does not."""
    found = []
    for shape in shapes:
        if shape.is_box and without_boxes:
            raise AnnotationError("expected polygons or masks, got boxes, which are no masks")
        if shape.draw is not None:
            found.append(Marked(shape.label, shape.draw(size)))
    return found
