"""Folders as public data sets and people lay them out: no test clip is ever learnt from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.augment.plan import plan_augment
from flawcast.flows.augment.request import AugmentRequest
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.inspection import view_folder
from flawcast.flows.train.clips import TrainClip, split_clips
from flawcast.generators.clips import Reject, list_clips, read_masks
from flawcast.generators.clips.video_files import write_ffv1
from tests.flows.commands.running import run
from tests.flows.conftest import TINY_TRAINING
from tests.generators.clips.clip_files import FRAMES, SMALL, moving, write_frames

NUMBER = iter(range(1, 200))


def clip(path: Path) -> Path:
    """A small clip unlike all others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = moving(height=16, width=16)
    video[:, 0, 0] = next(NUMBER)
    if path.suffix:
        write_ffv1(path, video, 10)
    else:
        write_frames(path, video)
    return path


def listed(folder: Path) -> dict[str, tuple[str, str]]:
    return {entry.name: (entry.label, entry.split) for entry in list_clips(folder)}


LAYOUTS = {
    "ShanghaiTech": (
        ["training/videos/01_001.mkv", "testing/frames/01_0014"],
        [("unlabelled", "train"), ("unlabelled", "test")],
    ),
    "Avenue": (
        ["training_videos/01.mkv", "testing_videos/01.mkv"],
        [("unlabelled", "train"), ("unlabelled", "test")],
    ),
    "capitals": (
        ["Training/a.mkv", "Testing/b.mkv", "Validation/crack/c.mkv"],
        [("unlabelled", "train"), ("unlabelled", "test"), ("crack", "val")],
    ),
    "MVTec, two categories": (
        ["bottle/train/good/a.mkv", "bottle/test/broken/b.mkv", "cable/train/good/c.mkv"],
        [("good", "train"), ("broken", "test"), ("good", "train")],
    ),
    "UCSD, two views": (
        ["UCSDped1/Train/Train001", "UCSDped1/Test/Test001", "UCSDped2/Test/Test001"],
        [("unlabelled", "train"), ("unlabelled", "test"), ("unlabelled", "test")],
    ),
    "names of files": (
        ["train_01.mkv", "test_01.mkv"],
        [("unlabelled", "train"), ("unlabelled", "test")],
    ),
    "labels named like toys": (
        ["train/a.mkv", "plane/b.mkv", "tested/c.mkv"],
        [("train", ""), ("plane", ""), ("tested", "")],
    ),
}


@pytest.mark.parametrize(("files", "expected"), LAYOUTS.values(), ids=list(LAYOUTS))
def test_layouts_of_public_data_sets_are_splits(
    files: list[str], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    for name in files:
        clip(tmp_path / name)
    assert listed(tmp_path) == dict(zip(files, expected, strict=True))
    assert view_folder(tmp_path).doubt == ""


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (["good/a.mkv", "test_2/b.mkv"], "'test_2' looks like a split"),
        (["good/a.mkv", "held_out/b.mkv"], "'held_out' looks like a split"),
        (["train_a.mkv", "test_b.mkv", "c.mkv"], "names of some clips begin"),
        (["a.mkv", "b.mkv", "test_list.txt"], "test_list.txt looks like a list"),
    ],
    ids=["folder", "held out", "some names", "list"],
)
def test_what_looks_like_a_split_is_said_before_anything_is_learnt(
    files: list[str], word: str, tmp_path: Path
) -> None:
    for name in files:
        if name.endswith(".txt"):
            (tmp_path / name).write_text("b.mkv\n")
        else:
            clip(tmp_path / name)
    assert word in view_folder(tmp_path).doubt
    done = run("train", tmp_path, "--preset", "tiny", "--out", tmp_path / "model")
    assert done.returncode == 1
    assert word in done.stderr
    rows = [f"{name},train" for name in files if name.endswith(".mkv")]
    rows[-1] = rows[-1].replace("train", "test") if not rows[-1].startswith("train") else rows[-1]
    (tmp_path / "labels.csv").write_text("file,split\n" + "\n".join(rows) + "\n")
    assert view_folder(tmp_path).doubt == ""  # said, so nothing is in doubt


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (["a.mkv", "b.mkv", "abnormal_test_video_names.txt"], "_names.txt looks like a list"),
        (["01_train/a.mkv", "02_test/b.mkv"], "'02_test' looks like a split"),
        (["bottle_train/a.mkv", "bottle_test/b.mkv"], "'bottle_test' looks like a split"),
        (["train/a.mkv", "dev/b.mkv"], "'dev' looks like a split"),
        (["candle/a.mkv", "candle/b.mkv", "split_csv/1cls.csv"], "has a column of splits"),
    ],
    ids=["list of names", "numbers", "prefix", "dev", "VisA"],
)
def test_other_ways_to_keep_test_clips_apart_are_doubted(
    files: list[str], word: str, tmp_path: Path
) -> None:
    for name in files:
        if name.endswith((".txt", ".csv")):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("object,split,image\nb,test,b.mkv\n")
        else:
            clip(tmp_path / name)
    assert word in view_folder(tmp_path).doubt


