"""Keypoint files: read as they are, refused with the reason, never executed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.keypoint_files import (
    has_keypoints,
    read_keypoint_folder,
    read_keypoints,
)
from flawcast.generators.clips.listing import Reject

VALUE = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
JACOBIAN = 100 + np.arange(24, dtype=np.float32).reshape(3, 2, 2, 2)


def written(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_vector_holds_position_and_jacobian_of_each_keypoint(tmp_path: Path) -> None:
    clip = read_keypoints(written(tmp_path / "one.npz", value=VALUE, jacobian=JACOBIAN))
    assert clip.name == "one"
    assert clip.series.shape == (3, 12)
    assert clip.series[0].tolist() == [0, 1, 100, 101, 102, 103, 2, 3, 104, 105, 106, 107]
    assert clip.positions == [0, 1, 6, 7]


def test_positions_alone_are_enough(tmp_path: Path) -> None:
    clip = read_keypoints(written(tmp_path / "one.npz", value=VALUE))
    assert clip.series.tolist() == VALUE.reshape(3, 4).tolist()
    assert clip.positions == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        pytest.param({"jacobian": JACOBIAN}, "value and perhaps jacobian", id="no-value"),
        pytest.param({"value": VALUE, "more": VALUE}, "found .*more", id="unknown-array"),
        pytest.param({"value": VALUE[..., 0]}, r"value \(T, K, 2\)", id="axes"),
        pytest.param({"value": VALUE, "jacobian": JACOBIAN[1:]}, r"jacobian \(3, 2", id="frames"),
        pytest.param({"value": VALUE.astype(int)}, "floats in value", id="integers"),
        pytest.param({"value": np.full_like(VALUE, np.inf)}, "finite", id="infinite"),
        pytest.param({"value": VALUE[:0]}, "value", id="empty"),
        pytest.param({"value": np.array([{}], object)}, "cannot read it", id="pickled"),
    ],
)
def test_what_does_not_fit_is_refused(arrays: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=reason):
        read_keypoints(written(tmp_path / "one.npz", **arrays))


def test_a_folder_leaves_broken_files_out(tmp_path: Path) -> None:
    written(tmp_path / "b.npz", value=VALUE)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 cut off")
    rejects: list[Reject] = []
    assert [clip.name for clip in read_keypoint_folder(tmp_path, rejects.append)] == ["b"]
    assert [(reject.name, "cannot read it" in reject.reason) for reject in rejects] == [
        ("a.npz", True)
    ]
    assert has_keypoints(tmp_path)
    assert not has_keypoints(tmp_path / "absent")


def test_damage_in_a_compressed_file_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", value=np.random.default_rng(0).random((90, 4, 2)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[200:1200] = bytes(value ^ 0xFF for value in data[200:1200])
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ClipError, match="cannot read it"):
        read_keypoints(tmp_path / "a.npz")


def test_a_folder_holds_one_kind(tmp_path: Path) -> None:
    written(tmp_path / "a.npz", value=VALUE)
    written(tmp_path / "b.npz", value=VALUE, jacobian=JACOBIAN)
    with pytest.raises(ClipError, match="expected one kind"):
        read_keypoint_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="found none that can be read"):
        read_keypoint_folder(tmp_path)


def test_real_keypoints_are_read(shared: Path) -> None:
    clips = read_keypoint_folder(shared / "clips" / "kp")
    assert len(clips) == 25
    assert {(clip.keypoints, clip.series.shape[1]) for clip in clips} == {(10, 60)}
    assert len({clip.id for clip in clips}) == 25
