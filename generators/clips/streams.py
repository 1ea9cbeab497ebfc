"""Frames as they come: from clips, from a camera or an address, or from another program's pipe."""

import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError, one_line
from flawcast.generators.clips.decoding import DEFAULT_FPS, each_frame
from flawcast.generators.clips.listing import ClipEntry, OnReject, list_clips

Image = NDArray[np.uint8]

WAITING_SECONDS = 1.0  # of a camera's frames that may wait before the oldest is dropped
MISSES = 25  # reads in a row that bring no frame: the camera is lost
PATIENCE_SECONDS = 10.0  # without a frame: the camera is lost
PIPE = "-"


class Stream(ABC):
    """Frames of one source, in the order of their time.

    Args:
        name: What it is called.
        fps: Frames per second.
        entry: Its clip; None for a camera, an address or a pipe.
    """

    live = False  # whether frames come at their own pace, and some may be dropped
    dropped = 0

    def __init__(self, name: str, fps: float, entry: ClipEntry | None = None) -> None:
        self.name, self.fps, self.entry = name, fps, entry

    @abstractmethod
    def frames(self) -> Iterator[tuple[int, Image]]:
        """Number and picture of each frame, RGB, (H, W, 3).

        Raises:
            ClipError: If the source is damaged, or a camera is lost.
        """


class ClipStream(Stream):
    """A clip, read as fast as its frames are wanted; none is dropped.

    Raises:
        ClipError: If it cannot be opened.
    """

    def __init__(self, entry: ClipEntry) -> None:
        try:
            self._frames, fps = each_frame(entry.path)
        except ClipError as error:
            raise ClipError(f"{entry.name}: {error}") from None
        super().__init__(entry.name, fps, entry)

    def frames(self) -> Iterator[tuple[int, Image]]:
        """See `Stream`."""
        try:
            for number, frame in enumerate(self._frames):
                yield number, np.asarray(frame, np.uint8)
        except ClipError as error:
            raise ClipError(f"{self.name}: {error}") from None


class PipeStream(Stream):
    """A video that another program writes to standard input, such as `ffmpeg ... -f matroska -`.

    Raises:
        ClipError: If there is none.
    """

    def __init__(self, pipe: Any = None) -> None:
        try:
            self._container = av.open(sys.stdin.buffer if pipe is None else pipe, "r")
            video = self._container.streams.video[0]
        except (FFmpegError, IndexError, ValueError) as error:
            raise ClipError(
                f"standard input: expected a video, cannot read it ({one_line(error)}); pipe one "
                "into it: ffmpeg -i SOURCE -f matroska - | flawcast watch - ..."
            ) from None
        super().__init__("standard input", float(video.average_rate or DEFAULT_FPS))

    def frames(self) -> Iterator[tuple[int, Image]]:
        """See `Stream`."""
        try:
            for number, frame in enumerate(self._container.decode(video=0)):
                yield number, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except FFmpegError as error:
            raise ClipError(f"standard input: damaged ({one_line(error)})") from None


class CameraStream(Stream):
    """A camera by its number, or a stream by its address.

    A thread takes its frames, so that none is missed while others are scored. At most one second
    of frames waits; then the oldest is dropped and counted. Frame numbers count dropped ones.

    Raises:
        ClipError: If it cannot be opened.
    """

    live = True

    def __init__(self, source: str) -> None:
        kind = "camera" if source.isdigit() else "stream"
        name = f"{kind} {source}"
        self._capture: Any = cv2.VideoCapture(int(source) if source.isdigit() else source)
        if not self._capture.isOpened():
            self._capture.release()
            raise ClipError(
                f"{name}: expected one that can be opened, it cannot; check that it is connected, "
                "that no other program uses it, and its number or address"
            )
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        super().__init__(name, rate if 1 <= rate <= 1000 else DEFAULT_FPS)
        self._waiting: deque[tuple[int, Image]] = deque(maxlen=max(2, round(self.fps)))
        self._arrived = threading.Condition()
        self._ended = self._closing = False

    def frames(self) -> Iterator[tuple[int, Image]]:
        """See `Stream`."""
        reader = threading.Thread(target=self._read, name=self.name, daemon=True)
        reader.start()
        last = -1
        try:
            while True:
                with self._arrived:
                    came = self._arrived.wait_for(
                        lambda: bool(self._waiting) or self._ended, PATIENCE_SECONDS
                    )
                    if not self._waiting:
                        raise ClipError(self._lost(last, came))
                    number, frame = self._waiting.popleft()
                self.dropped += number - last - 1
                last = number
                yield number, np.ascontiguousarray(frame[..., ::-1])
        finally:
            self._closing = True
            reader.join(1.0)
            if not reader.is_alive():
                self._capture.release()

    def _read(self) -> None:
        """Take frames until there are none."""
        number = misses = 0
        while misses < MISSES and not self._closing:
            came, frame = self._capture.read()
            if not came:
                misses += 1
                continue
            misses = 0
            with self._arrived:
                self._waiting.append((number, frame))
                self._arrived.notify()
            number += 1
        with self._arrived:
            self._ended = True
            self._arrived.notify()

    def _lost(self, last: int, came: bool) -> str:
        """The line about a camera without frames."""
        how = "ended" if came else f"brought nothing for {PATIENCE_SECONDS:.0f} seconds"
        return (
            f"{self.name}: {how} after {last + 1} frames; check its cable or network, then watch "
            "again; events until then are written"
        )


def streams_of(source: str, on_reject: OnReject = lambda reject: None) -> Iterator[Stream]:
    """The streams that a user names: one for a camera, an address or a pipe, else one for a clip.

    Args:
        source: Number of a camera, an address such as `rtsp://...`, `-` for standard input, or a
            file, folder of frames or folder of clips.
        on_reject: Called for each clip that cannot be listed.

    Raises:
        ClipError: If there is no such source, or it cannot be opened.
    """
    if source == PIPE:
        yield PipeStream()
    elif (source.isdigit() and not Path(source).exists()) or "://" in source:
        yield CameraStream(source)
    else:
        for entry in list_clips(Path(source), on_reject):
            yield ClipStream(entry)
