"""LeRobot v3: an episode for each sample, videos of many episodes in a file, tables of frames.

Reference:
    https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.flows.exports.base import EXPORTS, Export, ExportSample, as_video, write_samples_csv
from flawcast.flows.exports.episode_videos import EpisodeVideos, Place
from flawcast.flows.exports.lerobot_stats import Stats
from flawcast.flows.exports.objects import Mask, box_of, defect_masks

VERSION = "v3.0"
VIEW, MASK, BOX = "observation.images.view", "observation.images.mask", "observation.box"
CHUNK_FILES, DATA_MB, VIDEO_MB = 1000, 100, 200  # LeRobot's own defaults
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FIRST = {"chunk_index": 0, "file_index": 0}
COUNTERS = ("frame_index", "episode_index", "index", "task_index")


@dataclass
class _Tables:
    """Rows of frames and of episodes, and what they are made of, as they come."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    episodes: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)


@EXPORTS.register("lerobot")
def lerobot(export: Export, folder: Path) -> None:
    """Write meta/, data/ and videos/ as LeRobot v3 has them, and samples.csv.

    A sample is an episode whose task is its label. A frame has a view, the box of its defect (left,
    top, width, height in pixels; zeros without), and, if every defect is drawn, a mask. Episodes
    are in the order of their splits, which are ranges of them.

    Raises:
        StoreError: If the samples are of several sizes or rates: LeRobot has one of each.
    """
    rates = sorted({row["fps"] or 25.0 for row in export.rows})
    if len(rates) > 1:
        found = ", ".join(f"{rate:g}" for rate in rates)
        raise StoreError(
            f"lerobot: expected samples of one rate, got {found} frames/s; choose one: "
            '--where "fps = ..."'
        )
    defective = [row for row in export.rows if row["label"] != export.settings.normal]
    with_masks = bool(defective) and all(row["masks"] == "drawn" for row in defective)
    tables, keys = _Tables(), (VIEW, MASK) if with_masks else (VIEW,)
    size: tuple[int, int] = (0, 0)
    with EpisodeVideos(folder, VIDEO, rates[0], VIDEO_MB, CHUNK_FILES) as videos:
        for sample in (as_video(sample, export.settings) for sample in export.samples()):
            own = sample.video.shape[1], sample.video.shape[2]
            if tables.frames and own != size:
                raise StoreError(
                    f"lerobot: expected samples of one size, got {size[1]}x{size[0]} and "
                    f"{own[1]}x{own[0]}; make them with one --size, or choose: --where"
                )
            size = own
            _add_episode(tables, videos, sample, export.settings.normal, keys, rates[0])
    _write_tables(folder, tables)
    info = _info(export, tables, keys, size, rates[0])
    (folder / "meta" / "info.json").write_text(json.dumps(info, indent=4), encoding="utf-8")
    stats = json.dumps(tables.stats.whole(), indent=4)
    (folder / "meta" / "stats.json").write_text(stats, encoding="utf-8")
    write_samples_csv(folder / "samples.csv", export.rows, lambda row: "meta/episodes")


def _add_episode(
    tables: _Tables,
    videos: EpisodeVideos,
    sample: ExportSample,
    normal: str,
    keys: tuple[str, ...],
    fps: float,
) -> None:
    """Add one sample to the videos and to the tables."""
    masks = defect_masks(sample, normal)
    masks = np.zeros(sample.video.shape[:3], bool) if masks is None else masks
    grey = np.where(masks, 255, 0).astype(np.uint8)
    pictures = {VIEW: sample.video, MASK: np.repeat(grey[..., None], 3, axis=-1)}
    places = videos.add({key: pictures[key] for key in keys})
    task = str(sample.row["label"])
    if task not in tables.tasks:
        tables.tasks.append(task)
    begin, episode = len(tables.frames), len(tables.episodes)
    frames = [
        {
            BOX: box,
            "timestamp": number / fps,
            "frame_index": number,
            "episode_index": episode,
            "index": begin + number,
            "task_index": tables.tasks.index(task),
        }
        for number, box in enumerate(_boxes(masks))
    ]
    stats = tables.stats.add({**{key: pictures[key] for key in keys}, **_columns(frames)})
    tables.frames += frames
    tables.episodes.append(
        {
            "episode_index": episode,
            "tasks": [task],
            "length": len(frames),
            "dataset_from_index": begin,
            "dataset_to_index": begin + len(frames),
            **{f"data/{name}": value for name, value in FIRST.items()},
            **{f"meta/episodes/{name}": value for name, value in FIRST.items()},
            **_of_videos(places),
            **stats,
            "sample_id": sample.id,
        }
    )


