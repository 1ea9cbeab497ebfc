"""A file gets its final name once, and whoever gave it knows."""

import os
from pathlib import Path

import pytest

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleStore, files
from flawcast.storage.place import UnsettledError
from tests.storage.examples import sample_set


def test_a_name_that_is_taken_stays_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "final").write_text("first")
    (tmp_path / "draft").write_text("second")
    assert not files.publish(tmp_path / "draft", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert (tmp_path / "final").read_text() == "first"


def test_a_link_that_nfs_repeats_is_ours(tmp_path: Path) -> None:
    """The server made it, the answer was lost, and the second request finds the name taken."""
    (tmp_path / "draft").write_text("ours")
    os.link(tmp_path / "draft", tmp_path / "final")
    assert files.publish(tmp_path / "draft", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_a_file_that_has_its_name_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "draft").write_text("ours")

    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "sync", fail)
    with pytest.raises(UnsettledError, match="Input/output error"):
        files.publish(tmp_path / "draft", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "ours"


def test_a_row_that_may_be_there_keeps_its_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    whole, rows = files.sync, tmp_path / "store" / "sets"

    def fail(folder: Path) -> None:
        if folder == rows:
            raise OSError(5, "Input/output error")
        whole(folder)

    monkeypatch.setattr(files, "sync", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        store.commit(sample_set())
    monkeypatch.undo()
    assert len(store.set_ids()) == 1
    assert store.verify() == []
