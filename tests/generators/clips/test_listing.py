"""Which clips a folder holds, and what labels.csv and its sub-folders say of them."""

from pathlib import Path

import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.generators.clips import Reject, iter_clips, list_clips, read_masks
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import FRAMES, SMALL, moving, write_frames


def test_labels_come_from_sub_folders(tmp_path: Path) -> None:
    for label in ("jam", "normal"):
        (tmp_path / label).mkdir()
        write_ffv1(tmp_path / label / "a.mkv", moving(), 10)
    write_frames(tmp_path / "slip" / "clip", moving())
    found = {entry.name: entry.label for entry in list_clips(tmp_path)}
    assert found == {"jam/a.mkv": "jam", "normal/a.mkv": "normal", "slip/clip": "slip"}


def test_folders_named_as_splits_are_and_what_is_below_them_labels(tmp_path: Path) -> None:
    folders = ("Train/good", "test/crack", "test", "val", "", "more", "ground_truth/crack")
    for name in folders:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        write_ffv1(tmp_path / name / "a.mkv", moving(), 10)
    (tmp_path / "labels.csv").write_text("file,label,split\ntest/a.mkv,jam,\na.mkv,,train\n")
    rejects: list[Reject] = []
    listed = list_clips(tmp_path, rejects.append)
    assert {entry.name: (entry.label, entry.split) for entry in listed} == {
        "Train/good/a.mkv": ("good", "train"),
        "a.mkv": ("unlabelled", "train"),
        "test/a.mkv": ("jam", "test"),
        "test/crack/a.mkv": ("crack", "test"),
        "val/a.mkv": ("unlabelled", "val"),
    }
    assert [reject.name for reject in rejects] == ["more/a.mkv"]


def test_two_clips_that_are_folders_train_and_test_are_splits(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write_frames(tmp_path / name, moving())
    found = {entry.name: (entry.label, entry.split) for entry in list_clips(tmp_path)}
    assert found == {"test": ("unlabelled", "test"), "train": ("unlabelled", "train")}


def test_labels_csv_says_label_split_onset_and_mask(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "masks").mkdir()
    write_ffv1(tmp_path / "masks" / "a.mkv", moving()[..., 0], 10)
    text = "\ufefffile,label,split,onset,mask\r\na.mkv,jam,test,4,masks/a.mkv\r\n"
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8", newline="")
    (entry,) = list_clips(tmp_path)
    assert (entry.label, entry.split, entry.onset) == ("jam", "test", 4)
    for stride, onset in ((2, 2), (3, 2)):  # the first frame that is left and shows it
        clip = next(iter_clips(tmp_path, ClipSettings(size=16, stride=stride)))
        assert clip.onset == onset
    masks = read_masks(entry, SMALL, FRAMES)
    assert masks is not None
    assert masks.shape == (FRAMES, 16, 16)


def test_splits_have_several_names_and_the_rest_is_learnt_from(tmp_path: Path) -> None:
    said = {"a.mkv": "Test", "b.mkv": "validation", "c.mkv": "", "d.mkv": "TRAIN"}
    for name in said:
        write_ffv1(tmp_path / name, moving(), 10)
    rows = "".join(f"{name},{split}\n" for name, split in said.items())
    (tmp_path / "labels.csv").write_text("file,split\n" + rows)
    found = {entry.name: entry.split for entry in list_clips(tmp_path)}
    assert found == {"a.mkv": "test", "b.mkv": "val", "c.mkv": "train", "d.mkv": "train"}
    (tmp_path / "b.mkv").write_bytes(b"broken")
    rejects: list[Reject] = []
    clips = iter_clips(tmp_path, SMALL, 1, rejects.append, split="train")
    assert [clip.name for clip in clips] == ["c.mkv", "d.mkv"]
    assert rejects == []  # of other splits nothing is decoded


def test_a_folder_of_masks_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    for name in ("a", "b"):
        write_ffv1(tmp_path / f"{name}.mkv", moving(), 10)
        Image.new("L", (32, 32), 255).save(tmp_path / "truth" / f"{name}.png")
    rows = "file,mask\na.mkv,truth/a.png\nb.mkv,truth/b.png\n"
    (tmp_path / "labels.csv").write_text(rows)
    assert [entry.name for entry in list_clips(tmp_path)] == ["a.mkv", "b.mkv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,colour\na.mkv,red\n", "rename or remove colour"),
        ("file,split\na.mkv,held\n", "expected train, val or test, got 'held'"),
        ("label\njam\n", "only file is needed"),
        ("file,onset\na.mkv,soon\n", "expected a frame number from 0, got 'soon'"),
        ("file\na.mkv\na.mkv\n", "there twice"),
        ("file\n../a.mkv\n", "expected a path inside the folder"),
        ("file\n/etc/passwd\n", "expected a path inside the folder"),
        ("file\nx\0.mkv\n", "expected a path, got"),
        (f"file\n{'x' * 400}.mkv\n", "expected a path, got 'xxx"),
    ],
    ids=[
        "column",
        "split",
        "no file",
        "onset",
        "twice",
        "outside",
        "absolute",
        "zero byte",
        "too long",
    ],
)
def test_malformed_labels_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ClipError, match=message):
        list_clips(tmp_path)


def test_rows_that_name_no_clip_are_reported(tmp_path: Path) -> None:
    write_ffv1(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "notes.txt").write_text("kept by hand")
    (tmp_path / "labels.csv").write_text("file\nnotes.txt\nabsent.mkv\na.mkv\n")
    rejects: list[Reject] = []
    assert [entry.name for entry in list_clips(str(tmp_path), rejects.append)] == ["a.mkv"]
    reasons = {reject.name: reject.reason for reject in rejects}
    assert "not a clip" in reasons["notes.txt"]
    assert "no such file" in reasons["absent.mkv"]


@pytest.mark.parametrize("name", [".cache", "masks"])
def test_a_folder_of_frames_may_hold_a_hidden_folder_or_masks(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path / "clip", moving())
    (tmp_path / "clip" / name).mkdir()
    assert [entry.name for entry in list_clips(tmp_path)] == ["clip"]


def test_huge_frames_are_listed_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for time in range(2):
        Image.new("1", (10_000, 10_000)).save(tmp_path / "clip" / f"{time}.png")
    assert [entry.name for entry in list_clips(tmp_path)] == ["clip"]


def test_links_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_ffv1(tmp_path / "secret.mkv", moving(), 10)
    write_ffv1(folder / "own.mkv", moving(), 10)
    (folder / "link.mkv").symlink_to(tmp_path / "secret.mkv")
    rejects: list[Reject] = []
    assert [entry.name for entry in list_clips(folder, rejects.append)] == ["own.mkv"]
    assert rejects == [Reject("link.mkv", "a link that leads out of the folder")]


def test_empty_and_absent_folders_say_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"expected mp4, avi, mkv.*found none; name another"):
        list_clips(tmp_path)
    with pytest.raises(ClipError, match="does not exist"):
        list_clips(tmp_path / "absent")
