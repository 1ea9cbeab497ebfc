"""List the clips of a folder, with labels and splits from labels.csv and sub-folders.

Nothing is decoded here.
"""

import csv
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import FORMATS, GIF, STILL, VIDEO, frame_files
from flawcast.generators.clips.pictures import DAMAGED, UNREADABLE

LABELS = "labels.csv"
COLUMNS = ("file", "label", "split", "onset", "mask")
UNLABELLED = "unlabelled"
MASKS = "masks"  # a folder of this name holds masks, not clips
TRUTH = "ground_truth"  # MVTec AD's folder of masks, beside train and test
TRAIN, VALIDATION, TEST = "train", "val", "test"
SPLITS = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION}
SPLITS |= {"test": TEST}  # keys: names in folders and labels.csv, in lower case


@dataclass(frozen=True)
class Reject:
    """A clip that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class ClipEntry:
    """A clip of a folder that has not been read yet.

    Args:
        name: Path relative to the folder, with forward slashes.
        path: The file, or the folder of frames.
        label: Label from labels.csv, else the name of the first sub-folder (below that of the
            split), else "unlabelled".
        split: "train", "val" or "test", from labels.csv or else from the folder; empty if neither
            names one.
        onset: First frame of the file that shows the defect; None if unknown.
        mask: A mask video, picture or folder; None if the clip has no mask.
    """

    name: str
    path: Path
    label: str = UNLABELLED
    split: str = ""
    onset: int | None = None
    mask: Path | None = None


OnReject = Callable[[Reject], None]


def list_clips(folder: Path | str, on_reject: OnReject = lambda reject: None) -> list[ClipEntry]:
    """Find the clips of a folder, in sorted order.

    A clip is a video, a gif, a strip of frames side by side in one picture, or a folder that holds
    only pictures (its frames). Sub-folders of clips are labels. If one of them is named `test` or
    `val`, then `train`, `val` and `test` are splits, and the folders inside them are labels; clips
    outside of these folders are left out unless labels.csv gives their split. Files that
    labels.csv does not name are clips too; their folders give the label and the split, as they do
    for empty values of labels.csv. If any clip is "test" or "val", clips without a split are
    "train".

    Args:
        folder: The folder; a single file, or a folder of frames, is one clip.
        on_reject: Called for each clip that cannot be listed.

    Raises:
        ClipError: If the folder is absent or holds no clips, or labels.csv is malformed.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ClipError(f"clips: expected a folder of clips ({FORMATS}), {folder} does not exist")
    if folder.is_file() or _is_frames(folder):
        return [ClipEntry(folder.name, folder)]
    rows = read_labels(folder, on_reject)
    masks = {row.mask for row in rows.values() if row.mask is not None}
    names = {path.relative_to(folder).as_posix(): path for path in _walk(folder)}
    # A folder that holds the masks of others is not a clip, though it may look like one.
    masks |= {mask.parent for mask in masks} - {row.path for row in rows.values()}
    clips = {name: path for name, path in names.items() if path not in masks}
    divided = _are_split(clips)
    entries = []
    for name, path in clips.items():
        if not path.resolve().is_relative_to(folder.resolve()):
            on_reject(Reject(name, "a link that leads out of the folder"))
            continue
        label, split = _said_by_folders(name, divided)
        row = rows.get(name, ClipEntry(name, path))
        label = row.label if row.label != UNLABELLED else label
        split = row.split or split
        if divided and not split:
            if name.split("/")[0] != TRUTH:
                on_reject(Reject(name, f"beside the splits' folders, and of none; see {LABELS}"))
            continue
        entries.append(ClipEntry(name, path, label, split, row.onset, row.mask))
    for name, row in rows.items():
        if name not in names and row.path not in masks:
            on_reject(Reject(name, f"named by {LABELS}, but it is not a clip"))
    if not entries:
        raise ClipError(f"clips: expected {FORMATS} in {folder}, found none; name another folder")
    if any(entry.split in (VALIDATION, TEST) for entry in entries):
        return [replace(entry, split=entry.split or TRAIN) for entry in entries]
    return entries


def _are_split(names: Iterable[str]) -> bool:
    """Whether the outermost folders are splits; a clip that is a folder counts as one.

    Example:
        >>> _are_split(["train/a.mp4", "Test/b.mp4"]), _are_split(["train/a.mp4", "plane/b.mp4"])
        (True, False)
    """
    splits = {SPLITS.get(name.split("/")[0].lower()) for name in names}
    return TEST in splits or VALIDATION in splits


