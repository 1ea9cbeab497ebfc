"""anomalib's folder layout: frames in good/ and defect/, masks beside, and items for videos.

To be read with `Folder(root=..., normal_dir="good", abnormal_dir="defect", mask_dir="masks")`;
masks are written only if every defective sample has a drawn one: anomalib pairs them one to one.
`items.jsonl` has a line per video with the keys of anomalib's video items.
"""

import json
from pathlib import Path

import numpy as np

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    ExportSample,
    as_video,
    write_picture,
    write_sample_video,
    write_samples_csv,
)


@EXPORTS.register("anomalib")
def anomalib(export: Export, folder: Path) -> None:
    """Write good/, defect/, masks/, videos/, video_masks/ and items.jsonl."""
    normal = export.settings.normal
    defective = [row for row in export.rows if row["label"] != normal]
    with_masks = bool(defective) and all(row["masks"] == "drawn" for row in defective)
    for name in ("good", "defect", "videos", *(("masks", "video_masks") if with_masks else ())):
        (folder / name).mkdir()
    with (folder / "items.jsonl").open("w", encoding="utf-8") as items:
        for sample in export.samples():
            is_defect = sample.row["label"] != normal
            for number, picture in enumerate(sample.video):
                name = f"{sample.id}_{number:03d}.png"
                write_picture(folder / ("defect" if is_defect else "good") / name, picture)
            video = write_sample_video(folder / "videos", sample, export.settings)
            masks = None
            if is_defect and with_masks:
                masks = _write_masks(folder, sample, as_video(sample, export.settings))
            item = {
                "video_path": video.relative_to(folder).as_posix(),
                "mask_path": masks,
                "gt_label": int(is_defect),
                "target_frame": len(sample.video) - 1,
                "last_frame": len(sample.video) - 1,
                "frames": list(range(len(sample.video))),
                "label": sample.row["label"],
            }
            items.write(json.dumps(item) + "\n")
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"{'defect' if row['label'] != normal else 'good'}/{row['sample_id']}_000.png",
    )


def _write_masks(folder: Path, sample: ExportSample, shown: ExportSample) -> str:
    """Write a picture per frame, named as the frame, and one array for the video.

    Args:
        folder: Where to.
        sample: The sample, of the frames' size.
        shown: The same as its video shows it.
    """
    mask = np.zeros(sample.video.shape[:3], bool) if sample.mask is None else sample.mask
    for number, frame in enumerate(mask):
        grey = np.where(frame, 255, 0).astype(np.uint8)
        write_picture(folder / "masks" / f"{sample.id}_{number:03d}.png", grey)
    path = folder / "video_masks" / f"{sample.id}.npy"
    whole = np.zeros(shown.video.shape[:3], bool) if shown.mask is None else shown.mask
    np.save(path, whole.astype(np.uint8), allow_pickle=False)
    return path.relative_to(folder).as_posix()
