"""WebDataset shards: tar files in which a sample's files share its id."""

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    ExportSample,
    ExportSettings,
    as_video,
    write_sample_video,
)


@EXPORTS.register("webdataset")
def webdataset(export: Export, folder: Path) -> None:
    """Write shard-000000.tar and so on, and classes.json.

    A sample is ID.mp4 (or ID.mkv), ID.cls (index into classes.json), ID.json (its row), and, with
    masks, ID.masks.npy and ID.valid.npy. Equal samples give equal bytes.
    """
    classes = sorted({row["label"] for row in export.rows})
    (folder / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
    samples, size = export.samples(), export.settings.per_shard
    for number in range(-(-len(export.rows) // size)):
        with tarfile.open(folder / f"shard-{number:06d}.tar", "w") as tar:
            for sample in islice(samples, size):
                for name, data in _files(sample, classes, export.settings):
                    entry = tarfile.TarInfo(f"{sample.id}.{name}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))


def _files(
    sample: ExportSample, classes: list[str], settings: ExportSettings
) -> Iterator[tuple[str, bytes]]:
    """Suffix and bytes of each of a sample's files."""
    with tempfile.TemporaryDirectory() as draft:
        sample = as_video(sample, settings)
        video = write_sample_video(Path(draft), sample, settings)
        yield video.suffix[1:], video.read_bytes()
    yield "cls", str(classes.index(sample.row["label"])).encode()
    yield "json", json.dumps(sample.row, default=str, sort_keys=True).encode()
    if sample.maps is not None and sample.valid is not None:
        yield "masks.npy", _npy(sample.maps)
        yield "valid.npy", _npy(sample.valid.astype(np.uint8))


def _npy(values: NDArray[np.uint8]) -> bytes:
    """An array as NumPy's own format."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
