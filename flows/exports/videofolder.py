"""Hugging Face's VideoFolder: videos by split, with a table, loaded by `datasets.load_dataset`.

Reference:
    https://huggingface.co/docs/datasets/video_load#videofolder
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.flows.exports.base import (
    CARD_FIELDS,
    COLUMNS,
    EXPORTS,
    Export,
    ExportSample,
    as_video,
    video_name,
    write_sample_video,
)
from flawcast.flows.exports.objects import box_of, defect_masks
from flawcast.generators.clips.video_files import write_ffv1

SPLITS = {"train": "train", "val": "validation", "test": "test"}
TABLE = "metadata.csv"


@EXPORTS.register("videofolder")
def videofolder(export: Export, folder: Path) -> None:
    """Write SPLIT/ID.mp4, SPLIT/metadata.csv and masks/ID.mkv.

    The table has the columns of samples.csv, the kind and the path of the masks, and the box of the
    defect in each frame, as JSON: left, top, width and height, or null.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for sample in (as_video(sample, export.settings) for sample in export.samples()):
        split = SPLITS[export.split(sample.id)]
        (folder / split).mkdir(exist_ok=True)
        write_sample_video(folder / split, sample, export.settings)
        about = {name: sample.row[name] for name in COLUMNS if name != "file"}
        rows.setdefault(split, []).append(
            {
                "file_name": video_name(sample.id, export.settings),
                **about,
                "masks": sample.row["masks"] or "",
                "mask_video": _write_masks(folder, sample),
                "boxes": json.dumps(_boxes(sample, export.settings.normal)),
            }
        )
    for split, members in rows.items():
        with (folder / split / TABLE).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(members[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(members)


def card_fields(export: Export) -> list[str]:
    """What the card says to a program: the task, and the files of each split."""
    lines = ["task_categories: [video-classification]", "configs:", "- config_name: default"]
    lines.append("  data_files:")
    used = {export.split(row["sample_id"]) for row in export.rows}
    for split, name in SPLITS.items():
        if split in used:
            lines += [f"  - split: {name}", f"    path: {name}/*"]
    return lines


CARD_FIELDS["videofolder"] = card_fields


def _write_masks(folder: Path, sample: ExportSample) -> str:
    """Write a sample's masks; their path, empty without."""
    if sample.maps is None:
        return ""
    path = folder / "masks" / f"{sample.id}.mkv"
    path.parent.mkdir(exist_ok=True)
    write_ffv1(path, sample.maps, sample.row["fps"] or 25.0)
    return path.relative_to(folder).as_posix()


def _boxes(sample: ExportSample, normal: str) -> list[tuple[int, int, int, int] | None]:
    """The box of the defect in each frame; none of a sample without."""
    masks = defect_masks(sample, normal)
    if masks is None:
        masks = np.zeros(sample.video.shape[:3], bool)
    return [box_of(mask) if mask.any() else None for mask in masks]
