"""How many frames a second clips have, from when their frames are shown; nothing is decoded."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from av.error import FFmpegError
from PIL import Image, ImageSequence

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import DEFAULT_FPS, VIDEO, open_video, page_count
from flawcast.generators.clips.entries import ClipEntry
from flawcast.generators.clips.pictures import DAMAGED, UNREADABLE
from flawcast.generators.clips.times import rate_of

Rate = float | None
"""Frames per second; None for pictures without times, such as a folder of frames."""


def rates_of(entries: Iterable[ClipEntry], most: int | None = None) -> dict[str, Rate]:
    """The rates of clips by name, without those that cannot be read: reading them says why.

    Args:
        entries: The clips.
        most: Look at this many frames of a video; None for all, which reads the whole file.
    """
    rates: dict[str, Rate] = {}
    for entry in entries:
        try:
            rates[entry.name] = clip_rate(entry.path, most)
        except (ClipError, FFmpegError, *UNREADABLE, *DAMAGED):
            continue
    return rates


def clip_rate(path: Path, most: int | None = None) -> Rate:
    """The usual rate of a clip, as reading it gives.

    Args:
        path: The clip.
        most: As in `rates_of`.

    Raises:
        ClipError: If it is no video.
        OSError: If it cannot be read.
    """
    if path.is_dir():
        return None
    if path.suffix.lower() in VIDEO:
        return _video_rate(path, most)
    return _rate_of_pages(path) if page_count(path) > 1 else None


def _video_rate(path: Path, most: int | None) -> Rate:
    """The rate of the packets of a video, or the one that its header declares."""
    with open_video(path) as container:
        if not container.streams.video:
            raise ClipError("holds no video stream")
        stream = container.streams.video[0]
        declared = float(stream.average_rate or 0) or DEFAULT_FPS
        times = [
            None if packet.pts is None else float(packet.pts * packet.time_base)
            for packet in islice(container.demux(stream), most)
            if packet.size
        ]
    known = sorted(time for time in times if time is not None)
    return rate_of(known, declared) if len(known) == len(times) else declared


def _rate_of_pages(path: Path) -> Rate:
    """The rate of an animated picture; a TIFF of several pages has none."""
    with Image.open(path) as image:
        shown = [float(page.info.get("duration") or 0) for page in ImageSequence.Iterator(image)]
    if not all(shown):
        return None
    times = [sum(shown[:number]) / 1000 for number in range(len(shown))]
    return rate_of(times, 1000 / shown[0])
