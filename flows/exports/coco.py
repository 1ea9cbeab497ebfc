"""COCO: frames as pictures, and masks as run lengths in annotations.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.exports.base import EXPORTS, Export, ExportSample, write_samples_csv
from flawcast.flows.exports.frames import write_frames
from flawcast.flows.exports.objects import box_of


@EXPORTS.register("coco")
def coco(export: Export, folder: Path) -> None:
    """Write images/ID/000.png, annotations.json and samples.csv.

    A category is a label other than the normal one; an annotation is the drawn defect (or, where
    none is drawn, the part) in one frame of a defective sample. Frames without have none.
    """
    labels = sorted({row["label"] for row in export.rows} - {export.settings.normal})
    categories = {label: number for number, label in enumerate(labels, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    videos: list[dict[str, Any]] = []
    for sample in export.samples():
        write_frames(folder / "images" / sample.id, sample)
        videos.append({"id": len(videos) + 1, "name": sample.id, "label": sample.row["label"]})
        for number in range(len(sample.video)):
            images.append(_image(sample, number, len(images) + 1, len(videos)))
            category = categories.get(sample.row["label"])
            mask = None if sample.mask is None else sample.mask[number]
            if category is not None and mask is not None and mask.any():
                place = {"id": len(annotations) + 1, "image_id": len(images)}
                annotations.append({**place, "category_id": category, **_region(mask)})
    values = {
        "info": {"description": export.name, "version": "1"},
        "licenses": [{"id": 1, "name": export.settings.licence, "url": ""}],
        "videos": videos,
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }
    (folder / "annotations.json").write_text(json.dumps(values), encoding="utf-8")
    write_samples_csv(folder / "samples.csv", export.rows, lambda row: f"images/{row['sample_id']}")


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, list[int]]:
    """A mask (H, W) as COCO's run lengths: down the columns, beginning with pixels outside."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def _image(sample: ExportSample, number: int, image_id: int, video_id: int) -> dict[str, Any]:
    """One frame."""
    height, width = sample.video.shape[1:3]
    return {
        "id": image_id,
        "file_name": f"images/{sample.id}/{number:03d}.png",
        "width": width,
        "height": height,
        "license": 1,
        "video_id": video_id,
        "frame_id": number,
    }


def _region(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Run lengths, area and box of a mask."""
    return {
        "segmentation": run_lengths(mask),
        "area": int(mask.sum()),
        "bbox": list(box_of(mask)),
        "iscrowd": 0,
    }
