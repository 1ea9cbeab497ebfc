"""labelme: one file of JSON for each picture.

Reference:
    https://github.com/wkentaro/labelme
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import (
    READERS,
    Annotations,
    Draw,
    Picture,
    Shape,
    naming,
)
from flawcast.generators.clips.annotations.files import files_of
from flawcast.generators.clips.annotations.outlines import (
    Mask,
    Size,
    ellipse,
    filled_box,
    filled_polygons,
)

AREAS = ("polygon", "rectangle", "circle", "mask")


@READERS.register("labelme")
def labelme(path: Path) -> Annotations:
    """Read one file, or all files of labelme below a folder."""
    pictures: list[Picture] = []
    notes: list[str] = []
    for file, folder in files_of(path, ".json", "labelme"):
        with naming(file.name):
            values = json.loads(file.read_text(encoding="utf-8"))
            shapes, others = shapes_of(values)
            own = Path(str(values.get("imagePath") or file.stem).replace("\\", "/"))
            name = "/".join(part for part in own.parts if part not in ("..", ".", "/"))
            size = None
            if values.get("imageHeight"):
                size = int(values["imageHeight"]), int(values["imageWidth"])
            pictures.append(Picture(f"{folder}/{name}" if folder else name, shapes, size=size))
            notes += [f"{file.name}: {text}" for text in others]
    return Annotations(path.name, tuple(pictures), notes=tuple(notes))


def shapes_of(values: dict[str, Any]) -> tuple[tuple[Shape, ...], list[str]]:
    """The shapes and true flags of a file, and what was skipped."""
    shapes, others = [], []
    for shape in values["shapes"]:
        kind = shape.get("shape_type") or "polygon"
        if kind not in AREAS:
            others.append(f"a {kind} is no area and is skipped")
            continue
        label = str(shape.get("label") or "").strip()
        if not label:
            raise AnnotationError(f"expected a label for each shape, a {kind} has none; name it")
        group = shape.get("group_id")
        draw = _drawing(kind, shape)
        shapes.append(Shape(label, draw, kind == "rectangle", "" if group is None else str(group)))
    flags = [Shape(str(name)) for name, value in (values.get("flags") or {}).items() if value]
    return (*shapes, *flags), others


def _drawing(kind: str, shape: dict[str, Any]) -> Draw:
    """What draws a shape."""
    points = np.asarray(shape["points"], np.float64).reshape(-1, 2)
    if kind == "polygon":
        return lambda size: filled_polygons([points], size)
    if len(points) < 2:
        raise AnnotationError(f"expected two points of a {kind}, got {len(points)}")
    if kind == "circle":
        radius = float(np.linalg.norm(points[1] - points[0]))
        corners = ellipse(points[0, 0], points[0, 1], radius, radius)
        return lambda size: filled_polygons([corners], size)
    if kind == "rectangle":
        left, top, right, bottom = map(float, (*points[0], *points[-1]))
        return lambda size: filled_box(left, top, right, bottom, size)
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
        drawn = np.asarray(image.convert("L")) > 0
    column, row = (round(value) for value in points.min(axis=0).tolist())
    return lambda size: _placed(drawn, column, row, size)


def _placed(drawn: Mask, left: int, top: int, size: Size) -> Mask:
    """A piece of a mask at its place."""
    mask = np.zeros(size, bool)
    height, width = drawn.shape
    if left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise AnnotationError(
            f"expected a mask inside the picture of {size[1]}x{size[0]}, got one of "
            f"{width}x{height} at {left}, {top}"
        )
    mask[top : top + height, left : left + width] = drawn
    return mask
