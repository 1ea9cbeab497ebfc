"""Folders of frames: lossless PNGs that every program reads."""

from pathlib import Path

import numpy as np

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    ExportSample,
    write_picture,
    write_samples_csv,
)


@EXPORTS.register("frames")
def frames(export: Export, folder: Path) -> None:
    """Write frames/LABEL/ID/000.png, masks/ID/000.png, valid/ID/000.png and samples.csv."""
    for sample in export.samples():
        write_frames(folder / "frames" / str(sample.row["label"]) / sample.id, sample)
        if sample.maps is not None and sample.valid is not None:
            for name, values in (("masks", sample.maps), ("valid", sample.valid * 255)):
                target = folder / name / sample.id
                target.mkdir(parents=True)
                for number, picture in enumerate(values.astype(np.uint8)):
                    write_picture(target / f"{number:03d}.png", picture)
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"frames/{row['label']}/{row['sample_id']}",
    )


def write_frames(folder: Path, sample: ExportSample) -> None:
    """Write a sample's frames into a new folder."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(sample.video):
        write_picture(folder / f"{number:03d}.png", picture)
