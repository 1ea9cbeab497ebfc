"""Exports: what is written is what the store holds, read back by whoever owns the format."""

import csv
import gc
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, StoreError
from flawcast.flows.exports import EXPORTS, ExportSettings, export
from flawcast.flows.exports.coco import run_lengths
from flawcast.storage import SampleSet, SampleStore
from tests.storage.examples import sample_set

FLAWCAST = Path(sys.executable).with_name("flawcast")
LOSSLESS = ExportSettings(lossless=True)


def masked(seed: int) -> SampleSet:
    """A set with masks: a part with a defect in it."""
    maps = np.zeros((3, 4, 8, 10), np.uint8)
    maps[:, :, 2:7, 1 : 5 + seed] = 128
    maps[:, 1:, 3:5, 2:4] = 255
    about = json.dumps({"masks": {"kind": "drawn", "id": "drawn-0"}})
    return sample_set(seed, settings=about, masks=maps, valid=np.ones(maps.shape, bool))


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """Two sets with masks: jam and normal."""
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(2):
        store.commit(masked(seed))
    return store


def stored(store: SampleStore) -> dict[str, tuple[dict[str, Any], NDArray[np.uint8]]]:
    """Row and video of every sample."""
    rows = store.query(rows="samples").to_pylist()
    videos = {set_id: store.load(set_id).videos for set_id in store.set_ids()}
    return {row["sample_id"]: (row, videos[row["set_id"]][row["rank"]]) for row in rows}


def picture(path: Path) -> NDArray[np.uint8]:
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read is not None
    colour = read.ndim == 3
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB) if colour else read, np.uint8)


def decoded(path: Path, form: str = "rgb24") -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format=form) for frame in container.decode(video=0)])


def test_every_format_has_a_card_and_leaves_no_draft(store: SampleStore, tmp_path: Path) -> None:
    assert EXPORTS.names() == [
        "anomalib", "coco", "croissant", "cvat", "fiftyone", "frames", "lerobot", "mp4",
        "videofolder", "webdataset", "yolo-cls", "yolo-seg",
    ]  # fmt: skip
    for kind in EXPORTS.names():
        done = export(store.url, kind, tmp_path / kind, settings=ExportSettings(licence="CC0-1.0"))
        assert done.samples == 6
        card = (tmp_path / kind / "README.md").read_text()
        for part in ("license: CC0-1.0", "| jam | 3 |", "weights-0", "drawn: 6 videos", "run-0"):
            assert part in card
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_masks_can_be_asked_for(store: SampleStore, tmp_path: Path) -> None:
    wanted = ExportSettings(masks=True)
    assert export(store.url, "frames", tmp_path / "with", settings=wanted).samples == 6
    store.commit(sample_set(2))
    with pytest.raises(StoreError, match="masks: 3 of 9 samples have none"):
        export(store.url, "frames", tmp_path / "without", settings=wanted)
    assert not (tmp_path / "without").exists()


@pytest.mark.parametrize("kind", ["frames", "webdataset", "croissant"])
def test_labels_may_be_whatever_a_folder_is_called(kind: str, tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    for seed, label in enumerate(("crack (deep)", "+chip | edge", "O-ring & seal")):
        store.commit(sample_set(seed, label=label))
    export(store.url, kind, tmp_path / "out", settings=LOSSLESS)
    assert "| +chip \\| edge | 3 |" in (tmp_path / "out" / "README.md").read_text()
    store.commit(sample_set(9, label="../up"))
    with pytest.raises(SettingsError, match="cannot be the name of a folder"):
        export(store.url, kind, tmp_path / "more")


def test_nothing_is_overwritten_or_half_written(store: SampleStore, tmp_path: Path) -> None:
    export(store.url, "frames", tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingsError, match="expected a folder that does not exist yet"):
        export(store.url, "frames", tmp_path / "out")
    with pytest.raises(StoreError, match="no sample"):
        export(store.url, "frames", tmp_path / "none", "mae > 9")
    with pytest.raises(SettingsError, match="expected one of anomalib, coco"):
        export(store.url, "zip", tmp_path / "none")
    assert sorted(tmp_path.rglob("*")) == before
    folder = next((store.root / "arrays").glob("*"))  # type: ignore[operator]
    next((folder / "videos").glob("c*")).unlink()
    with pytest.raises(StoreError, match="the bytes are not those that were written"):
        export(store.url, "frames", tmp_path / "damaged")
    assert not [path for path in tmp_path.iterdir() if "damaged" in path.name]


def test_lossless_videos_are_the_stored_ones(store: SampleStore, tmp_path: Path) -> None:
    export(store.url, "mp4", tmp_path / "out", settings=LOSSLESS)
    with (tmp_path / "out" / "samples.csv").open() as stream:
        table = list(csv.DictReader(stream))
    known = stored(store)
    assert {row["sample_id"] for row in table} == set(known)
    for row in table:
        about, video = known[row["sample_id"]]
        assert np.array_equal(decoded(tmp_path / "out" / row["file"]), video)
        grey = decoded(tmp_path / "out" / "masks" / f"{row['sample_id']}.mkv", "gray")
        maps = masked(about["seed"]).masks
        assert maps is not None
        assert np.array_equal(grey, maps[about["rank"]])


def test_h264_is_what_players_expect(store: SampleStore, tmp_path: Path) -> None:
    export(store.url, "mp4", tmp_path / "out", "label = 'jam'")
    paths = sorted((tmp_path / "out" / "videos" / "jam").glob("*.mp4"))
    assert len(paths) == 3
    with av.open(str(paths[0])) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].average_rate == 12.5


