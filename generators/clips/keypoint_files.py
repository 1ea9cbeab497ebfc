"""Read keypoint series from files: one npz file per clip with FOMM's `value` and `jacobian`."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.listing import Reject

ARRAYS = ("value", "jacobian")
LARGEST = 2**30  # bytes of an unpacked file
# Errors of zipfile and NumPy for files that are truncated, changed or packed in an unknown way.
BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
POSITION = 2  # x and y are the first two values of every keypoint


@dataclass(frozen=True)
class KeypointClip:
    """Keypoints of one clip.

    Args:
        name: The file's name without its suffix.
        id: Hash of the file's bytes.
        series: (T, D): per keypoint x, y and, if the file has Jacobians, J00, J01, J10, J11.
        keypoints: Number of keypoints, K.
    """

    name: str
    id: str
    series: Tensor
    keypoints: int

    @property
    def positions(self) -> list[int]:
        """Indices of those of the D values that are an x or a y."""
        stride = self.series.shape[1] // self.keypoints
        return [keypoint * stride + axis for keypoint in range(self.keypoints) for axis in range(2)]


def read_keypoints(path: Path) -> KeypointClip:
    """Read one file; nothing in it is executed.

    Raises:
        ClipError: If the file holds anything but finite floats in `value` (T, K, 2) and,
            optionally, `jacobian` (T, K, 2, 2).
    """
    arrays = _arrays(path)
    value, jacobian = arrays["value"], arrays.get("jacobian")
    if value.ndim != 3 or value.shape[2] != POSITION or value.size == 0:
        raise _unfit(path, f"value (T, K, 2), found shape {value.shape}")
    parts = [value]
    if jacobian is not None:
        if jacobian.shape != (*value.shape[:2], 2, 2):
            raise _unfit(path, f"jacobian {(*value.shape[:2], 2, 2)}, found {jacobian.shape}")
        parts.append(jacobian.reshape(*value.shape[:2], 4))
    series = np.concatenate(parts, axis=2).reshape(len(value), -1).astype(np.float32)
    if not np.isfinite(series).all():
        raise _unfit(path, "finite numbers, found others")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return KeypointClip(
        path.stem, f"keypoints-{digest[:16]}", torch.from_numpy(series), len(value[0])
    )


def read_keypoint_folder(
    folder: Path, on_reject: Callable[[Reject], None] = lambda reject: None
) -> list[KeypointClip]:
    """Read all npz files of a folder, in sorted order.

    Args:
        folder: The folder.
        on_reject: Called for each file that cannot be read.

    Raises:
        ClipError: If no file can be read, or the files differ in K or D.
    """
    clips = []
    for path in sorted(folder.glob("*.npz")):
        try:
            clips.append(read_keypoints(path))
        except ClipError as error:
            on_reject(Reject(path.name, str(error).removeprefix(f"{path}: ")))
    if not clips:
        raise ClipError(
            f"keypoints: expected .npz files with value (T, K, 2) in {folder}, found none that can "
            "be read; name another folder"
        )
    kinds = {(clip.keypoints, clip.series.shape[1]) for clip in clips}
    if len(kinds) > 1:
        raise ClipError(
            f"keypoints: expected one kind in {folder}, found (K, D) of {sorted(kinds)}; put each "
            "kind into a folder of its own"
        )
    return clips


def has_keypoints(folder: Path) -> bool:
    """Whether a folder holds keypoint files."""
    return folder.is_dir() and any(folder.glob("*.npz"))


def _arrays(path: Path) -> dict[str, NDArray[np.floating]]:
    """Arrays of a file; checks names and total size first, and unpickles nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise _unfit(path, f"at most {LARGEST} bytes, found {size}")
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            if "value" not in names or not names <= set(ARRAYS):
                raise _unfit(path, f"value and perhaps jacobian, found {sorted(names)}")
            arrays = {name: file[name] for name in file.files}
    except BROKEN as error:
        raise _unfit(path, f"an npz file of plain arrays, cannot read it ({error})") from None
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise _unfit(path, f"floats in {name}, found {array.dtype}")
    return arrays


def _unfit(path: Path, wanted: str) -> ClipError:
    """The error for a file that does not hold what is wanted."""
    return ClipError(f"{path}: expected {wanted}; write it again or leave it out")