def _of_videos(places: dict[str, Place]) -> dict[str, float | int]:
    """Where in the files an episode's videos are."""
    found: dict[str, float | int] = {}
    for key, place in places.items():
        found |= {
            f"videos/{key}/chunk_index": place.chunk,
            f"videos/{key}/file_index": place.file,
            f"videos/{key}/from_timestamp": place.begin,
            f"videos/{key}/to_timestamp": place.end,
        }
    return found


def _boxes(masks: Mask) -> Iterator[list[float]]:
    """The box of each frame."""
    for mask in masks:
        yield [float(value) for value in box_of(mask)] if mask.any() else [0.0] * 4


def _columns(frames: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """Values of each column of an episode, (F, ...)."""
    columns = {}
    for name in frames[0]:
        values = np.array([frame[name] for frame in frames])
        columns[name] = values if values.ndim > 1 else values[:, None]
    return columns


def _write_tables(folder: Path, tables: _Tables) -> None:
    """Write the tables of frames, episodes and tasks."""
    schema = pa.schema(
        [
            (BOX, pa.list_(pa.float32(), 4)),
            ("timestamp", pa.float32()),
            *((name, pa.int64()) for name in COUNTERS),
        ]
    )
    _write(folder / DATA.format(**FIRST), pa.Table.from_pylist(tables.frames, schema))
    episodes = folder / "meta/episodes" / DATA.format(**FIRST).removeprefix("data/")
    _write(episodes, pa.Table.from_pylist(tables.episodes))
    index = {"pandas": json.dumps(_pandas_index())}  # LeRobot looks tasks up by pandas' index
    names = pa.table({"task_index": range(len(tables.tasks)), "task": tables.tasks})
    _write(folder / "meta/tasks.parquet", names.replace_schema_metadata(index))


def _pandas_index() -> dict[str, Any]:
    """What tells pandas that the column `task` is the index."""
    kinds = (("task_index", "int64"), ("task", "unicode"))
    columns = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": "int64" if kind == "int64" else "object",
            "metadata": None,
        }
        for name, kind in kinds
    ]
    return {"index_columns": ["task"], "column_indexes": [], "columns": columns}


def _write(path: Path, table: pa.Table) -> None:
    """Write a table into a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _info(
    export: Export, tables: _Tables, keys: tuple[str, ...], size: tuple[int, int], fps: float
) -> dict[str, Any]:
    """What LeRobot reads first."""
    rate = int(fps) if float(fps).is_integer() else fps
    video = {
        "video.height": size[0],
        "video.width": size[1],
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "video.fps": rate,
        "video.channels": 3,
        "has_audio": False,
    }
    names = ["height", "width", "channels"]
    features: dict[str, Any] = {
        key: {"dtype": "video", "shape": [*size, 3], "names": names, "info": video} for key in keys
    }
    sides = ["left", "top", "width", "height"]
    features[BOX] = {"dtype": "float32", "shape": [4], "names": sides}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    features |= {name: {"dtype": "int64", "shape": [1], "names": None} for name in COUNTERS}
    return {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": len(tables.episodes),
        "total_frames": len(tables.frames),
        "total_tasks": len(tables.tasks),
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": rate,
        "splits": _ranges(export),
        "data_path": DATA,
        "video_path": VIDEO,
        "features": features,
    }


def _ranges(export: Export) -> dict[str, str]:
    """The episodes of each split, which follow one another."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(export.rows):
        found.setdefault(export.split(row["sample_id"]), []).append(number)
    return {split: f"{members[0]}:{members[-1] + 1}" for split, members in found.items()}
