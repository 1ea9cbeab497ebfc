"""Files and folders are there whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flawcast.configs.files import whole_file, whole_folder


def write_file(path: Path, error: BaseException | None = None) -> None:
    """Write a file, or half of one."""
    with whole_file(path) as draft:
        draft.write_text("half")
        if error:
            raise error
        draft.write_text("whole")


def write_folder(path: Path, error: BaseException | None = None) -> None:
    """Write a folder with two files, or half of one."""
    with whole_folder(path) as draft:
        (draft / "card.json").write_text("{}")
        if error:
            raise error
        (draft / "weights").write_text("whole")


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with whole_file(path) as draft:
        assert draft.suffix == ".mp4"  # encoders go by it
        draft.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "model"
    write_folder(path)
    assert sorted(file.name for file in path.iterdir()) == ["card.json", "weights"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_file, write_folder], ids=["file", "folder"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt], ids=["full disk", "Ctrl-C"])
def test_a_failed_write_leaves_neither_file_nor_draft(
    write: Callable[..., None], error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error):
        write(tmp_path / "made", error())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="full"):
        write_file(path, OSError("full"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_file, write_folder], ids=["file", "folder"])
def test_a_name_that_is_taken_leaves_no_draft(write: Callable[..., None], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(OSError):  # noqa: PT011 - each system's own words
        write(taken)
    assert list(tmp_path.iterdir()) == [taken]