def test_frames_are_the_stored_ones(store: SampleStore, tmp_path: Path) -> None:
    export(store.url, "frames", tmp_path / "out")
    for name, (row, video) in stored(store).items():
        files = sorted((tmp_path / "out" / "frames" / row["label"] / name).glob("*.png"))
        assert np.array_equal(np.stack([picture(path) for path in files]), video)


def test_anomalib_finds_its_layout(store: SampleStore, tmp_path: Path) -> None:
    """Each defective frame has a mask of its name; good frames have none."""
    export(store.url, "anomalib", tmp_path / "out")
    out = tmp_path / "out"
    good, defect, masks = (sorted((out / name).iterdir()) for name in ("good", "defect", "masks"))
    assert (len(good), len(defect)) == (12, 12)
    assert [path.name for path in masks] == [path.name for path in defect]
    for path in masks:
        assert set(np.unique(picture(path))) <= {0, 255}
    items = [json.loads(line) for line in (out / "items.jsonl").read_text().splitlines()]
    keys = {"video_path", "mask_path", "gt_label", "target_frame", "last_frame", "frames"}
    for item in items:
        assert keys <= set(item)
        assert len(decoded(out / item["video_path"])) == len(item["frames"])
        assert (item["mask_path"] is None) == (item["gt_label"] == 0)
        if item["mask_path"]:
            mask = np.load(out / item["mask_path"], allow_pickle=False)
            assert mask.sum(axis=(1, 2)).tolist() == [0, 4, 4, 4]


def test_anomalib_reads_its_layout(store: SampleStore, tmp_path: Path) -> None:
    data = pytest.importorskip("anomalib.data")
    export(store.url, "anomalib", tmp_path / "out")
    module = data.Folder(
        name="made",
        root=tmp_path / "out",
        normal_dir="good",
        abnormal_dir="defect",
        mask_dir="masks",
    )
    module.setup()
    assert len(module.test_data) > 0


def test_without_drawn_masks_anomalib_gets_none(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(masked(0))
    store.commit(sample_set(3))
    export(store.url, "anomalib", tmp_path / "out")
    assert not (tmp_path / "out" / "masks").exists()


@pytest.mark.filterwarnings("ignore")  # it leaves files to the garbage collector
def test_webdataset_reads_the_shards(store: SampleStore, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    settings = ExportSettings(lossless=True, per_shard=4)
    export(store.url, "webdataset", tmp_path / "out", settings=settings)
    shards = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    assert len(shards) == 2
    classes = json.loads((tmp_path / "out" / "classes.json").read_text())
    read = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    gc.collect()
    known = stored(store)
    assert [item["__key__"] for item in read] == list(known)
    for item in read:
        row, video = known[item["__key__"]]
        assert classes[item["cls"]] == row["label"] == item["json"]["label"]
        (tmp_path / "one.mkv").write_bytes(item["mkv"])
        assert np.array_equal(decoded(tmp_path / "one.mkv"), video)
        maps = masked(row["seed"]).masks
        assert maps is not None
        assert np.array_equal(item["masks.npy"], maps[row["rank"]])


def test_equal_samples_give_equal_shards(store: SampleStore, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        export(store.url, "webdataset", tmp_path / name, settings=LOSSLESS)
        data = (tmp_path / name / "shard-000000.tar").read_bytes()
        digests.add(hashlib.sha256(data).hexdigest())
    assert len(digests) == 1


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_pycocotools_reads_the_masks(store: SampleStore, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    export(store.url, "coco", tmp_path / "out")
    read = coco.COCO(str(tmp_path / "out" / "annotations.json"))
    assert [item["name"] for item in read.loadCats(read.getCatIds())] == ["jam"]
    assert len(read.getImgIds()) == 24
    known = stored(store)
    seen = 0
    for image in read.loadImgs(read.getImgIds()):
        _, name, file = image["file_name"].split("/")
        row, video = known[name]
        frame = int(file.removesuffix(".png"))
        assert np.array_equal(picture(tmp_path / "out" / image["file_name"]), video[frame])
        for annotation in read.loadAnns(read.getAnnIds(imgIds=[image["id"]])):
            maps = masked(row["seed"]).masks
            assert maps is not None
            truth = maps[row["rank"], frame] == 255
            assert np.array_equal(read.annToMask(annotation), truth)
            assert annotation["area"] == truth.sum()
            assert annotation["bbox"] == [2, 3, 2, 2]
            seen += 1
    assert seen == 9


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=5))
def test_run_lengths_are_those_of_pycocotools(rows: list[list[bool]]) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    mask = np.array(rows)
    coded = run_lengths(mask)
    back = masks.decode(masks.frPyObjects(coded, *mask.shape))
    assert np.array_equal(back.astype(bool), mask)


@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_reads_the_records(store: SampleStore, tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    settings = ExportSettings(licence="https://spdx.org/licenses/CC0-1.0")
    export(store.url, "croissant", tmp_path / "out", settings=settings)
    read = croissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not read.metadata.ctx.issues.errors
    records = list(read.records("samples"))
    known = stored(store)
    assert [record["samples/sample_id"].decode() for record in records] == list(known)
    for record in records:
        row, _ = known[record["samples/sample_id"].decode()]
        assert record["samples/mae"] == pytest.approx(row["mae"])
        assert (tmp_path / "out" / record["samples/file"].decode()).is_file()


def test_the_command_line_exports(store: SampleStore, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    asked = [FLAWCAST, "export", store.url, "--format", "coco", "--out", out, "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["samples"] == 6
