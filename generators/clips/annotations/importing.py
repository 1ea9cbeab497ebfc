"""`flawcast import-labels`: annotations of other programs become labels.csv and masks."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flawcast.configs.errors import AnnotationError, SettingsError
from flawcast.configs.files import whole_folder
from flawcast.generators.clips.annotations.base import READERS, naming
from flawcast.generators.clips.annotations.drawing import Drawing, DrawnClip, draw_clip
from flawcast.generators.clips.annotations.files import recognise
from flawcast.generators.clips.annotations.placing import Marks, marks_by_clip
from flawcast.generators.clips.decoding import STILL, mask_files, picture_files
from flawcast.generators.clips.entries import UNLABELLED, ClipEntry
from flawcast.generators.clips.label_table import COLUMNS, LABELS
from flawcast.generators.clips.layouts import are_split, is_mask_folder, said_by_folders
from flawcast.generators.clips.listing import list_clips

MASKS = "masks"
OF_STILLS = ("mvtec", "visa")  # formats in which every picture stands for itself


@dataclass(frozen=True)
class Imported:
    """What became of annotations.

    Args:
        folder: The folder with labels.csv, which every command reads.
        format: Format of the annotations.
        clips: Number of clips, or of stills.
        named: How many of them the annotations say something of.
        masks: How many of them have drawn masks.
        labels: Number of clips by label; empty for a label that is not known.
        splits: Number of clips by split; empty for none.
        notes: What was understood though it was not said.
    """

    folder: str
    format: str
    clips: int
    named: int
    masks: int
    labels: dict[str, int]
    splits: dict[str, int]
    notes: tuple[str, ...]


def import_labels(
    annotations: Path,
    clips: Path,
    kind: str | None = None,
    out: Path | None = None,
    stills: bool | None = None,
    partly: bool = False,
    drawing: Drawing | None = None,
) -> Imported:
    """Write labels.csv, and a mask for every frame of clips with marked defects.

    No clip is changed. Without `out`, labels.csv and `masks/` are added to the folder of clips.
    With it, a new folder gets them, and the clips as hard links (copies on another disk).

    Args:
        annotations: A file, or a folder of files.
        clips: The folder of clips, or one clip.
        kind: The format; None finds it.
        out: A folder that does not exist yet; None for that of the clips.
        stills: Whether each picture stands for itself; None for MVTec and VisA alone. Else pictures
            of a folder are the frames of a clip, as everywhere in flawcast.
        partly: Leave out annotations of pictures that are not there.
        drawing: How shapes become masks.

    Raises:
        AnnotationError: If annotations are malformed, or do not fit the clips.
        ClipError: If a clip cannot be read.
        SettingsError: If the format is unknown, or the result would overwrite something.
    """
    chosen = drawing or Drawing()
    _check_target(clips, out)
    kind = kind or recognise(annotations)
    said = READERS[kind](annotations)
    alone = kind in OF_STILLS if stills is None else stills
    notes = list(said.notes)
    entries = list(_stills(clips)) if alone else list_clips(clips, on_note=notes.append)
    if out is None and [entry.path for entry in entries] == [clips]:
        raise SettingsError(
            f"out: expected a folder for labels.csv, since {clips} is one clip; name it with --out"
        )
    marks, absent = marks_by_clip(said, entries, partly)
    if absent:
        notes.append(f"{absent} pictures and tracks that are not among the clips are left out")
    if said.complete:
        marks = {entry.name: marks.get(entry.name, Marks()) for entry in entries}
    notes += _frames_as_clips(entries)
    with _target(clips, out) as draft:
        rows = []
        for entry in entries:
            mine = marks.get(entry.name)
            if out is not None:
                _link_clip(entry, draft, whole=mine is None)
            if mine is None:
                rows.append(_known(entry, out))
                continue
            place = Path(MASKS) / _name_of_masks(entry, entries)
            with naming(entry.name):
                drawn = draw_clip(entry, mine, draft / place, chosen)
            notes += [f"{entry.name}: {note}" for note in drawn.notes]
            rows.append(_row(entry, drawn, mine.split, draft))
        _write_table(draft / LABELS, rows)
    return Imported(
        folder=str(out or clips),
        format=kind,
        clips=len(rows),
        named=len(marks),
        masks=sum(bool(row["mask"]) for row in rows),
        labels=dict(sorted(Counter(row["label"] for row in rows).items())),
        splits=dict(sorted(Counter(row["split"] for row in rows).items())),
        notes=tuple(notes),
    )


def _check_target(clips: Path, out: Path | None) -> None:
    """Refuse to overwrite anything, before the work."""
    if not clips.exists():
        raise AnnotationError(f"clips: expected a folder of clips, {clips} does not exist")
    if out is not None:
        if out.exists():
            raise SettingsError(f"out: expected a folder that does not exist yet, {out} does")
        return
    if clips.is_file():
        raise SettingsError("out: expected a folder for labels.csv, since CLIPS is a file; name it")
    for name in (LABELS, MASKS):
        if (clips / name).exists():
            raise SettingsError(
                f"clips: expected no {name} in {clips}, which would be overwritten; name a new "
                "folder with --out"
            )


@contextmanager
def _target(clips: Path, out: Path | None) -> Iterator[Path]:
    """A draft of the result, which becomes `out`, or is moved into the folder of clips."""
    if out is not None:
        with whole_folder(out) as draft:
            yield draft
        return
    with TemporaryDirectory(prefix=".", dir=clips) as hidden:
        yield Path(hidden)
        for name in (MASKS, LABELS):  # the table last: it names the masks
            if (Path(hidden) / name).exists():
                (Path(hidden) / name).replace(clips / name)


def _stills(clips: Path) -> Iterator[ClipEntry]:
    """Every picture of a folder, with the label and the split that its folders say."""
    if clips.is_file():
        yield ClipEntry(clips.name, clips)
        return
    found = [
        path
        for path in sorted(clips.rglob("*"))
        if path.suffix.lower() in STILL
        and not path.stem.endswith("_mask")
        and not any(
            is_mask_folder(part) or part.startswith(".")
            for part in path.relative_to(clips).parts[:-1]
        )
    ]
    names = [path.relative_to(clips).as_posix() for path in found]
    divided = are_split(names)
    for name, path in zip(names, found, strict=True):
        yield ClipEntry(name, path, *said_by_folders(name, divided))


def _frames_as_clips(entries: Sequence[ClipEntry]) -> Iterator[str]:
    """Say which folders of pictures are taken for clips: nothing but their names tells."""
    folders = [entry.name for entry in entries if entry.path.is_dir()]
    if folders:
        yield (
            f"folders of pictures, as {folders[0]}, are one clip each ({len(folders)}); with "
            "--stills each picture stands for itself"
        )


def _link_clip(entry: ClipEntry, folder: Path, whole: bool) -> None:
    """Give a clip a second name in a folder; on another disk, a copy.

    Args:
        entry: The clip.
        folder: Where its path begins anew.
        whole: Whether its masks, beside the frames or elsewhere, come with it.
    """
    files = [entry.path]
    if entry.path.is_dir():
        files = [*picture_files(entry.path), *(mask_files(entry.path) if whole else [])]
    for file in files:
        name = f"{entry.name}/{file.name}" if entry.path.is_dir() else entry.name
        _link(file, folder / name)
    if whole and entry.mask is not None:
        found = sorted(entry.mask.iterdir()) if entry.mask.is_dir() else [entry.mask]
        for file in found:
            _link(file, folder / _kept_mask(entry) / file.relative_to(entry.mask))


def _link(file: Path, target: Path) -> None:
    """Link one file, or copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copy2(file, target)


