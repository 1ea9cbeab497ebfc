"""Decode videos, gifs, folders of frames and strips to RGB uint8 frames."""

import re
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageSequence

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.containers import promised_size
from flawcast.generators.clips.pictures import (
    DAMAGED,
    UNREADABLE,
    Frame,
    check_pixels,
    read_picture,
    read_pictures,
    reason_of,
    to_rgb,
)

VIDEO = {".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".3gp", ".3g2", ".f4v", ".flv"}
VIDEO |= {".wmv", ".asf", ".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".dv"}
VIDEO |= {".ogv", ".y4m", ".h264", ".264", ".hevc", ".265", ".ivf", ".mjpeg", ".mjpg"}
GIF = {".gif"}
STILL = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
FORMATS = "mp4, avi, mkv, webm, mov, gif, folders of frames, or PNG strips"
LONGEST_SIDE = 4096  # pixels, the largest width or height of a video
MOST_FRAMES = 20_000
DEFAULT_FPS = 25.0  # for sources that declare no frame rate
OPENING = {  # a playlist that is named like a video would make FFmpeg open other files
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,flv,live_flv,asf,mpeg,mpegvideo,"
    "mpegts,mxf,dv,ogg,yuv4mpegpipe,h264,hevc,ivf,mjpeg",
}

Shape = Callable[[Frame], Frame]


def decode(path: Path, shape: Shape, stride: int, most: int | None) -> tuple[list[Frame], float]:
    """Read every `stride`-th frame of a clip, shaping each as soon as it is decoded.

    Args:
        path: A video, a gif, a strip, or a folder of frames.
        shape: Converts a frame (H, W, 3) or (H, W) for the caller; only its results are kept.
        stride: Keep every n-th frame.
        most: Largest number of kept frames; None for all frames.

    Returns:
        Kept frames and frames per second (before the stride).

    Raises:
        ClipError: If the file cannot be read completely; the message is only the reason.
    """
    limit = MOST_FRAMES if most is None else most
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about what is reported as an error
            frames, fps = _opener(path)(path)
            kept: list[Frame] = []
            for index, frame in enumerate(frames):
                if index % stride == 0:
                    if len(kept) == limit:
                        if most is None:
                            raise ClipError(
                                f"expected at most {MOST_FRAMES} frames, got more; "
                                "cut it or raise the stride"
                            )
                        break
                    kept.append(shape(frame))
    except ClipError:
        raise
    except FFmpegError as error:
        raise ClipError(f"not a readable video ({reason_of(error)})") from None
    except UNREADABLE as error:
        raise ClipError(f"not a readable picture ({reason_of(error)})") from None
    except DAMAGED as error:
        raise ClipError(f"damaged ({reason_of(error)})") from None
    if not kept:
        raise ClipError("holds no frames")
    return kept, fps


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame 9 before frame 10."""
    return [(int(part or 0), text) for part, text in re.findall(r"(\d+)|(\D+)", path.name)]


def frame_files(folder: Path) -> list[Path]:
    """Frames of a folder in natural order, without its masks and hidden files."""
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in STILL
            and not path.name.startswith(".")
            and not path.stem.endswith("_mask")
        ),
        key=natural_key,
    )


def mask_files(folder: Path) -> list[Path]:
    """Per-frame masks of a folder (`NAME_mask.png`) in natural order."""
    return sorted(folder.glob("*_mask.png"), key=natural_key)


def _opener(path: Path) -> Callable[[Path], tuple[Iterator[Frame], float]]:
    """The function that reads this kind of file."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return _folder
    if not path.is_file():  # opening a named pipe would wait forever
        raise ClipError("not a regular file" if path.exists() else "there is no such file")
    if suffix in VIDEO:
        return _video
    if suffix in GIF:
        return _gif
    if suffix in STILL:
        return _strip
    raise ClipError(f"not a clip: expected {FORMATS}, got {suffix or 'a file without suffix'}")


def _video(path: Path) -> tuple[Iterator[Frame], float]:
    """Frames of a video, decoded on one thread so that every machine gets the same ones."""
    with open_video(path) as container:
        if not container.streams.video:
            raise ClipError("holds no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ClipError("holds a video of an unknown codec")
        rate = float(stream.average_rate or Fraction(0)) or DEFAULT_FPS
        if max(stream.width, stream.height) > LONGEST_SIDE:
            raise _too_large(stream.width, stream.height)
    return _video_frames(path), rate


def open_video(path: Path) -> InputContainer:
    """Open a video by its absolute path: FFmpeg would read `12:30.mp4` as a protocol."""
    return av.open(str(path.absolute()), options=OPENING, metadata_errors="replace")


def _too_large(width: int, height: int) -> ClipError:
    """The error for a video that would fill the memory."""
    return ClipError(f"expected at most {LONGEST_SIDE} pixels a side, got {width}x{height}")


def _video_frames(path: Path) -> Iterator[Frame]:
    """Decode frame by frame."""
    count = hidden = 0
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        expected = stream.frames or _frames_by_duration(container, stream)
        try:
            for packet in container.demux(stream):
                hidden += packet.is_discard  # the header counts frames that an edit list cuts off
                for frame in packet.decode():
                    assert isinstance(frame, VideoFrame)  # noqa: S101 - narrows the type
                    if frame.is_corrupt:
                        raise ClipError(f"damaged after frame {count}")
                    if max(frame.width, frame.height) > LONGEST_SIDE:  # the header may be wrong
                        raise _too_large(frame.width, frame.height)
                    count += 1
                    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    yield np.rot90(pixels, frame.rotation // 90) if frame.rotation else pixels
        except FFmpegError as error:
            raise ClipError(f"damaged after frame {count} ({reason_of(error)})") from None
    if promised_size(path) > path.stat().st_size:
        raise ClipError(f"damaged after frame {count}: the file is cut short")
    if count < expected - hidden - 2:  # some containers count a frame or two too many
        raise ClipError(f"damaged after frame {count}: its header promises {expected}")


def _frames_by_duration(container: InputContainer, stream: VideoStream) -> int:
    """Number of frames that a container's duration implies; 0 if it declares none.

    The duration is that of the longest stream, which may be the sound.
    """
    if len(container.streams) > 1:
        return 0
    seconds = (container.duration or 0) / av.time_base
    return int(seconds * float(stream.average_rate or 0) * 0.95)  # rates vary a little


def _gif(path: Path) -> tuple[Iterator[Frame], float]:
    """Frames of an animated gif, with disposal and transparency applied."""
    with path.open("rb") as stream:  # a gif truncated between two frames decodes without error
        stream.seek(max(0, path.stat().st_size - 64))
        if not stream.read().rstrip(b"\0").endswith(b";"):
            raise ClipError("damaged (it ends before its trailer)")
    with Image.open(path) as image:
        check_pixels(image)
        milliseconds = image.info.get("duration") or 1000 / DEFAULT_FPS
    return _gif_frames(path), 1000 / milliseconds


def _gif_frames(path: Path) -> Iterator[Frame]:
    """Decode frame by frame."""
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            yield to_rgb(frame)


def _folder(path: Path) -> tuple[Iterator[Frame], float]:
    """Frames of a folder of pictures."""
    return read_pictures(frame_files(path)), DEFAULT_FPS


def _strip(path: Path) -> tuple[Iterator[Frame], float]:
    """Square frames that lie side by side in one picture."""
    strip = read_picture(path)
    height, width = strip.shape[:2]
    if width < 2 * height or width % height:
        raise ClipError(
            f"not a strip: expected a width that is a multiple of the height, got {width}x{height}"
        )
    return iter(np.split(strip, width // height, axis=1)), DEFAULT_FPS
