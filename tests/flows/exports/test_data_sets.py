"""Round trips: annotations come in, a store is made of them, and data sets go out and are read.

A data set is read by its owner's library where that is installed, and always by a small reader that
follows the published format.
"""

import base64
import csv
import gc
import io
import json
import os
import subprocess
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import SettingsError, StoreError
from flawcast.flows.exports import ExportSettings, export
from flawcast.flows.exports.objects import box_of, outlines
from flawcast.generators.clips import read_clip, read_masks
from flawcast.generators.clips.annotations.importing import import_labels
from flawcast.generators.clips.listing import list_clips
from flawcast.storage import SampleSet, SampleStore
from tests.generators.clips.annotations import written
from tests.storage.examples import sample_set

LOSSLESS = ExportSettings(lossless=True)
NATIVE = ClipSettings(size=512, fit="keep")
KEEP = 2
EDGES = ("xtl", "ytl", "xbr", "ybr")
Videos = dict[str, NDArray[Any]]


def set_of_clip(folder: Path, seed: int, split: str = "train", **about: Any) -> SampleSet:
    """A set whose samples are an annotated clip, as flawcast reads it; the second is mirrored."""
    entry = list_clips(folder)[0]
    clip = read_clip(entry.path, NATIVE)
    masks = read_masks(entry, NATIVE, len(clip.frames))
    assert masks is not None
    videos, levels = (np.stack([values, values[:, :, ::-1]]) for values in (clip.frames, masks))
    base = sample_set(seed)
    about = {"label": entry.label, "clip_id": f"clip-{seed}", "clip_name": f"{seed}.mkv", **about}
    about |= {"source_clip_id": f"source-{seed}", "source_clip_name": f"s{seed}.mkv"}
    about |= {"settings": json.dumps({"masks": {"kind": "drawn", "id": "drawn-0"}})}
    return replace(
        base,
        videos=videos,
        masks=levels,
        valid=np.ones(levels.shape, bool),
        indices=[0, 1],
        mae=base.mae[:KEEP],
        ssim=base.ssim[:KEEP],
        diversity=base.diversity[:KEEP],
        keypoints=np.zeros((KEEP, written.FRAMES, 5), np.float32),
        past=clip.frames[:2],
        reference=clip.frames,
        source=clip.frames[0],
        provenance=replace(
            base.provenance, **about, split=split, keep=KEEP, samples=KEEP, future=written.FRAMES
        ),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    """An imported clip in train, val and test, and a good one; masks came from CVAT."""
    folder = tmp_path_factory.mktemp("round")
    written.write_clip(folder / "clips")
    file = written.cvat(folder / "annotations.xml")
    import_labels(file, folder / "clips", out=folder / "labelled")
    store = SampleStore.open(folder / "store", "a")
    for seed, split in enumerate(("train", "val", "test")):
        store.commit(set_of_clip(folder / "labelled", seed, split))
    good = set_of_clip(folder / "labelled", 3, label="normal")
    store.commit(replace(good, masks=np.zeros_like(good.masks)))
    return store


@pytest.fixture
def known(store: SampleStore) -> dict[str, dict[str, Any]]:
    """Row, video and true masks of every sample."""
    truth = written.true_masks()
    found = {}
    for row in store.query(rows="samples").to_pylist():
        video = store.load(row["set_id"]).videos[row["rank"]]
        masks = truth[:, :, ::-1] if row["rank"] else truth
        masks = masks if row["label"] == "crack" else np.zeros_like(truth)
        found[row["sample_id"]] = {**row, "video": video, "truth": masks}
    return found


def picture(path: Path) -> NDArray[np.uint8]:
    read = cv2.imread(str(path))
    assert read is not None
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def decoded(path: Path, form: str = "rgb24") -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format=form) for frame in container.decode(video=0)])


def splits_of(known: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["split"] for name, row in known.items()}


# YOLO ------------------------------------------------------------------------------------------


