"""The layout of a folder of clips, named for people."""

from collections.abc import Sequence
from pathlib import Path

from flawcast.generators.clips.entries import UNLABELLED, ClipEntry
from flawcast.generators.clips.label_table import LABELS
from flawcast.generators.clips.layouts import split_named

# Files that other programs keep labels in, and what they are called: not read as they are.
OTHERS = (
    ("YOLO", ("data.yaml", "dataset.yaml", "classes.txt")),
    ("CVAT", ("annotations.xml",)),
    ("COCO", ("annotations.json", "_annotations.coco.json", "annotations/instances_*.json")),
    ("VisA", ("split_csv/*.csv", "image_anno.csv")),
    ("Label Studio", ("result.json",)),
)


def layout_of(folder: Path, entries: Sequence[ClipEntry]) -> str:
    """Name a folder's layout.

    Args:
        folder: The folder.
        entries: Its clips.
    """
    if folder.is_file() or [entry.path for entry in entries] == [folder]:
        return "a single clip"
    found = []
    if (folder / LABELS).is_file():
        found.append(LABELS)
    names = [path.name for path in (*folder.glob("*"), *folder.glob("*/*")) if path.is_dir()]
    for entry in entries:
        names += entry.name.split("/")[: None if entry.path.is_dir() else -1]
    splits = [name for name in names if split_named(name)]
    if splits and any(entry.split for entry in entries):
        found.append(f"folders of splits{_data_set(names, splits)}")
    if any(entry.label != UNLABELLED for entry in entries) and LABELS not in found:
        found.append("folders of labels")
    for program, patterns in OTHERS:
        if any(next(folder.glob(pattern), None) for pattern in patterns):
            found.append(f"labels of {program}, which `flawcast import-labels` makes a {LABELS} of")
    return "; ".join(found) or "clips without labels"


def _data_set(names: Sequence[str], splits: Sequence[str]) -> str:
    """The public data set whose folders are named so; empty if none is."""
    lower = {name.lower() for name in (*names, *splits)}
    if "ground_truth" in lower:
        return " as in MVTec AD"
    if {"training_videos", "testing_videos"} <= lower:
        return " as in Avenue"
    if any(name.endswith("_gt") for name in lower) or any(
        name.startswith("test0") for name in lower
    ):
        return " as in UCSD"
    if "test_label" in lower:
        return " as in IPAD"
    if {"training", "testing"} <= lower:
        return " as in ShanghaiTech"
    return ""