def test_a_prefix_alone_is_a_label(tmp_path: Path) -> None:
    """Beside nothing that is for training, a word behind a prefix says what a clip shows."""
    for name in ("good/a.mkv", "leak_test/b.mkv"):
        clip(tmp_path / name)
    (tmp_path / "test_report.txt").write_text("all is well\n")
    (tmp_path / "labels.csv").write_text("file,split\ngood/a.mkv,\n")
    assert view_folder(tmp_path).doubt == ""


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["UCSD.v1p2/UCSDped2/Train/Train001", "UCSD.v1p2/UCSDped2/Test/Test001"], "UCSD"),
        (["R01/training/frames/01", "R01/testing/frames/01", "R01/test_label/a.npy"], "IPAD"),
        (["Avenue/training_videos/a.mkv", "Avenue/testing_videos/b.mkv"], "Avenue"),
        (["training/videos/a.mkv", "testing/frames/01"], "ShanghaiTech"),
        (["1cls/candle/train/good", "1cls/candle/test/bad", "1cls/ground_truth/bad"], "MVTec AD"),
    ],
)
def test_public_layouts_are_named_at_any_depth(
    files: list[str], layout: str, tmp_path: Path
) -> None:
    for name in files:
        if name.endswith(".npy"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).touch()
        else:
            clip(tmp_path / name)
    assert view_folder(tmp_path).layout.endswith(f"as in {layout}")


