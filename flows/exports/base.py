"""What every export gets: samples one after the other, and a folder to fill."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT
from flawcast.configs.registry import Registry
from flawcast.configs.settings import Settings
from flawcast.generators.clips.video_files import write_video

COLUMNS = (  # of samples.csv
    "sample_id",
    "file",
    "label",
    "mae",
    "ssim",
    "diversity",
    "mode",
    "clip_name",
    "clip_id",
    "source_clip_name",
    "source_clip_id",
    "forecaster",
    "weights_id",
    "review",
)


class ExportSettings(Settings):
    """How samples are written.

    Args:
        lossless: Videos keep every bit (FFV1 in .mkv); else H.264 in .mp4, for the eye the same.
        normal: The label of videos without a defect.
        licence: What the data may be used for, for the card; the clips' licence counts.
        per_shard: Samples in a WebDataset shard.
        masks: Every sample must have masks; else those that are there are written.
    """

    lossless: bool = False
    normal: str = "normal"
    licence: str = "not stated"
    per_shard: int = 100
    masks: bool = False


@dataclass(frozen=True)
class ExportSample:
    """One sample.

    Args:
        row: All that the store knows of it.
        video: RGB, (F, H, W, 3).
        maps: Its masks as in `SampleSet`, (F, H, W); None without.
        valid: Where they can be relied on, (F, H, W); None without.
    """

    row: dict[str, Any]
    video: NDArray[np.uint8]
    maps: NDArray[np.uint8] | None = None
    valid: NDArray[np.bool_] | None = None

    @property
    def id(self) -> str:
        """Its id, which files are named after."""
        return str(self.row["sample_id"])

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Pixels of the drawn defect, or of the part where no defect is drawn; None without."""
        if self.maps is None or self.row["masks"] != "drawn":
            return None
        defect = self.maps >= DEFECT
        return defect if defect.any() else self.maps > 0


@dataclass(frozen=True)
class Export:
    """What an export is made of.

    Args:
        rows: The rows of all samples, in order.
        samples: Reads them one after the other; may be called again.
        settings: How they are written.
        name: The name of the data set.
        splits: "train", "val" or "test" by the samples' ids, for formats that have splits: a
            sample of a test clip is never in train.
    """

    rows: Sequence[dict[str, Any]]
    samples: Callable[[], Iterator[ExportSample]]
    settings: ExportSettings
    name: str
    splits: Mapping[str, str] = field(default_factory=dict)

    @property
    def defects(self) -> list[str]:
        """The labels of defects, sorted."""
        return sorted({str(row["label"]) for row in self.rows} - {self.settings.normal})

    def split(self, sample_id: str) -> str:
        """The split of a sample."""
        return self.splits.get(sample_id, "train")


Exporter = Callable[[Export, Path], None]
"""Takes the samples and an empty folder, and fills it."""

EXPORTS: Registry[Exporter] = Registry("format", "flawcast.flows.exports")


CARD_FIELDS: dict[str, Callable[[Export], Sequence[str]]] = {}
"""Lines that a format adds to the head of the data set's card."""


def write_samples_csv(
    path: Path, rows: Sequence[dict[str, Any]], file: Callable[[dict[str, Any]], str]
) -> None:
    """Write a table of the samples.

    Args:
        path: The file.
        rows: The rows of the samples.
        file: Names a sample's file or folder.
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = {**row, "file": file(row)}
            writer.writerow([values[name] for name in COLUMNS])


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a PNG: RGB (H, W, 3) or grey (H, W).

    Raises:
        OSError: If it cannot be written.
    """
    shown = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    coded, data = cv2.imencode(".png", shown)
    if not coded:
        raise OSError(f"{path.name}: cannot be encoded as PNG")
    path.write_bytes(data.tobytes())


def video_name(sample_id: str, settings: ExportSettings) -> str:
    """File name of a sample's video."""
    return f"{sample_id}{'.mkv' if settings.lossless else '.mp4'}"


def as_video(sample: ExportSample, settings: ExportSettings) -> ExportSample:
    """A sample as its video shows it.

    H.264 has even sizes only, so the last row or column of an odd size is repeated there, in the
    masks, too, where it is not valid. A lossless video has the sample's own size.
    """
    odd = tuple(extent % 2 for extent in sample.video.shape[1:3])
    if settings.lossless or odd == (0, 0):
        return sample
    edge = ((0, 0), (0, odd[0]), (0, odd[1]))
    maps, valid = sample.maps, sample.valid
    return replace(
        sample,
        video=np.pad(sample.video, (*edge, (0, 0)), "edge"),
        maps=None if maps is None else np.pad(maps, edge, "edge"),
        valid=None if valid is None else np.pad(valid, edge),
    )


def write_sample_video(folder: Path, sample: ExportSample, settings: ExportSettings) -> Path:
    """Write a sample's video, of an even size unless it is lossless: see `as_video`."""
    path = folder / video_name(sample.id, settings)
    write_video(path, as_video(sample, settings).video, sample.row["fps"] or 25.0)
    return path
