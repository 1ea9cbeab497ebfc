"""Pictures for a page: small looping clips, kept in a cache, and sheets of a set's frames."""

import hashlib
import io
import math
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from platformdirs import user_cache_path

from flawcast.configs.errors import StoreError
from flawcast.configs.files import whole_file
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.pictures.thumbnails import thumbnails
from flawcast.generators.clips.video_files import sane_rate
from flawcast.storage import SampleStore
from flawcast.storage.drawn import read_checked

SIDE = 160  # longer side of a small clip, in pixels
SHEET_SIDE = 480  # longer side of a frame in a sheet, which a browser holds many of
LARGE = 2**20  # pixels from which a picture is coded quickly, not as small as possible
FASTEST = 20  # milliseconds per frame; browsers slow down faster clips
CACHE_BYTES = 1 << 30
PER_VIDEO = ("videos", "masks", "outlines")
SHEETS = (*PER_VIDEO, "past", "reference")
SINGLE = ("videos", "outlines", "past", "reference")  # whose frames are there one by one
PINK, BLUE, SHADE = (255, 60, 200), (70, 150, 255), (20, 24, 30)


class Pictures:
    """Makes pictures of a store's videos.

    Args:
        store: The store.
        cache: Folder outside the store for small clips, which are named by the videos' checksums.
    """

    def __init__(self, store: SampleStore, cache: Path) -> None:
        self.store, self.cache = store, cache
        self._turns = threading.Semaphore(os.cpu_count() or 1)

    def clip(self, row: dict[str, Any], still: bool = False) -> bytes:
        """A kept video as a small animated WebP, or its first frame.

        Args:
            row: The sample's row.
            still: Only the first frame.

        Raises:
            StoreError: If the video is damaged.
        """
        kind = "still" if still else f"{row['fps'] or 0:g}"
        name = hashlib.sha256(f"{row['video_sha256']} {SIDE} {kind}".encode()).hexdigest()
        path = self.cache / name[:2] / f"{name}.webp"
        with suppress(OSError):
            return path.read_bytes()
        with self._turns:
            try:
                array = self.store.open_array(row["set_id"], "videos")
                frames = slice(1 if still else None)
                video = read_checked(array, "video", row["rank"], row["video_sha256"], frames)
            except StoreError as error:
                raise StoreError(f"{row['sample_id']}: {error}; see `flawcast verify`") from error
            data = _looping(video, row["fps"] or 12.5)
        _keep(path, data)
        return data

    def sheet(self, set_id: str, name: str, rank: int) -> bytes:
        """All frames of one video side by side, in rows, as a WebP that keeps every bit.

        Frames larger than SHEET_SIDE are shrunk; `frame` gives each at its own size.

        Args:
            set_id: A set.
            name: One of SHEETS; masks and outlines are see-through, to lay over the video.
            rank: Which of the kept videos, for those of PER_VIDEO.

        Raises:
            StoreError: If there is no such set, array or rank, or it is damaged.
        """
        array = self._open(set_id, name, rank)
        with self._turns:
            frames = np.asarray(array[rank] if name in PER_VIDEO else array[:], np.uint8)
            if name == "masks":
                valid = np.asarray(self.store.open_array(set_id, "valid")[rank], np.uint8)
                frames = _coloured(_nearest(frames), _nearest(valid) > 0, self._drawn(set_id))
            elif name == "outlines":
                drawn = self._drawn(set_id)
                frames = np.stack([outlined(mask, drawn) for mask in _nearest(frames)])
            sheet = _side_by_side(thumbnails(frames, SHEET_SIDE))
            return encoded([Image.fromarray(sheet)], lossless=True, quality=20)

    def frame(self, set_id: str, name: str, rank: int, number: int) -> bytes:
        """One frame of a video at its own size, as a WebP that keeps every bit.

        Args:
            set_id: A set.
            name: One of SINGLE.
            rank: As in `sheet`.
            number: Which frame.

        Raises:
            StoreError: If there is no such set, array, rank or frame, or it is damaged.
        """
        array = self._open(set_id, name, rank)
        frames = array.shape[1 if name in PER_VIDEO else 0]
        if not 0 <= number < frames:
            raise StoreError(f"{set_id}: expected a frame below {frames}, got {number}")
        with self._turns:
            key = (rank, number) if name in PER_VIDEO else number
            values = np.asarray(array[key], np.uint8)
            if name == "outlines":
                values = outlined(values, self._drawn(set_id))
            picture = Image.fromarray(values)
            quick = picture.width * picture.height >= LARGE
            return encoded([picture], lossless=True, quality=0 if quick else 20)

    def _drawn(self, set_id: str) -> bool:
        """Whether a set's masks are drawn ones; else they are maps of motion."""
        return SetSettings.parse(self.store.row(set_id)["settings"]).mask_kind == "drawn"

    def _open(self, set_id: str, name: str, rank: int) -> Any:
        """An open array, which has this rank."""
        array = self.store.open_array(set_id, "masks" if name == "outlines" else name)
        if name in PER_VIDEO and not 0 <= rank < array.shape[0]:
            raise StoreError(f"{set_id}: expected a rank below {array.shape[0]}, got {rank}")
        return array


