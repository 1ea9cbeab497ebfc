"""What every format gives: shapes on pictures, and tracks of shapes through videos."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flawcast.configs.errors import AnnotationError, ClipError
from flawcast.configs.registry import Registry
from flawcast.generators.clips.annotations.outlines import Mask, Size

Draw = Callable[[Size], Mask]


@dataclass(frozen=True)
class Shape:
    """Something that somebody marked.

    Args:
        label: What it is called.
        draw: Draws its mask at a picture's (H, W); None if only the label was said.
        is_box: Whether it is a box, which holds more than the thing itself.
        group: Shapes of one picture with the same group are one thing; empty: alone.
    """

    label: str
    draw: Draw | None = field(default=None, repr=False)
    is_box: bool = False
    group: str = ""


@dataclass(frozen=True)
class Picture:
    """What a file says of one picture, of one frame of a video, or of a whole clip.

    Args:
        name: Its path, or that of the video, as the file writes it; empty if it names none.
        shapes: What is marked; none says that nothing is there.
        frame: Number of the frame in the video `name`, from 0; None for a picture or a whole clip.
        size: Its (H, W) as the file gives it; None if it does not.
        split: "train", "val" or "test"; empty if the file says none.
    """

    name: str
    shapes: tuple[Shape, ...] = ()
    frame: int | None = None
    size: Size | None = None
    split: str = ""


@dataclass(frozen=True)
class Track:
    """One thing through the frames of a video.

    Args:
        video: The video's path as the file writes it; empty if it names none.
        shape: Gives the shape at a frame; None where it is not seen.
        first: The first frame that it may be seen in.
        end: The frame after the last one; None for the end of the video.
        size: The video's (H, W) as the file gives it; None if it does not.
        last_key: The last frame that the file names.
    """

    video: str
    shape: Callable[[int], Shape | None] = field(repr=False)
    first: int
    end: int | None
    last_key: int
    size: Size | None = None


@dataclass(frozen=True)
class Annotations:
    """All that a file, or a folder of files, says.

    Args:
        source: The file or folder, for messages.
        pictures: Pictures, frames and clips in the order of the file.
        tracks: Tracks.
        notes: What people should know of how it was read.
        complete: Whether clips that it does not name show nothing; else nothing is known of them.
    """

    source: str
    pictures: tuple[Picture, ...] = ()
    tracks: tuple[Track, ...] = ()
    notes: tuple[str, ...] = ()
    complete: bool = False


Reader = Callable[[Path], Annotations]
"""Reads a file or a folder; raises AnnotationError with the name of the file that is wrong."""

READERS: Registry[Reader] = Registry(
    "annotation format", "flawcast.generators.clips.annotations.formats"
)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the name of a file in front of what is wrong with it, whatever that is.

    Raises:
        AnnotationError: If the block fails for what the file says.
    """
    try:
        yield
    except (AnnotationError, ClipError) as error:
        text = str(error)
        raise AnnotationError(text if text.startswith(f"{name}: ") else f"{name}: {text}") from None
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{name}: expected JSON, {error}; mend it") from None
    except OSError as error:
        raise AnnotationError(f"{name}: cannot be read: {error.strerror or error}") from None
    except KeyError as error:
        raise AnnotationError(f"{name}: expected the key {error}, it is absent; mend it") from None
    except (UnicodeDecodeError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:80]
        raise AnnotationError(f"{name}: expected an annotation, got {reason}; mend it") from None


def named(values: dict[Any, str], key: Any, kind: str) -> str:
    """The name of a category.

    Args:
        values: Names by key.
        key: The category's key.
        kind: What the key is called, for the message.

    Raises:
        AnnotationError: If there is none.
    """
    label = values.get(key, "").strip()
    if not label:
        raise AnnotationError(
            f"expected a name for {kind} {key}, found none; name it where the categories are listed"
        )
    return label
