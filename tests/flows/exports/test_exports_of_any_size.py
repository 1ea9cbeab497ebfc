"""Exports of frames that are not square: whole pictures, aligned masks."""

import csv
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from flawcast.flows.exports.base import EXPORTS, ExportSettings
from flawcast.flows.exports.run import export
from flawcast.storage import SampleStore
from tests.flows.any_size import FUTURE, KEEP, ODD, TALL, store_of_sizes


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    return store_of_sizes(tmp_path_factory.mktemp("sizes") / "s", TALL, ODD, large=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    """The two that are not large."""
    return store_of_sizes(tmp_path_factory.mktemp("small") / "s", TALL, ODD)


def frames_of(path: Path, kind: str = "rgb24") -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format=kind) for frame in container.decode(video=0)])


@pytest.mark.parametrize("lossless", [False, True], ids=["h264", "ffv1"])
def test_videos_and_masks_of_any_size(store: SampleStore, tmp_path: Path, lossless: bool) -> None:
    export(store.url, "mp4", tmp_path / "out", settings=ExportSettings(lossless=lossless))
    rows = {row["sample_id"]: row for row in store.query(rows="samples").to_pylist()}
    with (tmp_path / "out" / "samples.csv").open() as stream:
        files = {row["sample_id"]: row["file"] for row in csv.DictReader(stream)}
    assert len(files) == 3 * KEEP
    for sample_id, name in files.items():
        row = rows[sample_id]
        stored = np.asarray(store.open_array(row["set_id"], "videos")[row["rank"]])
        levels = np.asarray(store.open_array(row["set_id"], "masks")[row["rank"]])
        video = frames_of(tmp_path / "out" / name)
        masks = frames_of(tmp_path / "out" / "masks" / f"{sample_id}.mkv", "gray")
        valid = frames_of(tmp_path / "out" / "valid" / f"{sample_id}.mkv", "gray")
        height, width = stored.shape[1:3]
        grown = (height, width) if lossless else (-(-height // 2) * 2, -(-width // 2) * 2)
        assert video.shape[1:3] == masks.shape[1:3] == valid.shape[1:3] == grown
        assert np.array_equal(masks[:, :height, :width], levels)
        assert not valid[:, :, width:].any()
        assert not valid[:, height:].any()
        away = np.abs(video[:, :height, :width].astype(int) - stored)
        assert away.max() == 0 if lossless else away.mean() < 6


def test_pictures_and_boxes_have_their_own_size(store: SampleStore, tmp_path: Path) -> None:
    export(store.url, "coco", tmp_path / "out")
    said = json.loads((tmp_path / "out" / "annotations.json").read_text())
    images = {image["id"]: image for image in said["images"]}
    assert len(images) == 2 * KEEP * FUTURE + KEEP * 5
    assert {(image["height"], image["width"]) for image in images.values()} > {TALL, ODD}
    for image in list(images.values())[::7]:
        picture = cv2.imread(str(tmp_path / "out" / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
    assert said["annotations"]
    for found in said["annotations"]:
        image = images[found["image_id"]]
        left, top, width, height = found["bbox"]
        assert 0 <= left < left + width <= image["width"]
        assert 0 <= top < top + height <= image["height"]
        assert found["segmentation"]["size"] == [image["height"], image["width"]]
        assert sum(found["segmentation"]["counts"]) == image["height"] * image["width"]


@pytest.mark.parametrize("kind", sorted({*EXPORTS.names()} - {"coco", "lerobot", "mp4"}))
def test_every_other_format_takes_any_size(small: SampleStore, tmp_path: Path, kind: str) -> None:
    done = export(small.url, kind, tmp_path / "out")
    assert done.samples == 2 * KEEP
    if kind == "anomalib":
        for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines():
            item = json.loads(line)
            video = frames_of(tmp_path / "out" / item["video_path"])
            if item["mask_path"]:
                assert np.load(tmp_path / "out" / item["mask_path"]).shape == video.shape[:3]