def _kept_mask(entry: ClipEntry) -> Path:
    """Where the mask of a clip that no annotation names is in the new folder."""
    suffix = entry.mask.suffix if entry.mask is not None and entry.mask.is_file() else ""
    return Path("kept_masks") / f"{entry.name}{suffix}"


def _name_of_masks(entry: ClipEntry, entries: Sequence[ClipEntry]) -> str:
    """The name of a clip's masks: its own without the suffix, unless another clip has that."""
    plain = Path(entry.name).with_suffix("").as_posix()
    if entry.path.is_dir() or sum(Path(one.name).with_suffix("").as_posix() == plain
                                  for one in entries) > 1:  # fmt: skip
        return entry.name
    return plain


def _known(entry: ClipEntry, out: Path | None) -> dict[str, str]:
    """The row of a clip that no annotation names: what its folder and labels.csv say."""
    mask = ""
    if entry.mask is not None and out is not None:
        mask = _kept_mask(entry).as_posix()
    label = "" if entry.label == UNLABELLED else entry.label
    onset = "" if entry.onset is None else str(entry.onset)
    return dict(zip(COLUMNS, (entry.name, label, entry.split, onset, mask), strict=True))


def _row(entry: ClipEntry, drawn: DrawnClip, split: str, draft: Path) -> dict[str, str]:
    """The row of a clip that annotations name."""
    onset = "" if drawn.onset is None else str(drawn.onset)
    mask = "" if drawn.masks is None else drawn.masks.relative_to(draft).as_posix()
    values = (entry.name, drawn.label, split or entry.split, onset, mask)
    return dict(zip(COLUMNS, values, strict=True))


def _write_table(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write labels.csv."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