def write_masks(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        Image.new("L", (16, 16), 255).save(folder / f"{number}.png")


def test_masks_go_to_the_clips_that_they_are_named_after(tmp_path: Path) -> None:
    clip(tmp_path / "Train/Train001")
    clip(tmp_path / "Test/Test002")
    write_masks(tmp_path / "Test/Test002_gt")
    clip(tmp_path / "Test/crack/000.mkv")
    (tmp_path / "ground_truth/crack").mkdir(parents=True)
    Image.new("L", (16, 16), 255).save(tmp_path / "ground_truth/crack/000_mask.png")
    clip(tmp_path / "Test/jam/000.mkv")
    clip(tmp_path / "Test/jam/000_mask.mkv")
    rejects: list[Reject] = []
    found = {entry.name: entry for entry in list_clips(tmp_path, rejects.append)}
    assert set(found) == {
        "Train/Train001",
        "Test/Test002",
        "Test/crack/000.mkv",
        "Test/jam/000.mkv",
    }
    masks = {name: entry.mask and entry.mask.name for name, entry in found.items()}
    assert masks == {
        "Train/Train001": None,
        "Test/Test002": "Test002_gt",
        "Test/crack/000.mkv": "000_mask.png",
        "Test/jam/000.mkv": "000_mask.mkv",
    }
    assert rejects == []
    read = read_masks(found["Test/Test002"], SMALL, FRAMES)
    assert read is not None
    assert read.shape == (FRAMES, 16, 16)
    assert (read == 255).all()


@pytest.mark.parametrize("name", ["Masks", "SegmentationClass", "mask", "ground_truth", "gt"])
def test_folders_of_masks_are_never_clips(name: str, tmp_path: Path) -> None:
    clip(tmp_path / "a.mkv")
    clip(tmp_path / "b.mkv")
    write_masks(tmp_path / name / "unknown")
    rejects: list[Reject] = []
    assert [entry.name for entry in list_clips(tmp_path, rejects.append)] == ["a.mkv", "b.mkv"]
    assert [reject.name for reject in rejects] == [name]
    assert "named as masks" in rejects[0].reason


def test_masks_of_frames_are_the_only_clips_beside_them(tmp_path: Path) -> None:
    write_frames(tmp_path / "video1" / "JPEGImages", moving(height=16, width=16))
    write_masks(tmp_path / "video1" / "SegmentationClass")
    (entry,) = list_clips(tmp_path)
    assert entry.mask == tmp_path / "video1" / "SegmentationClass"


def test_a_clip_that_labels_csv_names_in_such_a_folder_is_one(tmp_path: Path) -> None:
    """A factory that makes masks."""
    clip(tmp_path / "mask" / "a.mkv")
    (tmp_path / "labels.csv").write_text("file,label\nmask/a.mkv,torn\n")
    assert listed(tmp_path) == {"mask/a.mkv": ("torn", "")}


@pytest.mark.parametrize("width", [96, 144, 1440, 40])
def test_a_folder_of_equal_wide_pictures_is_one_clip(width: int, tmp_path: Path) -> None:
    write_frames(tmp_path / "cam", moving(height=48, width=width))
    strip = np.concatenate(list(moving(height=16, width=16)), axis=1)
    Image.fromarray(strip).save(tmp_path / "strip.png")
    assert [entry.name for entry in list_clips(tmp_path)] == ["cam", "strip.png"]


def test_the_same_bytes_are_never_in_two_splits(tmp_path: Path) -> None:
    frames = moving()
    clips = [TrainClip("clip-1", "a", frames, "train"), TrainClip("clip-1", "b", frames, "test")]
    with pytest.raises(ClipError, match=r"a \(train\) and b \(test\) have the same bytes"):
        split_clips(clips, TINY_TRAINING)


def test_no_samples_are_made_of_a_copy_of_a_test_clip(tmp_path: Path) -> None:
    clip(tmp_path / "train/normal/a.mkv")
    clip(tmp_path / "train/jam/b.mkv")
    (tmp_path / "test/jam").mkdir(parents=True)
    shutil.copy(tmp_path / "train/jam/b.mkv", tmp_path / "test/jam/c.mkv")
    request = AugmentRequest(clips=tmp_path, store="none")
    with pytest.raises(
        ClipError, match=r"test/jam/c.mkv \(test\) and train/jam/b.mkv \(train\) hold"
    ):
        plan_augment(request, "w", ClipSettings(size=16))


def test_the_same_bytes_under_two_labels_are_reported(tmp_path: Path) -> None:
    clip(tmp_path / "jam" / "a.mkv")
    (tmp_path / "good").mkdir()
    shutil.copy(tmp_path / "jam" / "a.mkv", tmp_path / "good" / "b.mkv")
    settings = GenerateSettings(past=2, future=2, samples=2, keep=2)
    plan = plan_sets(tmp_path, None, ("reconstruction",), settings, ClipSettings(size=16), "w")
    assert [item.entry.name for item in plan.sets] == ["good/b.mkv"]
    (reject,) = plan.rejects
    assert reject.name == "jam/a.mkv"
    assert reject.reason == "has the same bytes as good/b.mkv (good), though this one is jam"


def test_inspect_says_what_a_folder_holds(tmp_path: Path) -> None:
    clip(tmp_path / "train/good/a.mkv")
    clip(tmp_path / "test/crack/b.mkv")
    shutil.copy(tmp_path / "train/good/a.mkv", tmp_path / "train/good/c.mkv")
    (tmp_path / "notes.docx").write_text("")
    (tmp_path / "test/crack/d.heic").write_text("")
    done = run("inspect", tmp_path)
    assert done.returncode == 0, done.stderr
    for part in (
        "3 clips, folders of splits",
        "train: 2 good",
        "test: 1 crack",
        "not read: 1 .docx, 1 .heic",
        "sizes: 16x16 (3)",
        "frames/s: 10 (3)",
        "the same bytes: train/good/a.mkv, train/good/c.mkv",
    ):
        assert part in done.stdout
    found = json.loads(run("inspect", tmp_path, "--json").stdout)
    assert [one["split"] for one in found["clips"]] == ["test", "train", "train"]
    assert found["not_read"] == {".docx": 1, ".heic": 1}
    assert found["clips"][0]["bits"] == 8


def test_inspect_says_what_labels_of_other_programs_are_there(tmp_path: Path) -> None:
    clip(tmp_path / "a.mkv")
    (tmp_path / "annotations.xml").write_text("<annotations/>")
    assert "labels of CVAT, which `flawcast import-labels`" in run("inspect", tmp_path).stdout


def test_inspect_understands_the_real_clips(shared: Path) -> None:
    view = view_folder(shared / "clips" / "ped2")
    assert {entry.split for entry in view.entries} == {"train", "test"}
    assert sum(entry.mask is not None for entry in view.entries) == 6
