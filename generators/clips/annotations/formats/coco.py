"""COCO: polygons, run lengths and boxes in JSON.

Reference:
    https://cocodataset.org/#format-data
"""

import json
from pathlib import Path
from typing import Any

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
from flawcast.generators.clips.annotations.files import files_of, split_said
from flawcast.generators.clips.annotations.outlines import (
    Mask,
    Size,
    filled_box,
    filled_polygons,
    from_run_lengths,
    packed_run_lengths,
)
from flawcast.generators.clips.decoding import GIF, VIDEO


@READERS.register("coco")
def coco(path: Path) -> Annotations:
    """Read one file, or all files of COCO in a folder: `train/_annotations.coco.json` and so on."""
    pictures: list[Picture] = []
    for file, folder in files_of(path, ".json", "coco"):
        with naming(file.name):
            values = json.loads(file.read_text(encoding="utf-8"))
            pictures += pictures_of(values, folder, split_said(file))
    return Annotations(path.name, tuple(pictures))


def pictures_of(
    values: dict[str, Any], folder: str = "", split: str = "", unnamed: bool = False
) -> list[Picture]:
    """The pictures of a file of COCO.

    Args:
        values: What it holds.
        folder: The folder that its names begin in; empty for the outermost.
        split: The split of all its pictures.
        unnamed: Whether categories may have no names.

    Raises:
        AnnotationError: If a category has no name, or an annotation no picture.
        KeyError: If a key is absent.
    """
    labels = {one["id"]: str(one.get("name") or "") for one in values.get("categories", [])}
    shapes: dict[Any, list[Shape]] = {one["id"]: [] for one in values["images"]}
    for one in values["annotations"]:
        if one["image_id"] not in shapes:
            raise AnnotationError(
                f"expected an image of each annotation, there is no image {one['image_id']}"
            )
        key = one["category_id"]
        label = labels.get(key, "") if unnamed else named(labels, key, "category")
        draw, is_box = _outline(one)
        shapes[one["image_id"]].append(Shape(label, draw, is_box))
    videos = {one["id"]: str(one.get("file_name") or one.get("name") or "")
              for one in values.get("videos", [])}  # fmt: skip
    found = []
    for image in values["images"]:
        name, frame = str(image["file_name"]), None
        video = videos.get(image.get("video_id"), "")
        if Path(video).suffix.lower() in VIDEO | GIF and "frame_id" in image:
            name, frame = video, int(image["frame_id"])
        size = (int(image["height"]), int(image["width"])) if image.get("height") else None
        where = f"{folder}/{name}" if folder else name
        found.append(Picture(where, tuple(shapes[image["id"]]), frame, size, split))
    return found


def _outline(one: dict[str, Any]) -> tuple[Draw, bool]:
    """What draws an annotation, and whether it is a box."""
    outline = one.get("segmentation")
    if outline:
        return lambda size: coco_mask(outline, size), False
    if len(one.get("bbox") or ()) != 4:
        raise AnnotationError(f"annotation {one.get('id')}: expected a segmentation or a box")
    left, top, width, height = map(float, one["bbox"])
    return lambda size: filled_box(left, top, left + width, top + height, size), True


def coco_mask(outline: Any, size: Size) -> Mask:
    """The mask of a segmentation: polygons, run lengths or packed run lengths."""
    if isinstance(outline, list):
        return filled_polygons(outline, size)
    if not isinstance(outline, dict) or "counts" not in outline:
        raise AnnotationError("expected polygons or run lengths, got another segmentation")
    if list(outline.get("size", size)) != list(size):
        raise AnnotationError(f"expected a mask of (H, W) {list(size)}, got {outline['size']}")
    counts = outline["counts"]
    counts = packed_run_lengths(counts) if isinstance(counts, str) else counts
    return from_run_lengths(counts, size, by_columns=True)
