"""Videos: H.264 in mp4, or lossless FFV1 in mkv, with masks as lossless grey videos."""

from pathlib import Path

import numpy as np

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    as_video,
    video_name,
    write_sample_video,
    write_samples_csv,
)
from flawcast.generators.clips.video_files import write_ffv1


@EXPORTS.register("mp4")
def mp4(export: Export, folder: Path) -> None:
    """Write videos/LABEL/ID.mp4, masks/ID.mkv, valid/ID.mkv and samples.csv."""
    for sample in (as_video(sample, export.settings) for sample in export.samples()):
        target = folder / "videos" / str(sample.row["label"])
        target.mkdir(parents=True, exist_ok=True)
        write_sample_video(target, sample, export.settings)
        if sample.maps is not None and sample.valid is not None:
            grey = {"masks": sample.maps, "valid": np.where(sample.valid, 255, 0).astype(np.uint8)}
            for name, values in grey.items():
                (folder / name).mkdir(exist_ok=True)
                write_ffv1(folder / name / f"{sample.id}.mkv", values, sample.row["fps"] or 25.0)
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"videos/{row['label']}/{video_name(row['sample_id'], export.settings)}",
    )