def _said_by_folders(name: str, divided: bool) -> tuple[str, str]:
    """Label and split of a clip according to the folders that contain it.

    Example:
        >>> _said_by_folders("train/crack/a.mp4", True), _said_by_folders("train/a.mp4", False)
        (('crack', 'train'), ('train', ''))
    """
    outermost, *folders = name.split("/")
    split = SPLITS.get(outermost.lower(), "") if divided else ""
    labels = folders[:-1] if split else [outermost, *folders][:-1]
    return labels[0] if labels else UNLABELLED, split


def _walk(folder: Path) -> Iterator[Path]:
    """Clips below a folder: files that look like clips, and folders of frames."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == MASKS:
            continue
        if path.is_dir():
            if _is_frames(path):
                yield path
            elif not path.is_symlink():
                yield from _walk(path)
        elif path.suffix.lower() in VIDEO | GIF | STILL and not path.stem.endswith("_mask"):
            yield path


def _is_frames(folder: Path) -> bool:
    """Whether a folder is one clip: at least two pictures that are no strips, no sub-folders."""
    children = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(path.is_dir() and path.name != MASKS for path in children):
        return False
    frames = frame_files(folder)
    others = [path for path in children if path.suffix.lower() in VIDEO | GIF]
    return len(frames) >= 2 and not others and not _is_strip(frames[0])


def _is_strip(path: Path) -> bool:
    """Whether a picture's header gives the size of several squares side by side."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a huge picture is refused when it is read
            with Image.open(path) as image:
                return image.width >= 2 * image.height and image.width % image.height == 0
    except (*UNREADABLE, *DAMAGED):
        return False


def read_labels(folder: Path, on_reject: OnReject) -> dict[str, ClipEntry]:
    """Rows of labels.csv by file; none if the folder has no such file.

    Args:
        folder: The folder that may hold labels.csv.
        on_reject: Called for each row whose file is absent.

    Raises:
        ClipError: If it is malformed.
    """
    path = folder / LABELS
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            columns, rows = table.fieldnames or [], list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClipError(f"{path}: expected CSV in UTF-8, {error}") from None
    unknown = [str(column) for column in columns if column not in COLUMNS]
    if unknown or "file" not in columns:
        raise ClipError(
            f"{path}: expected the columns {', '.join(COLUMNS)} (only file is needed), "
            f"got {', '.join(map(str, columns))}; rename or remove {', '.join(unknown) or 'none'}"
        )
    entries: dict[str, ClipEntry] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path} line {number}"
        if None in row:
            raise ClipError(f"{where}: expected {len(columns)} values, got more; quote commas")
        entry = _entry(folder, {key: value or "" for key, value in row.items()}, where)
        if entry.name in entries:
            raise ClipError(f"{where}: {entry.name} is there twice; keep one row")
        if entry.path.exists():
            entries[entry.name] = entry
        else:
            on_reject(Reject(entry.name, f"named by {LABELS}, but there is no such file"))
    return entries


def _entry(folder: Path, row: dict[str, str], where: str) -> ClipEntry:
    """One row of labels.csv."""
    onset = row.get("onset", "").strip()
    if onset and not onset.isdecimal():
        raise ClipError(f"{where}: onset: expected a frame number from 0, got {onset!r}")
    mask = row.get("mask", "").strip()
    path = _inside(folder, row["file"].strip(), where)
    return ClipEntry(
        name=path.relative_to(folder).as_posix(),
        path=path,
        label=row.get("label", "").strip() or UNLABELLED,
        split=_split(row.get("split", ""), where),
        onset=int(onset) if onset else None,
        mask=_inside(folder, mask, where) if mask else None,
    )


def _split(value: str, where: str) -> str:
    """The split that a value of labels.csv names; empty if the value is empty."""
    name = value.strip().lower()
    if name and name not in SPLITS:
        raise ClipError(
            f"{where}: split: expected train, val or test, got {value.strip()!r}; mend the row"
        )
    return SPLITS.get(name, "")


def _inside(folder: Path, name: str, where: str) -> Path:
    """A path inside the folder; any other path is refused."""
    path = folder / name
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ClipError(f"{where}: expected a path inside the folder, got {name!r}")
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        path.exists()  # raises for names that are too long
    except (OSError, ValueError):
        raise ClipError(f"{where}: expected a path, got {name[:60]!r}; mend the row") from None
    if not inside:
        raise ClipError(f"{where}: {name!r} leads out of the folder")
    return path
