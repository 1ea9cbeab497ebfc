"""YOLO classification: a folder of frames for each split and label.

Reference:
    https://docs.ultralytics.com/datasets/classify/
"""

from pathlib import Path

from flawcast.flows.exports.base import EXPORTS, Export, write_picture, write_samples_csv
from flawcast.flows.exports.objects import frame_label


@EXPORTS.register("yolo-cls")
def yolo_cls(export: Export, folder: Path) -> None:
    """Write SPLIT/LABEL/ID_000.png and samples.csv; every split has all labels.

    A frame before a drawn defect begins is one of the normal label.
    """
    normal = export.settings.normal
    labels = {str(row["label"]) for row in export.rows}
    first: dict[str, str] = {}
    for sample in export.samples():
        split = export.split(sample.id)
        for number, picture in enumerate(sample.video):
            label = frame_label(sample, number, normal)
            labels.add(label)
            path = folder / split / label / f"{sample.id}_{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, picture)
            first.setdefault(sample.id, path.relative_to(folder).as_posix())
    for split in {export.split(row["sample_id"]) for row in export.rows}:
        for label in labels:  # a class is a number of the sorted names: the same in all splits
            (folder / split / label).mkdir(exist_ok=True)
    write_samples_csv(folder / "samples.csv", export.rows, lambda row: first[row["sample_id"]])
