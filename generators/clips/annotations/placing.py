"""Which clip, and which of its frames, an annotation is about."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flawcast.configs.errors import AnnotationError
from flawcast.generators.clips.annotations.base import Annotations, Shape, Track, naming
from flawcast.generators.clips.annotations.outlines import Size
from flawcast.generators.clips.decoding import GIF, STILL, VIDEO, frame_files
from flawcast.generators.clips.entries import ClipEntry
from flawcast.generators.clips.layouts import LEARNT_AFTER, TRAIN

FRAME = re.compile(r"(.*?)[\W_]*(?:frame|image|img)?[\W_]*(\d+)", re.IGNORECASE)
STRICTEST = (*LEARNT_AFTER, TRAIN, "")
NAMED = 3  # clips that an error message names


@dataclass
class Marks:
    """What annotations say of one clip.

    Args:
        whole: Shapes of the clip as a whole, or of a still.
        frames: Shapes by frame.
        tracks: Tracks through it.
        sizes: Every (H, W) that the annotations were drawn at.
        splits: Every split that they name.
        numbers: Frame numbers that were read from names, so that they may count from 0 or 1.
    """

    whole: list[Shape] = field(default_factory=list)
    frames: dict[int, list[Shape]] = field(default_factory=lambda: defaultdict(list))
    tracks: list[Track] = field(default_factory=list)
    sizes: set[Size] = field(default_factory=set)
    splits: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)

    @property
    def split(self) -> str:
        """The strictest split: a clip with one frame for testing is for testing."""
        return next((split for split in STRICTEST if split in self.splits), "")


@dataclass(frozen=True)
class Place:
    """A clip, and one of its frames if a picture is one; `numbered` if its name told the frame."""

    clip: str
    frame: int | None = None
    numbered: bool = False


def marks_by_clip(
    said: Annotations, entries: Sequence[ClipEntry], partly: bool = False
) -> tuple[dict[str, Marks], int]:
    """Give every annotation to its clip.

    Args:
        said: The annotations.
        entries: The clips.
        partly: Leave out pictures and videos that are not among the clips.

    Returns:
        Marks by the clips' names, and how many pictures and tracks were left out.

    Raises:
        AnnotationError: If there is no such picture, or several of its name.
    """
    places = Places(entries)
    marks: dict[str, Marks] = defaultdict(Marks)
    absent = 0
    for picture in said.pictures:
        with naming(said.source):
            place = places.of(picture.name)
            if place is None:
                if not partly:
                    raise _absent(picture.name, places)
                absent += 1
                continue
        mine = marks[place.clip]
        frame = picture.frame if place.frame is None else place.frame
        if picture.size is not None:
            mine.sizes.add(picture.size)
        mine.splits.add(picture.split)
        if frame is None:
            mine.whole += picture.shapes
        else:
            mine.frames[frame] += picture.shapes
            if place.numbered:
                mine.numbers.add(frame)
    for track in said.tracks:
        with naming(said.source):
            place = places.of(track.video)
            if place is None:
                if not partly:
                    raise _absent(track.video, places)
                absent += 1
                continue
        marks[place.clip].tracks.append(track)
        if track.size is not None:
            marks[place.clip].sizes.add(track.size)
    return dict(marks), absent


def _absent(name: str, places: "Places") -> AnnotationError:
    """The error for a picture that is not there."""
    known, what = ", ".join(places.names[:NAMED]), name or "without a name"
    return AnnotationError(
        f"there is no picture or clip {what} among {len(places.names)} clips ({known}); "
        "name their folder, or leave it out with --partly"
    )


class Places:
    """Clips and their frames by every ending of their paths, spelt as people spell them.

    Args:
        entries: The clips.
    """

    def __init__(self, entries: Sequence[ClipEntry]) -> None:
        self.names = [entry.name for entry in entries]
        self._videos = [entry.name for entry in entries if not _is_still(entry.path)]
        self._whole: dict[str, set[Place]] = defaultdict(set)
        self._stems: dict[str, set[Place]] = defaultdict(set)
        for entry in entries:
            self._add(entry.name, Place(entry.name))
            if entry.path.is_dir():
                for number, file in enumerate(frame_files(entry.path)):
                    self._add(f"{entry.name}/{file.name}", Place(entry.name, number))

    def of(self, name: str) -> Place | None:
        """The place of a picture or video; None if there is none.

        A name that ends in a number may be that of a frame: `jam_000012`, `jam/frame_12.png`, and
        `frame_000012` where there is one clip. No name at all means the only clip.

        Raises:
            AnnotationError: If there are several of that name.
        """
        if not name:
            return Place(self._videos[0]) if len(self._videos) == 1 else None
        spelt = _spelt(name)
        stem = _without_suffix(spelt)
        found = _longest(self._whole, spelt) or _longest(self._stems, stem)
        if found:
            return _only(found, name)
        numbered = FRAME.fullmatch(stem)
        if not numbered:
            return None
        video, number = numbered[1].rstrip("/"), int(numbered[2])
        above = {place for place in _longest(self._stems, _without_suffix(video))
                 | _longest(self._whole, video) if place.frame is None}  # fmt: skip
        if above:
            return Place(_only(above, video).clip, number, numbered=True)
        if len(self._videos) == 1 and "/" not in video.strip("/"):
            return Place(self._videos[0], number, numbered=True)
        return None

    def _add(self, path: str, place: Place) -> None:
        """Index a path by its endings, with its suffix and without."""
        spelt = _spelt(path)
        parts = spelt.split("/")
        for start in range(len(parts)):
            ending = "/".join(parts[start:])
            self._whole[ending].add(place)
            self._stems[_without_suffix(ending)].add(place)


def _longest(index: dict[str, set[Place]], name: str) -> set[Place]:
    """The places of the longest ending of a name that has any."""
    parts = name.split("/")
    endings = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((index[ending] for ending in endings if ending in index), set())


def _only(found: set[Place], name: str) -> Place:
    """The only place of a name."""
    if len(found) > 1:
        names = ", ".join(sorted(place.clip for place in found)[:NAMED])
        raise AnnotationError(
            f"{name} is the name of several pictures ({names}); keep their folders in the names"
        )
    return next(iter(found))


def _spelt(name: str) -> str:
    """A name without what programs spell differently."""
    text = unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()
    return "/".join(part for part in text.split("/") if part not in ("", ".", ".."))


def _without_suffix(name: str) -> str:
    """A name without the suffix of a picture or video."""
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix in VIDEO | GIF | STILL else name


def _is_still(path: Path) -> bool:
    """Whether a clip is a single picture."""
    return path.is_file() and path.suffix.lower() in STILL
