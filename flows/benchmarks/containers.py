"""Ways of keeping videos without loss: ours, and what else people use, behind one interface."""

import io
import tarfile
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import LocalStore

from flawcast.storage.arrays import array_sha256, by_video, open_array, read_array, write_arrays
from flawcast.storage.local import LocalPlace

Videos = NDArray[np.uint8]


class Container(ABC):
    """Videos (K, F, H, W, 3) in files of one folder, read back one by one.

    Args:
        folder: Where to write; a new one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    @abstractmethod
    def write(self, videos: Videos) -> None:
        """Write all videos."""

    @abstractmethod
    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class ZarrShard(Container):
    """Zarr 3: a video is a chunk, all videos are one shard."""

    compressor: Any = ZstdCodec(level=3)

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        array = zarr.create_array(
            LocalStore(self.folder / "videos"),
            shape=videos.shape,
            dtype=videos.dtype,
            chunks=(1, *videos.shape[1:]),
            shards=videos.shape,
            compressors=self.compressor,
            overwrite=True,
        )
        array[...] = videos
        self.array = array

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        return np.asarray(self.array[index], np.uint8)


class Ours(Container):
    """As a store keeps a set and as `SampleSetDataset` reads it: durable, every read checked."""

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        place = LocalPlace(self.folder)
        write_arrays(place, "set", {"videos": videos})
        self.checksums = [array_sha256(video) for video in videos]
        keep, future, height, width, _ = videos.shape
        row = {"keep": keep, "future": future, "height": height, "width": width}
        self.array = by_video(open_array(place, "set", "videos", row))

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        return read_array(self.array, "video", index, self.checksums[index])


class ZarrFast(ZarrShard):
    """The same with the fastest level."""

    compressor = ZstdCodec(level=1)


class ZarrBlosc(ZarrShard):
    """The same with Blosc's bit shuffle before zstd."""

    compressor = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=1)


class Raw(Container):
    """A .npy file for each video."""

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        for index, video in enumerate(videos):
            np.save(self.folder / f"{index}.npy", video)

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        return np.asarray(np.load(self.folder / f"{index}.npy"), np.uint8)


class PngTar(Container):
    """A tar of PNG frames, as WebDataset has them; an index of its members is at hand."""

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        with tarfile.open(self.folder / "000000.tar", "w") as tar:
            for index, video in enumerate(videos):
                for place, frame in enumerate(video):
                    data = cv2.imencode(".png", frame[..., ::-1])[1].tobytes()
                    info = tarfile.TarInfo(f"{index:06d}.{place:03d}.png")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        with tarfile.open(self.folder / "000000.tar") as tar:
            members = tar.getmembers()
        frames = videos.shape[1]
        spans = [(member.offset_data, member.size) for member in members]
        self.spans = [spans[first : first + frames] for first in range(0, len(spans), frames)]

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        frames = []
        with (self.folder / "000000.tar").open("rb") as stream:
            for offset, size in self.spans[index]:
                stream.seek(offset)
                data = np.frombuffer(stream.read(size), np.uint8)
                frames.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])
        return np.stack(frames).astype(np.uint8, copy=False)


class Mp4(Container):
    """H.264 without loss (RGB, quantiser 0) through PyAV, a file for each video."""

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        for index, video in enumerate(videos):
            with av.open(str(self.folder / f"{index}.mp4"), "w") as container:
                stream = container.add_stream("libx264rgb", rate=Fraction(25))
                (stream.height, stream.width), stream.pix_fmt = video.shape[1:3], "rgb24"
                stream.options = {"qp": "0"}
                for picture in video:
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        with av.open(str(self.folder / f"{index}.mp4")) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames).astype(np.uint8, copy=False)


class Hdf5(Container):
    """One HDF5 file with gzip and byte shuffle, a video is a chunk."""

    def write(self, videos: Videos) -> None:
        """Write all videos."""
        with h5py.File(self.folder / "videos.h5", "w") as file:
            chunks = (1, *videos.shape[1:])
            file.create_dataset(
                "videos", data=videos, chunks=chunks, compression="gzip", shuffle=True
            )
        self.file = h5py.File(self.folder / "videos.h5")

    def read(self, index: int) -> Videos:
        """Read one video, (F, H, W, 3)."""
        return np.asarray(self.file["videos"][index], np.uint8)


CONTAINERS: dict[str, type[Container]] = {
    "mp4, H.264 without loss": Mp4,
    "tar of PNG": PngTar,
    "HDF5, gzip": Hdf5,
    "raw .npy": Raw,
    "Zarr, zstd 1": ZarrFast,
    "Zarr, Blosc": ZarrBlosc,
    "Zarr, zstd 3": ZarrShard,
    "ours: zstd 3, read by zarrs, checked": Ours,
}
