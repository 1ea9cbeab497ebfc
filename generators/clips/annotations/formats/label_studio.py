"""Label Studio: tasks in JSON, with polygons, rectangles, brushes, and tracks in videos.

Reference:
    https://labelstud.io/guide/task_format
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import (
    READERS,
    Annotations,
    Draw,
    Picture,
    Shape,
    Track,
    naming,
)
from flawcast.generators.clips.annotations.brushes import brush_mask
from flawcast.generators.clips.annotations.files import files_of
from flawcast.generators.clips.annotations.outlines import (
    Mask,
    Size,
    ellipse,
    filled_box,
    filled_polygons,
    turned,
    turned_box,
)
from flawcast.generators.clips.annotations.tracks import Key, between
from flawcast.generators.clips.decoding import GIF, STILL, VIDEO

UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what an upload puts before a name
Numbers = NDArray[np.float64]


@READERS.register("label-studio")
def label_studio(path: Path) -> Annotations:
    """Read one file of tasks, or all of a folder; the first annotation of each task counts."""
    pictures: list[Picture] = []
    tracks: list[Track] = []
    notes: list[str] = []
    for file, _ in files_of(path, ".json", "label-studio"):
        with naming(file.name):
            values = json.loads(file.read_text(encoding="utf-8"))
            for task in values if isinstance(values, list) else [values]:
                name = name_of(task)
                with naming(f"task {task.get('id', name)}"):
                    found = _results(task)
                    if len(found) > 1:
                        notes.append(
                            f"{file.name}: {name}: the first of {len(found)} annotations counts"
                        )
                    results = found[0] if found else []
                    if found:
                        pictures.append(_picture(name, results))
                    tracks += _tracks(name, results)
    return Annotations(path.name, tuple(pictures), tuple(tracks), tuple(notes))


def name_of(task: dict[str, Any]) -> str:
    """The path of a task's picture or video, as far as its address tells.

    Example:
        >>> name_of({"data": {"image": "/data/upload/3/1a2b3c4d-part%201.png"}})
        'data/upload/3/part 1.png'
        >>> name_of({"data": {"video": "/data/local-files/?d=line/jam.mp4"}})
        'line/jam.mp4'
    """
    texts = [text for text in task["data"].values() if isinstance(text, str)]
    for text in texts:
        address = urlsplit(text)
        asked = parse_qs(address.query).get("d", [address.path])[0]
        name = unquote(asked).replace("\\", "/").lstrip("/")
        if Path(name).suffix.lower() in VIDEO | GIF | STILL:
            plain = Path(name)
            return plain.with_name(UPLOADED.sub("", plain.name)).as_posix()
    raise AnnotationError(
        f"task {task.get('id', '')}: expected a picture or a video among its data, found none"
    )


def _results(task: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What people drew, one list for each of them who did not give up."""
    said = task.get("annotations", task.get("completions"))
    if said is None:
        raise AnnotationError("expected annotations; export the tasks as JSON, not as JSON-MIN")
    return [one["result"] for one in said if not one.get("was_cancelled")]


def _picture(name: str, results: list[dict[str, Any]]) -> Picture:
    """What is drawn on a picture, or said of a whole clip."""
    shapes: list[Shape] = []
    size: Size | None = None
    labels = _labels_by_id(results)
    for one in results:
        kind, value = one["type"], one["value"]
        if kind == "choices":
            shapes += [Shape(str(choice)) for choice in value["choices"]]
            continue
        if "sequence" in value or "ranges" in value:
            continue
        draw = _drawing(value)
        if draw is None:
            continue
        size = int(one["original_height"]), int(one["original_width"])
        is_box = "width" in value
        for label in _labels(one, labels):
            shapes.append(Shape(label, draw, is_box))
    return Picture(name, tuple(shapes), size=size)


def _labels_by_id(results: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Labels that stand apart from the regions that they belong to."""
    apart = [one for one in results if one["type"] == "labels"]
    return {one.get("id", ""): one["value"]["labels"] for one in apart if "labels" in one["value"]}


def _labels(one: dict[str, Any], apart: dict[str, list[str]]) -> list[str]:
    """The labels of a region."""
    value = one["value"]
    labels = value.get(one["type"]) or value.get("labels") or apart.get(one.get("id", ""), [])
    if not labels:
        raise AnnotationError(f"expected a label of each region, a {one['type']} has none; name it")
    return [str(label) for label in labels]


def _drawing(value: dict[str, Any]) -> Draw | None:
    """What draws a region of a picture; None for what is no area."""
    if "rle" in value:
        return lambda size: brush_mask(value["rle"], size)
    if "points" in value:
        points = np.asarray(value["points"], np.float64) / 100
        return lambda size: filled_polygons([points * [size[1], size[0]]], size)
    if "radiusX" in value:
        return lambda size: _ellipse(value, size)
    if {"x", "y", "width", "height"} <= set(value):
        numbers = [value[name] for name in ("x", "y", "width", "height")]
        return _box(np.array([*numbers, value.get("rotation", 0)], np.float64))
    return None


def _box(numbers: Numbers) -> Draw:
    """Left, top, width and height in percent, and the turn about the upper left corner."""

    def draw(size: Size) -> Mask:
        left, top, width, height = numbers[:4] / 100 * [size[1], size[0], size[1], size[0]]
        if not numbers[4]:
            return filled_box(left, top, left + width, top + height, size)
        return filled_polygons([turned_box(left, top, width, height, numbers[4], True)], size)

    return draw


def _ellipse(value: dict[str, Any], size: Size) -> Mask:
    """Centre and radii in percent, and the turn about the centre."""
    names = ("x", "y", "radiusX", "radiusY")
    x, y, across, down = (float(value[name]) / 100 * size[1 - at % 2]
                          for at, name in enumerate(names))  # fmt: skip
    turn = float(value.get("rotation", 0))
    return filled_polygons([turned(ellipse(x, y, across, down), np.array([x, y]), turn)], size)


def _tracks(name: str, results: list[dict[str, Any]]) -> Iterator[Track]:
    """Rectangles through a video, and stretches of it that have a label; frames count from 1."""
    apart = _labels_by_id(results)
    for one in results:
        value = one["value"]
        if value.get("sequence"):
            keys = sorted((_key(step) for step in value["sequence"]), key=lambda key: key.frame)
            count = int(value.get("framesCount") or 0) or None
            end = keys[-1].frame + 1 if not keys[-1].goes_on else count
            for label in _labels(one, apart):
                yield Track(
                    name,
                    lambda frame, keys=keys, label=label: (  # type: ignore[misc]
                        None
                        if (draw := between(keys, frame)) is None
                        else Shape(label, draw, is_box=True)
                    ),
                    keys[0].frame,
                    end,
                    keys[-1].frame,
                )
        for stretch in value.get("ranges") or ():
            first, end = int(stretch["start"]) - 1, int(stretch["end"])
            for label in _labels(one, apart):
                yield Track(name, lambda _, label=label: Shape(label), first, end, end - 1)  # type: ignore[misc]


def _key(step: dict[str, Any]) -> Key:
    """A key frame of a rectangle; one that is not enabled is its last until the next."""
    numbers = [step[name] for name in ("x", "y", "width", "height")]
    return Key(
        int(step["frame"]) - 1,
        np.array([*numbers, step.get("rotation", 0)], np.float64),
        _box,
        seen=True,
        goes_on=bool(step.get("enabled", True)),
    )
