"""Records of what a folder holds: clips that have not been read yet, and what was left out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

UNLABELLED = "unlabelled"


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


def readable_name(path: Path, folder: Path) -> str:
    r"""A path relative to its folder, with forward slashes, that can be printed and stored.

    Bytes of a name that are no UTF-8 are written as `\xf6`.

    Example:
        >>> readable_name(Path("clips/F\udcf6rder.mkv"), Path("clips"))
        'F\\xf6rder.mkv'
    """
    name = path.relative_to(folder).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


OnReject = Callable[[Reject], None]
OnNote = Callable[[str], None]
"""Takes a line for people about how a folder was understood."""
