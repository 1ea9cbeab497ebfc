"""What the headers of a clip's files say: size, rate, length, depth. Nothing is decoded."""

import warnings
from dataclasses import dataclass

from av.error import FFmpegError
from PIL import Image

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import VIDEO, frame_files, open_video
from flawcast.generators.clips.display_geometry import size_as_shown
from flawcast.generators.clips.entries import ClipEntry
from flawcast.generators.clips.pictures import DAMAGED, UNREADABLE

BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}


@dataclass(frozen=True)
class Probe:
    """What a clip's header says; zeros where it says nothing.

    Args:
        width: Pixels, as they are shown.
        height: Pixels, as they are shown.
        frames: Number of frames; 0 if only decoding would tell.
        fps: Frames per second; 0 if unknown.
        bits: Bits of a value.
        problem: Why the header cannot be read; empty if it can.
    """

    width: int = 0
    height: int = 0
    frames: int = 0
    fps: float = 0.0
    bits: int = 0
    problem: str = ""


def probe_clip(entry: ClipEntry) -> Probe:
    """Read the header of a clip; a problem is in the result, never raised."""
    try:
        if entry.path.suffix.lower() in VIDEO and entry.path.is_file():
            return _of_video(entry)
        files = frame_files(entry.path) if entry.path.is_dir() else [entry.path]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(files[0]) as image:
                pages = getattr(image, "n_frames", 1)
                duration = image.info.get("duration") or 0
                return Probe(
                    image.width,
                    image.height,
                    len(files) if entry.path.is_dir() else pages,
                    round(1000 / duration, 3) if duration else 0.0,
                    BITS.get(image.mode, 8),
                )
    except (ClipError, FFmpegError, *UNREADABLE, *DAMAGED) as error:
        return Probe(problem=" ".join(str(error).split()) or type(error).__name__)


def _of_video(entry: ClipEntry) -> Probe:
    """The header of a video."""
    with open_video(entry.path) as container:
        if not container.streams.video:
            raise ClipError("holds no video stream")
        stream = container.streams.video[0]
        form = stream.codec_context.format
        bits = max((part.bits for part in form.components), default=8) if form else 0
        rate = float(stream.average_rate or 0)
        width, height = size_as_shown(stream)
        return Probe(width, height, stream.frames, round(rate, 3), bits)
