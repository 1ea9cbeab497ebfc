"""Videos of many episodes in one file, as LeRobot v3 keeps them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Video = NDArray[np.uint8]
# A key picture every second frame, as LeRobot has it: a single frame is found quickly. Masks, which
# have two levels, are kept exactly by a quality of 0.
OPTIONS = {"preset": "medium", "g": "2", "bf": "0"}
QUALITY, EXACT = "16", "0"


@dataclass(frozen=True)
class Place:
    """Where an episode's video is.

    Args:
        chunk: Number of the folder.
        file: Number of the file in it.
        begin: When it begins in the file, in seconds.
        end: When it ends.
    """

    chunk: int
    file: int
    begin: float
    end: float


class EpisodeVideos:
    """Writes episodes one after the other, into a new file when one is large enough.

    Args:
        folder: Where to.
        pattern: Of the files' paths, with `video_key`, `chunk_index` and `file_index`.
        fps: Frames per second.
        largest: Size in MB after which a file takes no further episode.
        files: Files of one folder.
    """

    def __init__(self, folder: Path, pattern: str, fps: float, largest: int, files: int) -> None:
        self._folder, self._pattern = folder, pattern
        self._fps, self._largest, self._files = fps, largest * 2**20, files
        self._open: dict[str, tuple[Any, Any, Path]] = {}
        self._number, self._frames = 0, 0

    def __enter__(self) -> "EpisodeVideos":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def add(self, videos: dict[str, Video]) -> dict[str, Place]:
        """Write the videos of an episode, which are in files of the same number.

        Args:
            videos: RGB (F, H, W, 3) of even size, by name; a mask's name ends in "mask".
        """
        if any(path.stat().st_size >= self._largest for _, _, path in self._open.values()):
            self._close()
            self._number, self._frames = self._number + 1, 0
        chunk, file = divmod(self._number, self._files)
        count = len(next(iter(videos.values())))
        for key, video in videos.items():
            container, stream, _ = self._open.get(key) or self._start(key, video, chunk, file)
            for number, picture in enumerate(video, start=self._frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
        begin, end = self._frames / self._fps, (self._frames + count) / self._fps
        self._frames += count
        return {key: Place(chunk, file, begin, end) for key in videos}

    def _start(self, key: str, video: Video, chunk: int, file: int) -> tuple[Any, Any, Path]:
        """Begin a file."""
        path = self._folder / self._pattern.format(
            video_key=key, chunk_index=chunk, file_index=file
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        container = av.open(str(path), "w")
        rate = Fraction(self._fps).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.options = {**OPTIONS, "crf": EXACT if key.endswith("mask") else QUALITY}
        self._open[key] = container, stream, path
        return self._open[key]

    def _close(self) -> None:
        """End the files."""
        for container, stream, _ in self._open.values():
            container.mux(stream.encode(None))
            container.close()
        self._open = {}
