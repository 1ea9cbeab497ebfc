"""CVAT 1.1: shapes on images, and tracks through videos, in XML.

Reference:
    https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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
from flawcast.generators.clips.annotations.files import files_of, split_said
from flawcast.generators.clips.annotations.outlines import (
    Mask,
    Size,
    ellipse,
    filled_box,
    filled_polygons,
    from_run_lengths,
    turned,
    turned_box,
)
from flawcast.generators.clips.annotations.tracks import Key, between
from flawcast.generators.clips.layouts import split_named

Numbers = NDArray[np.float64]
AREAS = ("box", "polygon", "mask", "ellipse")
OWN = "annotations"  # the name that CVAT gives to every file
OTHERS = ("polyline", "points", "cuboid", "skeleton")


@READERS.register("cvat")
def cvat(path: Path) -> Annotations:
    """Read one file, or all files of CVAT in a folder, "for images" or "for video"."""
    pictures: list[Picture] = []
    tracks: list[Track] = []
    notes: list[str] = []
    for file, _ in files_of(path, ".xml", "cvat"):
        with naming(file.name):
            root = tree_of(file)
            pictures += pictures_of(root, split_said(file))
            tracks += tracks_of(root, file.stem)
            pictures += [Picture(video, size=size) for video, size in _videos(root, file.stem)]
            skipped = Counter(item.tag for item in root.iter() if item.tag in OTHERS)
        notes += [
            f"{file.name}: {count} of {kind} are no areas and are skipped"
            for kind, count in sorted(skipped.items())
        ]
    return Annotations(path.name, tuple(pictures), tuple(tracks), tuple(notes))


def tree_of(file: Path) -> Element:
    """The root of a file.

    Raises:
        AnnotationError: If it is no XML, or declares entities, which could fill the memory.
    """
    text = file.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise AnnotationError("expected XML without entities; export it again")
    try:  # entities are refused above
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise AnnotationError(f"expected XML of CVAT, {error}; mend it") from None


def pictures_of(root: Element, split: str = "") -> Iterator[Picture]:
    """The pictures of a file "for images"."""
    for image in root.iter("image"):
        name, size = image.get("name", ""), None
        if image.get("height"):
            size = int(image.get("height", "0")), int(image.get("width", "0"))
        with naming(name):
            shapes = [_shape(item, _label(item)) for item in image if item.tag in AREAS]
            tags = [Shape(_label(item)) for item in image if item.tag == "tag"]
        said = split_named(image.get("subset", "")) or split
        yield Picture(name, (*shapes, *tags), size=size, split=said)


def tracks_of(root: Element, stem: str) -> Iterator[Track]:
    """The tracks of a file "for video"; `stem` names the video where the file does not."""
    tasks = _tasks(root)
    for track in root.iter("track"):
        task = tasks.get(track.get("task_id", ""), next(iter(tasks.values()), None))
        video, size, end = _said(root, task, stem)
        with naming(f"track {track.get('id', '')}"):
            items = [item for item in track if item.tag in AREAS]
            if not items:
                continue
            keys = sorted((_key(item) for item in items), key=lambda key: key.frame)
            if keys[0].frame < 0:
                raise AnnotationError(f"expected frames from 0, got {keys[0].frame}")
            label, group = _label(track), _group(track)
            is_box = items[0].tag == "box"
        yield Track(
            video=video,
            shape=lambda frame, keys=keys, label=label, group=group, is_box=is_box: (  # type: ignore[misc]
                None
                if (draw := between(keys, frame)) is None
                else Shape(label, draw, is_box, group)
            ),
            first=keys[0].frame,
            end=keys[-1].frame + 1 if not keys[-1].goes_on else end,
            last_key=max((key.frame for key in keys if key.seen), default=keys[0].frame),
            size=size,
        )


def _videos(root: Element, stem: str) -> Iterator[tuple[str, Size | None]]:
    """The videos that a file is about, whether or not anything is marked in them."""
    if root.find("image") is None:
        for task in _tasks(root).values() or [None]:
            video, size, _ = _said(root, task, stem)
            yield video, size


def _tasks(root: Element) -> dict[str, Element]:
    """Tasks, or else the job, by id."""
    tasks = [*root.iter("task")] or [*root.iter("job")]
    return {task.findtext("id", "").strip(): task for task in tasks}


def _said(root: Element, task: Element | None, stem: str) -> tuple[str, Size | None, int | None]:
    """What a file says of a task: its video, the size, and the frame after the last one."""
    video = "" if task is None else task.findtext("source", "").strip()
    video = video or root.findtext("meta/source", "").strip() or (stem if stem != OWN else "")
    if task is None:
        return video, None, None
    height, width = (task.findtext(f"original_size/{side}") for side in ("height", "width"))
    stop = task.findtext("stop_frame", "").strip()
    size = (int(height), int(width)) if height and width else None
    return video, size, int(stop) + 1 if stop.isdigit() else None


def _group(item: Element) -> str:
    """The group of a shape or track; empty for none, which some programs write as 0."""
    return item.get("group_id", "").strip().removeprefix("0")


def _label(item: Element) -> str:
    """The label of a shape or track."""
    label = item.get("label", "").strip()
    if not label:
        raise AnnotationError(f"expected a label of each shape, a {item.tag} has none; name it")
    return label


def _shape(item: Element, label: str) -> Shape:
    """A shape on an image."""
    numbers, draw = _drawing(item)
    return Shape(label, draw(numbers), item.tag == "box", _group(item))


def _key(item: Element) -> Key:
    """A shape of a track."""
    numbers, draw = _drawing(item)
    seen = item.get("outside", "0") != "1"
    return Key(int(item.get("frame", "-1")), numbers, draw, seen, seen)


def _drawing(item: Element) -> tuple[Numbers, Callable[[Numbers], Draw]]:
    """The numbers that a shape is made of, and what makes it of such numbers."""
    turn = float(item.get("rotation", "0"))
    if item.tag == "mask":
        return np.zeros(0), lambda _: lambda size: _mask(item, size)
    if item.tag == "polygon":
        pairs = item.get("points", "").split(";")
        points = [[float(value) for value in pair.split(",")] for pair in pairs]
        return np.asarray(points, np.float64), _polygon
    names = ("xtl", "ytl", "xbr", "ybr") if item.tag == "box" else ("cx", "cy", "rx", "ry")
    numbers = [float(item.attrib[name]) for name in names]
    return np.array([*numbers, turn]), _box if item.tag == "box" else _ellipse


def _polygon(numbers: Numbers) -> Draw:
    """Corners (M, 2)."""
    return lambda size: filled_polygons([numbers], size)


def _box(numbers: Numbers) -> Draw:
    """Left, top, right, bottom, and the turn about the centre."""
    left, top, right, bottom, turn = map(float, numbers)
    if not turn:
        return lambda size: filled_box(left, top, right, bottom, size)
    corners = turned_box(left, top, right - left, bottom - top, turn)
    return lambda size: filled_polygons([corners], size)


def _ellipse(numbers: Numbers) -> Draw:
    """Centre, the two radii, and the turn."""
    x, y, across, down, turn = map(float, numbers)
    corners = turned(ellipse(x, y, across, down), np.array([x, y]), turn)
    return lambda size: filled_polygons([corners], size)


def _mask(item: Element, size: Size) -> Mask:
    """Run lengths along the rows of a box."""
    left, top, width, height = (
        int(float(item.attrib[name])) for name in ("left", "top", "width", "height")
    )
    counts = [int(count) for count in item.get("rle", "").split(",")]
    if left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise AnnotationError(
            f"expected a mask inside the picture of {size[1]}x{size[0]}, got one of "
            f"{width}x{height} at {left}, {top}"
        )
    mask = np.zeros(size, bool)
    piece = from_run_lengths(counts, (height, width), by_columns=False)
    mask[top : top + height, left : left + width] = piece
    return mask
