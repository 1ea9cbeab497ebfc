"""YOLO-seg: frames with a text file each, in which a line is a class and an outline.

Reference:
    https://docs.ultralytics.com/datasets/segment/
"""

from pathlib import Path

import numpy as np
import yaml

from flawcast.flows.exports.base import EXPORTS, Export, write_picture, write_samples_csv
from flawcast.flows.exports.objects import Mask, defect_masks, outlines

INTO = 0.25  # of a pixel


@EXPORTS.register("yolo-seg")
def yolo_seg(export: Export, folder: Path) -> None:
    """Write images/SPLIT/ID_000.png, labels/SPLIT/ID_000.txt, data.yaml and samples.csv.

    A class is a label other than the normal one. A frame without a defect has an empty text file.
    """
    classes = {label: number for number, label in enumerate(export.defects)}
    splits = sorted({"train", *(export.split(row["sample_id"]) for row in export.rows)})
    for split in splits:
        for name in ("images", "labels"):
            (folder / name / split).mkdir(parents=True)
    for sample in export.samples():
        split = export.split(sample.id)
        masks = defect_masks(sample, export.settings.normal)
        for number, picture in enumerate(sample.video):
            name = f"{sample.id}_{number:03d}"
            write_picture(folder / "images" / split / f"{name}.png", picture)
            lines = [] if masks is None else _lines(masks[number], classes[sample.row["label"]])
            (folder / "labels" / split / f"{name}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text(_description(splits, export.defects), encoding="utf-8")
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"images/{export.split(row['sample_id'])}/{row['sample_id']}_000.png",
    )


def _lines(mask: Mask, number: int) -> list[str]:
    """A line for each connected piece of a mask: the class, and corners in shares of the size.

    A corner is a quarter of a pixel into its pixel, so that readers that cut the fraction off and
    those that round it get the same pixel.
    """
    size = np.array([mask.shape[1], mask.shape[0]])
    found = []
    for outline in outlines(mask):
        shares = ((outline + INTO) / size).ravel()
        found.append(" ".join([str(number), *(f"{share:.6f}" for share in shares)]) + "\n")
    return found


def _description(splits: list[str], classes: list[str]) -> str:
    """The file that names splits and classes; without `path`, they lie beside it."""
    lines = [f"{split}: images/{split}\n" for split in splits]
    if "val" not in splits:
        lines.append("val: images/train  # no sample is for validation: name real pictures here\n")
    return "".join(lines) + yaml.safe_dump({"names": dict(enumerate(classes))}, allow_unicode=True)