def sheet_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a frame in a sheet."""
    small = thumbnails(np.zeros((1, height, width), np.uint8), SHEET_SIDE)
    return small.shape[1], small.shape[2]


def grid_columns(frames: int) -> int:
    """The number of frames in a row of a sheet."""
    return math.ceil(math.sqrt(frames))


def default_cache() -> Path:
    """A folder among the user's caches."""
    return user_cache_path("flawcast") / "clips"


def prune(cache: Path, most: int = CACHE_BYTES) -> None:
    """Remove the oldest small clips until the others take less than `most` bytes."""
    files = []
    for path in cache.glob("??/*.webp"):
        with suppress(OSError):
            files.append((path.stat().st_mtime, path.stat().st_size, path))
    size = sum(item[1] for item in files)
    for _, bytes_, path in sorted(files):
        if size <= most:
            return
        with suppress(OSError):
            path.unlink()
        size -= bytes_


def _looping(video: NDArray[np.uint8], fps: float) -> bytes:
    """A small animated WebP of frames (F, H, W, 3)."""
    pictures = [Image.fromarray(frame) for frame in thumbnails(video, SIDE)]
    return encoded(
        pictures, duration=max(FASTEST, round(1000 / sane_rate(fps))), loop=0, quality=75
    )


def encoded(pictures: Sequence[Image.Image], **options: Any) -> bytes:
    """One WebP of some pictures."""
    stream = io.BytesIO()
    first, *rest = pictures
    several = {"save_all": True, "append_images": rest} if rest else {}
    method = 0 if options.get("quality") == 0 else 2
    first.save(stream, "WEBP", method=method, **several, **options)
    return stream.getvalue()


def _side_by_side(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (F, H, W, C) in rows of one picture, the first at the top left."""
    count, height, width, channels = frames.shape
    columns = grid_columns(count)
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, height, width, channels), np.uint8)
    filled[:count] = frames
    tiled = filled.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(tiled.reshape(rows * height, columns * width, channels))


def _nearest(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Maps (F, H, W) at the size of a sheet, without values between theirs."""
    size = sheet_size(*maps.shape[1:3])
    if size == maps.shape[1:3]:
        return maps
    return np.stack([cv2.resize(m, size[::-1], interpolation=cv2.INTER_NEAREST) for m in maps])


def _coloured(maps: NDArray[np.uint8], valid: NDArray[np.bool_], drawn: bool) -> NDArray[np.uint8]:
    """Masks (F, H, W) as colours with transparency, (F, H, W, 4); dark where they are not valid."""
    colours = np.zeros((*maps.shape, 4), np.uint8)
    if drawn:
        colours[maps > 0] = (*BLUE, 70)
        colours[maps >= DEFECT] = (*PINK, 150)
    else:
        colours[..., :3] = PINK
        colours[..., 3] = (maps * 0.7).astype(np.uint8)
    colours[~valid] = (*SHADE, 140)
    return colours


def outlined(mask: NDArray[np.uint8], drawn: bool) -> NDArray[np.uint8]:
    """The border of a mask's defect (H, W) in pink, dark around it, else clear, (H, W, 4).

    It lies outside the defect, so that nothing of the defect itself is covered.
    """
    inside = (mask >= (DEFECT if drawn else PART)).astype(np.uint8)
    near, far = (cv2.dilate(inside, np.ones((size, size), np.uint8)) for size in (3, 5))
    colours = np.zeros((*mask.shape, 4), np.uint8)
    colours[far > near] = (*SHADE, 150)
    colours[near > inside] = (*PINK, 255)
    return colours


def _keep(path: Path, data: bytes) -> None:
    """Put a file into the cache in one step; a cache that cannot be written is no error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as draft:
            draft.write_bytes(data)
