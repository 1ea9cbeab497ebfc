"""Which mask belongs to which clip, where folders of masks lie beside those of clips."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from flawcast.generators.clips.decoding import GIF, STILL, VIDEO, frame_files
from flawcast.generators.clips.entries import ClipEntry, OnReject, Reject
from flawcast.generators.clips.layouts import is_mask_folder, split_named

_ENDING = re.compile(r"[ _.-](masks?|gt|ground[ _-]?truths?|labels?|seg)$", re.IGNORECASE)


def pair_masks(
    folder: Path, entries: Sequence[ClipEntry], places: Iterable[Path], on_reject: OnReject
) -> list[ClipEntry]:
    """Give clips without a mask the one that is named after them.

    A mask's path is that of its clip without the folder of masks (and, as in MVTec AD, without the
    split's folder), and its name may end in `_mask` or `_gt`: `masks/a_mask.mkv` and `a.mkv`,
    `Test/Test002_gt` and `Test/Test002`, `ground_truth/crack/000_mask.png` and
    `test/crack/000.png`. A folder of pictures that are named as the frames of the only clip beside
    it is that clip's.

    Args:
        folder: The folder of clips.
        entries: Its clips.
        places: The outermost folders of masks, and masks that lie beside clips.
        on_reject: Called for each place of which no mask pairs with a clip.
    """
    used = {entry.mask for entry in entries if entry.mask is not None}
    by_key = defaultdict(list)
    for entry in entries:
        by_key[_key(entry.path.relative_to(folder))].append(entry)
    given: dict[str, list[Path]] = defaultdict(list)
    for place in places:
        items = _items(place)
        if any(path in used or path.parent in used for path in (place, *items)):
            continue  # labels.csv names some of them, so it names all that count
        pairs = {path: by_key.get(_key(path.relative_to(folder)), []) for path in items}
        found = {path: named[0] for path, named in pairs.items() if len(named) == 1}
        if not found and place.is_dir():
            found = _frame_by_frame(place, entries)
        for path, entry in found.items():
            given[entry.name].append(path)
        if items and not found:
            name = place.relative_to(folder).as_posix()
            on_reject(Reject(name, "named as masks, but as no clip's; see labels.csv"))
    return [
        replace(entry, mask=given[entry.name][0])
        if entry.mask is None and len(given[entry.name]) == 1
        else entry
        for entry in entries
    ]


def _items(place: Path) -> list[Path]:
    """Masks of a folder: files, or folders of pictures; the folder itself if it is one clip's."""
    if place.is_file():
        return [place]
    children = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    folders = [path for path in children if path.is_dir() and not path.is_symlink()]
    if not folders and _ENDING.search(place.name):
        return [place]
    files = [path for path in children if path.suffix.lower() in VIDEO | GIF | STILL]
    inner = [item for path in folders for item in _inner(path)]
    return [path for path in files if path.is_file()] + inner


def _inner(place: Path) -> list[Path]:
    """Masks of a folder below a folder of masks: one clip's pictures count both ways."""
    return [place, *_items(place)] if any(place.iterdir()) else []


def _key(path: Path) -> tuple[str, ...]:
    """What a mask and its clip have in common: folders that say no mask and no split, and name."""
    folders = [part.lower() for part in path.parts[:-1]]
    kept = [part for part in folders if not (is_mask_folder(part) or split_named(part))]
    is_clip = path.suffix.lower() in VIDEO | GIF | STILL
    name = path.stem if is_clip else path.name
    return *kept, _ENDING.sub("", name).lower()


def _frame_by_frame(place: Path, entries: Sequence[ClipEntry]) -> dict[Path, ClipEntry]:
    """The only clip beside a folder of masks, if its frames have the masks' names."""
    beside = [
        entry for entry in entries if entry.path.is_dir() and entry.path.parent == place.parent
    ]
    if len(beside) != 1:
        return {}
    masks = {_ENDING.sub("", path.stem) for path in frame_files(place)}
    frames = {path.stem for path in frame_files(beside[0].path)}
    return {place: beside[0]} if masks and masks == frames else {}
