"""FiftyOne: videos with labels for each frame, loaded as a `FiftyOneVideoLabelsDataset`.

Reference:
    https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonevideolabelsdataset
"""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    ExportSample,
    as_video,
    video_name,
    write_sample_video,
    write_samples_csv,
)
from flawcast.flows.exports.objects import Mask, box_of, defect_masks


@EXPORTS.register("fiftyone")
def fiftyone(export: Export, folder: Path) -> None:
    """Write data/ID.mp4, labels/ID.json, manifest.json and samples.csv.

    A defect is one object through its frames: a label, a box, and the mask inside the box. Label
    and split are attributes of the video.
    """
    for name in ("data", "labels"):
        (folder / name).mkdir()
    index = []
    for sample in (as_video(sample, export.settings) for sample in export.samples()):
        video = write_sample_video(folder / "data", sample, export.settings)
        labels = folder / "labels" / f"{sample.id}.json"
        labels.write_text(json.dumps(_labels(sample, export)), encoding="utf-8")
        paths = {"data": video, "labels": labels}
        index.append({key: path.relative_to(folder).as_posix() for key, path in paths.items()})
    manifest = {
        "type": "eta.core.datasets.LabeledVideoDataset",
        "description": f"{export.name}: synthetic defect videos made by flawcast; see README.md",
        "index": index,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"data/{video_name(row['sample_id'], export.settings)}",
    )


def _labels(sample: ExportSample, export: Export) -> dict[str, Any]:
    """The labels of a video, frame by frame; frames count from 1."""
    masks = defect_masks(sample, export.settings.normal)
    frames = {}
    for number, mask in enumerate(() if masks is None else masks, start=1):
        if mask.any():
            found = _object(mask, sample.row["label"])
            frames[str(number)] = {"frame_number": number, "objects": {"objects": [found]}}
    said = {"label": sample.row["label"], "split": export.split(sample.id)}
    return {
        "_CLS": "eta.core.video.VideoLabels",
        "attrs": {"attrs": [_attribute(name, value) for name, value in said.items()]},
        "frames": frames,
    }


def _attribute(name: str, value: str) -> dict[str, str]:
    """An attribute of the video."""
    return {"type": "eta.core.data.CategoricalAttribute", "name": name, "value": value}


def _object(mask: Mask, label: str) -> dict[str, Any]:
    """A defect in one frame; the index says that it is the same one in all."""
    left, top, width, height = box_of(mask)
    rows, columns = mask.shape
    return {
        "type": "eta.core.objects.DetectedObject",
        "label": label,
        "bounding_box": {
            "top_left": {"x": left / columns, "y": top / rows},
            "bottom_right": {"x": (left + width) / columns, "y": (top + height) / rows},
        },
        "mask": _packed(mask[top : top + height, left : left + width]),
        "index": 1,
    }


def _packed(mask: Mask) -> str:
    """A mask as FiftyOne keeps arrays: NumPy's own format, compressed, in letters."""
    stream = io.BytesIO()
    np.save(stream, mask, allow_pickle=False)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode("ascii")
