"""The masks of one clip, drawn frame by frame from what annotations say of it."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import AnnotationError
from flawcast.configs.labels import is_good
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.clips.annotations.base import Shape
from flawcast.generators.clips.annotations.outlines import Size
from flawcast.generators.clips.annotations.placing import Marks
from flawcast.generators.clips.decoding import STILL, decode, frame_files
from flawcast.generators.clips.entries import ClipEntry

ORIENTATION = 0x0112  # in EXIF data; from 5 on, a picture lies on its side
LYING = 5


@dataclass(frozen=True)
class Drawing:
    """How shapes become masks.

    Args:
        normal: The label of clips in which nothing is marked.
        parts: Labels of the part itself, which is drawn at its own level and is no defect.
        boxes: Whether a box is drawn, all of it; else it gives label and onset alone.
    """

    normal: str = "normal"
    parts: tuple[str, ...] = ()
    boxes: bool = True


@dataclass(frozen=True)
class DrawnClip:
    """What annotations make of a clip.

    Args:
        label: Its label: of several, the one with the largest area.
        onset: The first frame in which a defect is marked; None if none is.
        masks: A picture for all frames, or a folder of one for each; None without.
        notes: What people should know.
    """

    label: str
    onset: int | None
    masks: Path | None
    notes: tuple[str, ...] = ()


@dataclass
class _Canvas:
    """Masks and areas while a clip is drawn.

    Args:
        size: (H, W).
        drawing: How shapes become masks.
        areas: Pixels by label of a defect, over all frames.
        boxes: How many boxes were drawn.
    """

    size: Size
    drawing: Drawing
    areas: Counter[str] = field(default_factory=Counter)
    boxes: int = 0

    def frame(self, shapes: Sequence[Shape]) -> tuple[NDArray[np.uint8], bool]:
        """Draw the shapes of one frame; whether a defect is among them."""
        levels = np.zeros(self.size, np.uint8)
        finer = {shape.group for shape in shapes if shape.draw and not shape.is_box}
        defects = [shape for shape in shapes if shape.label not in self.drawing.parts]
        for shape in sorted(shapes, key=lambda one: one.label not in self.drawing.parts):
            is_part = shape.label in self.drawing.parts
            area = 0
            if shape.draw is not None and not (shape.is_box and self._is_spare(shape, finer)):
                mask = shape.draw(self.size)
                area = int(mask.sum())
                levels[mask] = PART if is_part else DEFECT
                self.boxes += shape.is_box and not is_part
            if not is_part:
                self.areas[shape.label] += area
        return levels, bool(defects)

    def _is_spare(self, box: Shape, finer: set[str]) -> bool:
        """Whether a box is not drawn: never, or since its own thing is drawn more finely."""
        return not self.drawing.boxes or (bool(box.group) and box.group in finer)


def draw_clip(entry: ClipEntry, marks: Marks, masks: Path, drawing: Drawing) -> DrawnClip:
    """Write the masks of a clip.

    Args:
        entry: The clip.
        marks: What annotations say of it.
        masks: Where to: a folder of this name, or a picture with a suffix more.
        drawing: How shapes become masks.

    Raises:
        AnnotationError: If they were drawn at another size, or beyond the clip's end.
        ClipError: If the clip cannot be read.
    """
    notes = []
    if len(marks.splits - {""}) > 1:
        notes.append(f"its frames are in several splits; all are taken for {marks.split}")
    is_still = entry.path.is_file() and entry.path.suffix.lower() in STILL
    size, length = _extent(entry) if not is_still else (_size_of(entry.path), 1)
    for said in sorted(marks.sizes - {size}):
        raise AnnotationError(
            f"expected annotations of {size[1]}x{size[0]} as its picture, got some of "
            f"{said[1]}x{said[0]}; export them for these clips"
        )
    frames = _frames(marks, length, notes)
    whole = _without_good(marks.whole)
    canvas = _Canvas(size, drawing)
    onset, target = None, None
    if is_still or not frames:
        shapes = [*whole, *(shape for found in frames.values() for shape in found)]
        levels, is_defective = canvas.frame(shapes)
        onset = 0 if is_defective and is_still else None
        if levels.any() or not (is_still or shapes):
            target = masks.with_name(f"{masks.name}.png")
            _write(target, _png(levels))
    else:
        onset, is_drawn = _write_frames(canvas, frames, whole, length, masks)
        target = masks if is_drawn else None
    if canvas.boxes:
        notes.append(f"{canvas.boxes} boxes are drawn whole: their masks hold more than the defect")
    labels = [label for label, _ in canvas.areas.most_common()]
    if len(labels) > 1:
        notes.append(f"labelled {labels[0]}, which has the largest area of {', '.join(labels)}")
    return DrawnClip(labels[0] if labels else drawing.normal, onset, target, tuple(notes))


def _write_frames(
    canvas: _Canvas, frames: dict[int, list[Shape]], whole: list[Shape], length: int, masks: Path
) -> tuple[int | None, bool]:
    """Write a mask for each frame; the first frame with a defect, and whether any has a mask."""
    empty = _png(np.zeros(canvas.size, np.uint8))
    onset, drawn = None, []
    for number in range(length):
        levels, is_defective = canvas.frame([*whole, *frames.get(number, [])])
        if is_defective and onset is None:
            onset = number
        drawn.append(bool(levels.any()))
        _write(masks / f"{number:06d}.png", _png(levels) if drawn[-1] else empty)
    if not any(drawn) and onset is not None:  # labels without areas: where they lie is not known
        for file in masks.iterdir():
            file.unlink()
        masks.rmdir()
        return onset, False
    return onset, True


def _frames(marks: Marks, length: int, notes: list[str]) -> dict[int, list[Shape]]:
    """The shapes of each frame that has any, of pictures and of tracks."""
    shift = 0
    if marks.numbers and min(marks.numbers) == 1 and max(marks.numbers) == length:
        shift = 1
        notes.append("the numbers of its frames count from 1")
    found = {number - shift: _without_good(shapes) for number, shapes in marks.frames.items()}
    if found and (max(found) >= length or min(found) < 0):
        number = max(found) if max(found) >= length else min(found)
        raise AnnotationError(
            f"expected frames from 0 to {length - 1}, got {number}; export the annotations of "
            "this clip"
        )
    for track in marks.tracks:
        if track.last_key >= length:
            raise AnnotationError(
                f"expected tracks that end with the clip, at frame {length - 1}, got one with "
                f"frame {track.last_key}; export the annotations of this clip"
            )
        for number in range(track.first, min(track.end or length, length)):
            shape = track.shape(number)
            if shape is not None and not is_good(shape.label):
                found.setdefault(number, []).append(shape)
    return {number: shapes for number, shapes in found.items() if shapes}


def _without_good(shapes: Sequence[Shape]) -> list[Shape]:
    """Shapes without those that say that a part is good."""
    return [shape for shape in shapes if not is_good(shape.label)]


def _extent(entry: ClipEntry) -> tuple[Size, int]:
    """The (H, W) of a clip's frames, and how many there are."""
    if entry.path.is_dir():
        files = frame_files(entry.path)
        return _size_of(files[0]), len(files)
    sizes: set[Size] = set()

    def shape(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        sizes.add((frame.shape[0], frame.shape[1]))
        return frame[:1, :1].copy()  # only their number counts

    frames, _ = decode(entry.path, shape, 1, None)
    return min(sizes), len(frames)


def _size_of(path: Path) -> Size:
    """The (H, W) of a picture, upright."""
    try:
        with Image.open(path) as image:
            lies = image.getexif().get(ORIENTATION, 1) >= LYING
            return (image.width, image.height) if lies else (image.height, image.width)
    except (OSError, ValueError, SyntaxError) as error:
        reason = " ".join(str(error).split())[:80]
        raise AnnotationError(f"{path.name}: not a readable picture ({reason})") from None


def _png(levels: NDArray[np.uint8]) -> bytes:
    """A mask as a picture."""
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write a file into a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
