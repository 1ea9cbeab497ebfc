"""List the clips of a folder, with labels and splits from labels.csv and sub-folders.

Nothing is decoded here.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import FORMATS, GIF, STILL, VIDEO, frame_files, page_count
from flawcast.generators.clips.entries import (
    UNLABELLED,
    ClipEntry,
    OnNote,
    OnReject,
    Reject,
    readable_name,
)
from flawcast.generators.clips.label_table import LABELS, pair_rows, read_labels
from flawcast.generators.clips.layouts import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    are_named_as_split,
    are_split,
    doubt_of_split,
    is_mask_folder,
    said_by_folders,
    split_of_file,
)
from flawcast.generators.clips.mask_pairs import pair_masks
from flawcast.generators.clips.pictures import DAMAGED, UNREADABLE

__all__ = [
    "LABELS",
    "SPLITS",
    "TEST",
    "TRAIN",
    "UNLABELLED",
    "VALIDATION",
    "ClipEntry",
    "OnReject",
    "Reject",
    "list_clips",
]


def list_clips(
    folder: Path | str,
    on_reject: OnReject = lambda reject: None,
    on_note: OnNote = lambda line: None,
    on_doubt: OnNote = lambda line: None,
) -> list[ClipEntry]:
    """Find the clips of a folder, in sorted order.

    A clip is a video, a gif, a strip of frames side by side in one picture, or a folder that holds
    only pictures (its frames). Sub-folders of clips are labels. If one of them is named as the
    split `test` or `val` (also `testing_videos`, `Validation`, at any depth), then such folders are
    splits, and the folders inside them are labels; clips outside of these folders are left out
    unless labels.csv gives their split. Folders named as masks (`masks`, `ground_truth`,
    `Test002_gt`) hold no clips; their masks belong to the clips that they are named after. Files
    that labels.csv does not name are clips too; their folders give the label and the split, as they
    do for empty values of labels.csv. If any clip is "test" or "val", clips without a split are
    "train".

    Args:
        folder: The folder; a single file, or a folder of frames, is one clip.
        on_reject: Called for each clip that cannot be listed.
        on_note: Called with a line for each thing that was understood though it was not said.
        on_doubt: Called with a line if clips for testing may be among those without a split; who
            learns from the folder refuses it then.

    Raises:
        ClipError: If the folder is absent or holds no clips, or labels.csv is malformed.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ClipError(f"clips: expected a folder of clips ({FORMATS}), {folder} does not exist")
    if folder.is_file() or (_is_frames(folder) and not _names_stills(folder)):
        return [ClipEntry(folder.name, folder)]
    table = read_labels(folder, on_note)
    said = {row.path for _, row in table.values()}
    masks = {row.mask for _, row in table.values() if row.mask is not None}
    # A folder that holds the masks of others is not a clip, though it may look like one.
    masks |= {mask.parent for mask in masks} - said - {folder}
    places: list[Path] = []
    clips = {
        readable_name(path, folder): path
        for path in _walk(folder, places, said)
        if path not in masks
    }
    rows = pair_rows(folder, table, clips, on_note, on_reject)
    divided = are_split(clips)
    entries = []
    for name, path in clips.items():
        if not path.resolve().is_relative_to(folder.resolve()):
            on_reject(Reject(name, "a link that leads out of the folder"))
            continue
        label, split = said_by_folders(name, divided)
        row = rows.get(name, ClipEntry(name, path))
        label = row.label if row.label != UNLABELLED else label
        split = row.split or split
        if divided and not split:
            on_reject(Reject(name, f"beside the splits' folders, and of none; see {LABELS}"))
            continue
        entries.append(ClipEntry(name, path, label, split, row.onset, row.mask))
    for name, (_, row) in table.items():
        if name not in clips and row.path not in masks and row.path.exists():
            on_reject(Reject(name, f"named by {LABELS}, but it is not a clip"))
    if not entries:
        raise ClipError(f"clips: expected {FORMATS} in {folder}, found none; name another folder")
    entries = pair_masks(folder, entries, places, on_reject)
    if any(entry.split in (VALIDATION, TEST) for entry in entries):
        return [replace(entry, split=entry.split or TRAIN) for entry in entries]
    if are_named_as_split(entry.name for entry in entries if not entry.split):
        on_note("names of clips begin with train and test: they are taken for splits")
        return [replace(entry, split=entry.split or split_of_file(entry.name)) for entry in entries]
    doubt = doubt_of_split(folder, [entry for entry in entries if not entry.split])
    if doubt:
        on_note(doubt)
        on_doubt(doubt)
    return entries


def _walk(folder: Path, masks: list[Path], said: set[Path]) -> Iterator[Path]:
    """Clips below a folder: files that look like clips, and folders of frames.

    Args:
        folder: The folder.
        masks: Gets the folders of masks, which are not entered, and masks beside clips.
        said: Paths that labels.csv calls clips; a folder that holds one is not one of masks.
    """
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if is_mask_folder(path.name) and not any(item.is_relative_to(path) for item in said):
                masks.append(path)
            elif _is_frames(path) and not any(item.parent == path for item in said):
                yield path
            elif not path.is_symlink():
                yield from _walk(path, masks, said)
        elif path.suffix.lower() in VIDEO | GIF | STILL:
            if path.stem.endswith("_mask"):
                masks.append(path)
            else:
                yield path


def _is_frames(folder: Path) -> bool:
    """Whether a folder is one clip: at least two pictures that are no strips, no sub-folders."""
    children = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(path.is_dir() and not is_mask_folder(path.name) for path in children):
        return False
    frames = frame_files(folder)
    others = [path for path in children if path.suffix.lower() in VIDEO | GIF]
    return len(frames) >= 2 and not others and not _are_clips(frames)


def _names_stills(folder: Path) -> bool:
    """Whether labels.csv says of pictures of the folder that each is a clip of its own."""
    try:
        rows = read_labels(folder, lambda note: None)
    except ClipError:
        return False  # another program's table
    return any(row.path.parent == folder and row.path.is_file() for _, row in rows.values())


def _are_clips(frames: list[Path]) -> bool:
    """Whether a folder's pictures are one clip each: strips, or files of several pages.

    Pictures of one size are the frames of a clip, however wide: a line-scan or a panoramic camera.
    Strips of squares of one size are told by their different lengths, or by being the only one.
    """
    if page_count(frames[0]) > 1:
        return True
    sizes = {_size(path) for path in (frames[0], frames[len(frames) // 2], frames[-1])}
    return len(sizes) > 1 and _is_strip(frames[0])


def _size(path: Path) -> tuple[int, int]:
    """Width and height that a picture's header gives; zeros for an unreadable one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a huge picture is refused when it is read
            with Image.open(path) as image:
                return image.size
    except (*UNREADABLE, *DAMAGED):
        return (0, 0)


def _is_strip(path: Path) -> bool:
    """Whether a picture's header gives the size of several squares side by side."""
    width, height = _size(path)
    return height > 0 and width >= 2 * height and width % height == 0