def yolo_mask(text: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask as Ultralytics fills one: fractions of pixels are cut off."""
    mask = np.zeros(size, np.uint8)
    for line in text.splitlines():
        points = np.array(line.split()[1:], np.float32).reshape(-1, 2) * [size[1], size[0]]
        assert len(points) >= 3
        cv2.fillPoly(mask, [points.astype(np.int32)], (1,))
    return mask > 0


def test_yolo_seg_has_the_masks(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    export(store.url, "yolo-seg", tmp_path / "out")
    said = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert said["names"] == {0: "crack"}
    seen: dict[str, str] = {}
    for split in ("train", "val", "test"):
        folder = tmp_path / "out" / said[split]
        for path in sorted(folder.iterdir()):
            name, number = path.stem.rsplit("_", 1)
            row = known[name]
            seen[name] = split
            text = (tmp_path / "out" / "labels" / split / f"{path.stem}.txt").read_text()
            truth = row["truth"][int(number)]
            assert np.array_equal(yolo_mask(text, truth.shape), truth)
            assert {line.split()[0] for line in text.splitlines()} <= {"0"}
            assert np.array_equal(picture(path), row["video"][int(number)])
    assert seen == splits_of(known)
    again = import_labels(tmp_path / "out", tmp_path / "out" / "images", out=tmp_path / "back")
    assert again.splits == {"test": 1, "train": 1, "val": 1}  # each folder is one clip of frames


@pytest.mark.filterwarnings("ignore")
def test_supervision_reads_yolo_seg(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    export(store.url, "yolo-seg", tmp_path / "out")
    read = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(tmp_path / "out" / "images" / "test"),
        annotations_directory_path=str(tmp_path / "out" / "labels" / "test"),
        data_yaml_path=str(tmp_path / "out" / "data.yaml"),
        force_masks=True,
    )
    assert read.classes == ["crack"]
    for path, found in read.annotations.items():
        name, number = Path(path).stem.rsplit("_", 1)
        truth = known[name]["truth"][int(number)]
        union = found.mask.any(axis=0) if len(found) else np.zeros_like(truth)
        assert np.array_equal(union, truth)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 4), st.integers(3, 60), st.integers(3, 60))
def test_an_outline_fills_to_the_same_pixels(
    seed: int, blur: float, height: int, width: int
) -> None:
    """Whatever the shape, with holes and specks: intersection over union is 1."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    mask = cv2.GaussianBlur(noise, (0, 0), blur) > 0
    filled = np.zeros(mask.shape, np.uint8)
    pieces = list(outlines(mask))
    for outline in pieces:
        cv2.fillPoly(filled, [outline], (1,))
    assert np.array_equal(filled > 0, mask)
    assert len(pieces) == cv2.connectedComponents(mask.astype(np.uint8))[0] - 1


def test_yolo_classes_are_folders(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """A frame in which the defect has not begun, or has gone, is normal."""
    export(store.url, "yolo-cls", tmp_path / "out")
    seen = 0
    for split in ("train", "val", "test"):
        labels = sorted(path.name for path in (tmp_path / "out" / split).iterdir())
        assert labels == ["crack", "normal"]
        for path in (tmp_path / "out" / split).glob("*/*.png"):
            name, number = path.stem.rsplit("_", 1)
            row = known[name]
            assert row["split"] == split
            marked = row["truth"][int(number)].any()
            assert path.parent.name == ("crack" if marked else "normal")
            seen += 1
    assert seen == len(known) * written.FRAMES


# CVAT ------------------------------------------------------------------------------------------


def test_cvat_has_masks_and_a_track_of_boxes(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    export(store.url, "cvat", tmp_path / "out", settings=LOSSLESS)
    for name, row in known.items():
        root = ElementTree.parse(tmp_path / "out" / "annotations" / f"{name}.xml").getroot()  # noqa: S314
        source = root.findtext("meta/task/source")
        assert np.array_equal(decoded(tmp_path / "out" / "videos" / str(source)), row["video"])
        assert root.findtext("meta/task/subset", "").lower().startswith(row["split"])
        masks = np.zeros_like(row["truth"])
        for item in root.iter("mask"):
            if item.get("outside") == "0":
                left, top, width, height = (
                    int(item.attrib[side]) for side in ("left", "top", "width", "height")
                )
                runs = [int(run) for run in item.attrib["rle"].split(",")]
                flat = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
                masks[int(item.attrib["frame"]), top : top + height, left : left + width] = flat
        assert np.array_equal(masks, row["truth"])
        boxes = {
            int(item.attrib["frame"]): [float(item.attrib[side]) for side in EDGES]
            for item in root.iter("box")
            if item.get("outside") == "0"
        }
        for number, mask in enumerate(row["truth"]):
            assert (number in boxes) == mask.any()
            if mask.any():
                left, top, width, height = box_of(mask)
                assert boxes[number] == [left, top, left + width, top + height]


def test_what_cvat_gets_comes_back(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Boxes of the group of a mask are not drawn over it."""
    out = tmp_path / "out"
    export(store.url, "cvat", out, settings=LOSSLESS)
    import_labels(out / "annotations", out / "videos", out=tmp_path / "back")
    entries = list_clips(tmp_path / "back")
    assert len(entries) == len(known)
    for entry in entries:
        row = known[entry.path.stem]
        assert (entry.label, entry.onset) == (row["label"], 1 if row["label"] == "crack" else None)
        masks = read_masks(entry, NATIVE, written.FRAMES)
        assert masks is not None
        assert np.array_equal(masks == 255, row["truth"])


# FiftyOne --------------------------------------------------------------------------------------


def test_fiftyone_has_labels_of_frames(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(store.url, "fiftyone", out, settings=LOSSLESS)
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["index"]) == len(known)
    for item in manifest["index"]:
        row = known[Path(item["data"]).stem]
        assert np.array_equal(decoded(out / item["data"]), row["video"])
        labels = json.loads((out / item["labels"]).read_text())
        said = {one["name"]: one["value"] for one in labels["attrs"]["attrs"]}
        assert said == {"label": row["label"], "split": row["split"]}
        masks = np.zeros_like(row["truth"])
        for number, frame in labels["frames"].items():
            (found,) = frame["objects"]["objects"]
            assert (found["label"], found["index"]) == ("crack", 1)
            corner = found["bounding_box"]["top_left"]
            left, top = round(corner["x"] * written.WIDTH), round(corner["y"] * written.HEIGHT)
            data = zlib.decompress(base64.b64decode(found["mask"]))
            piece = np.load(io.BytesIO(data), allow_pickle=False)
            height, width = piece.shape
            masks[int(number) - 1, top : top + height, left : left + width] = piece
        assert np.array_equal(masks, row["truth"])


READ_BY_FIFTYONE = """
import json, sys
from pathlib import Path
import fiftyone.utils.cvat as cvat, fiftyone.utils.data as data, fiftyone.utils.lerobot as lerobot
kind, out = sys.argv[1:]
if kind == "fiftyone":
    importer = data.FiftyOneVideoLabelsDatasetImporter(dataset_dir=out)
elif kind == "cvat":
    importer = cvat.CVATVideoDatasetImporter(
        data_path=out + "/videos", labels_path=out + "/annotations"
    )
else:
    importer = lerobot.LeRobotDatasetImporter(dataset_dir=out)
importer.setup()
found = []
for item in importer:
    if kind == "lerobot":
        found.append({"task": item["task"], "length": item["length"]})
        continue
    path, _, label, frames = item
    found.append({
        "name": Path(path).stem,
        "label": label["label"].label if label else None,
        "frames": {
            number: [
                [one.label, one.bounding_box, None if one.mask is None else one.mask.tolist()]
                for one in frame["detections"].detections
            ]
            for number, frame in (frames or {}).items()
        },
    })
print("FOUND" + json.dumps(found))
"""


@pytest.mark.parametrize("kind", ["fiftyone", "cvat", "lerobot"])
def test_fiftyone_reads(
    kind: str, store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Its importers alone: a data set of FiftyOne needs MongoDB.

    It cannot be installed beside Prefect (graphql-core), so FIFTYONE_PYTHON names the Python of an
    environment with fiftyone and pyarrow. It reads LeRobot's format, too, whose own package wants
    an older torch.
    """
    python = os.environ.get("FIFTYONE_PYTHON")
    if not python:
        pytest.skip("FIFTYONE_PYTHON names no environment with FiftyOne")
    export(store.url, kind, tmp_path / "out")
    asked = [python, "-c", READ_BY_FIFTYONE, kind, str(tmp_path / "out")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.split("FOUND")[1])
    assert len(found) == len(known)
    if kind == "lerobot":
        assert sorted(one["task"] for one in found) == sorted(
            row["label"] for row in known.values()
        )
        assert {one["length"] for one in found} == {written.FRAMES}
        return
    for one in found:
        row = known[one["name"]]
        assert one["label"] == (row["label"] if kind == "fiftyone" else None)
        marked = {number for number, mask in enumerate(row["truth"], start=1) if mask.any()}
        assert {int(number) for number in one["frames"]} == marked
        for number, objects in one["frames"].items():
            mask = row["truth"][int(number) - 1]
            ((label, place, piece),) = objects
            left, top, width, height = box_of(mask)
            assert label == "crack"
            assert place == pytest.approx([left / 40, top / 24, width / 40, height / 24])
            if kind == "fiftyone":
                assert np.array_equal(piece, mask[top : top + height, left : left + width])


# Hugging Face ----------------------------------------------------------------------------------


def test_videofolder_has_a_table_for_each_split(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(store.url, "videofolder", out, settings=LOSSLESS)
    seen = {}
    for split, folder in (("train", "train"), ("val", "validation"), ("test", "test")):
        with (out / folder / "metadata.csv").open() as stream:
            for line in csv.DictReader(stream):
                row = known[line["sample_id"]]
                seen[line["sample_id"]] = split
                assert line["label"] == row["label"]
                assert np.array_equal(decoded(out / folder / line["file_name"]), row["video"])
                assert np.array_equal(
                    decoded(out / line["mask_video"], "gray") == 255, row["truth"]
                )
                boxes = [list(box_of(mask)) if mask.any() else None for mask in row["truth"]]
                assert json.loads(line["boxes"]) == boxes
    assert seen == splits_of(known)
    head = yaml.safe_load((out / "README.md").read_text().split("---")[1])
    (config,) = head["configs"]
    assert [item["split"] for item in config["data_files"]] == ["train", "validation", "test"]


@pytest.mark.filterwarnings("ignore")
def test_datasets_loads_the_videofolder(
    store: SampleStore,
    known: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    export(store.url, "videofolder", tmp_path / "out", settings=LOSSLESS)
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in read.items()} == {
        "train": 4, "validation": 2, "test": 2,
    }  # fmt: skip
    for split, rows in read.items():
        for item in rows.cast_column("video", datasets.Video(decode=False)):
            row = known[item["sample_id"]]
            assert split.startswith(row["split"])
            assert item["label"] == row["label"]
            assert np.array_equal(decoded(Path(item["video"]["path"])), row["video"])
    del read, rows, item
    gc.collect()  # it leaves a file open; its warning is to come here, where it is ignored


# LeRobot ---------------------------------------------------------------------------------------


def test_lerobot_is_laid_out_as_version_3(
    store: SampleStore, known: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The keys that LeRobot 0.4 reads: `meta/info.json`, tasks, episodes, frames and videos."""
    out = tmp_path / "out"
    export(store.url, "lerobot", out)
    info = json.loads((out / "meta" / "info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"]) == (8, 40)
    assert info["splits"] == {"train": "0:4", "val": "4:6", "test": "6:8"}
    frames = pq.read_table(out / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(frames.column_names) == {
        key for key, about in info["features"].items() if about["dtype"] != "video"
    }
    episodes = pq.read_table(out / "meta" / "episodes").to_pylist()
    tasks = pq.read_table(out / "meta" / "tasks.parquet").to_pylist()
    files = {
        key: decoded(out / info["video_path"].format(video_key=key, chunk_index=0, file_index=0))
        for key in ("observation.images.view", "observation.images.mask")
    }
    for episode in episodes:
        row = known[episode["sample_id"]]
        assert episode["tasks"] == [row["label"]]
        begin, end = episode["dataset_from_index"], episode["dataset_to_index"]
        start, stop = (
            round(episode[f"videos/observation.images.mask/{side}_timestamp"] * info["fps"])
            for side in ("from", "to")
        )
        masks = files["observation.images.mask"][start:stop]
        assert np.array_equal(masks[..., 0] > 127, row["truth"])
        assert set(np.unique(masks)) <= {0, 255}
        away = np.abs(files["observation.images.view"][start:stop].astype(int) - row["video"])
        assert away.mean() < 6
        for number, mask in enumerate(row["truth"]):
            frame = frames.slice(begin + number, 1).to_pylist()[0]
            assert frame["index"] == begin + number
            assert frame["frame_index"] == number
            assert frame["timestamp"] == pytest.approx(number / info["fps"])
            assert tasks[frame["task_index"]]["task"] == row["label"]
            box = list(box_of(mask)) if mask.any() else [0, 0, 0, 0]
            assert frame["observation.box"] == box
        assert end - begin == episode["length"] == written.FRAMES
    for one, following in pairwise(episodes):
        assert one["dataset_to_index"] == following["dataset_from_index"]
    stats = json.loads((out / "meta" / "stats.json").read_text())
    boxes = np.array(frames.column("observation.box").to_pylist())
    assert stats["observation.box"]["mean"] == pytest.approx(boxes.mean(axis=0).tolist())
    assert stats["observation.box"]["std"] == pytest.approx(boxes.std(axis=0).tolist())
    assert np.shape(stats["observation.images.view"]["mean"]) == (3, 1, 1)


def test_pandas_looks_tasks_up(store: SampleStore, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    export(store.url, "lerobot", tmp_path / "out")
    tasks = pandas.read_parquet(tmp_path / "out" / "meta" / "tasks.parquet")
    assert tasks.loc["crack"].task_index == 0
    assert tasks.iloc[1].name == "normal"


def test_lerobot_wants_one_size_and_one_rate(store: SampleStore, tmp_path: Path) -> None:
    mixed = SampleStore.open(tmp_path / "mixed", "a")
    mixed.commit(sample_set(1))
    mixed.commit(sample_set(4, fps=25.0))
    with pytest.raises(StoreError, match=r"samples of one rate, got 12\.5, 25 frames/s"):
        export(mixed.url, "lerobot", tmp_path / "out")
    sizes = SampleStore.open(tmp_path / "sizes", "a")
    sizes.commit(sample_set(1))
    sizes.commit(store_set_of_another_size())
    with pytest.raises(StoreError, match="samples of one size, got 10x8 and 12x8"):
        export(sizes.url, "lerobot", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def store_set_of_another_size() -> SampleSet:
    """A set two columns wider."""
    base = sample_set(4)
    wider = {
        name: np.concatenate([getattr(base, name), getattr(base, name)[..., :2, :]], axis=-2)
        for name in ("videos", "past", "reference", "source")
    }
    return replace(base, **wider)


# Splits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["yolo-seg", "yolo-cls", "videofolder", "lerobot", "cvat"])
def test_a_sample_of_a_test_clip_is_never_in_train(kind: str, tmp_path: Path) -> None:
    """It has a train clip's motion; its looks are those of a clip that is elsewhere for testing."""
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(1, clip_id="clip-x", clip_name="x", source_clip_id="clip-y"))
    store.commit(sample_set(4, clip_id="clip-y", clip_name="y", split="test"))
    store.commit(sample_set(7, clip_id="clip-z", clip_name="z", source_clip_id="clip-z"))
    out = tmp_path / "out"
    export(store.url, kind, out)
    rows = {row["sample_id"]: row for row in store.query(rows="samples").to_pylist()}
    clean = {name for name, row in rows.items() if row["clip_id"] == "clip-z"}
    if kind == "lerobot":
        said = json.loads((out / "meta" / "info.json").read_text())["splits"]
        assert said == {"train": "0:3", "test": "3:9"}
        episodes = pq.read_table(out / "meta" / "episodes").to_pylist()
        assert {episode["sample_id"] for episode in episodes[:3]} == clean
        return
    if kind == "cvat":
        subsets = {path.stem: "<subset>Train" in path.read_text()
                   for path in (out / "annotations").iterdir()}  # fmt: skip
        assert {name for name, is_train in subsets.items() if is_train} == clean
        return
    train = [path for path in out.rglob("*") if path.is_file() and "train" in path.parts]
    named = {name for name in rows for path in train if path.name.startswith(name)}
    assert named == clean


def test_a_wrong_label_of_good_videos_is_refused(store: SampleStore, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="normal: expected one of the labels crack, normal"):
        export(store.url, "yolo-seg", tmp_path / "out", settings=ExportSettings(normal="fine"))
