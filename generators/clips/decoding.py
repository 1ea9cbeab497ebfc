"""Decode videos, gifs, folders of frames and strips to RGB uint8 frames."""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from flawcast.configs.errors import ClipError
from flawcast.generators.clips.containers import gif_is_whole, promised_size
from flawcast.generators.clips.depth import (
    bits_in_use,
    deep_values,
    largest_of,
    mosaic_of,
    to_colour,
    to_eight_bits,
)
from flawcast.generators.clips.display_geometry import as_shown
from flawcast.generators.clips.frame_names import frames_among, in_order
from flawcast.generators.clips.pictures import (
    DAMAGED,
    UNREADABLE,
    Frame,
    check_pixels,
    depth_of,
    read_picture,
    read_pictures,
    reason_of,
    to_rgb,
)
from flawcast.generators.clips.times import gaps_of, rate_of

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


@dataclass(frozen=True, eq=False)
class Decoded:
    """A clip's frames, and when they were taken.

    Args:
        frames: Kept frames, as shaped by the caller.
        fps: Frames per second, before the stride.
        times: When each kept frame is shown, in seconds.
        gaps: Numbers of the kept frames before which the camera paused.
        notes: What people should know, such as frames that were left out.
    """

    frames: list[Frame]
    fps: float
    times: list[float]
    gaps: list[int]
    notes: tuple[str, ...] = ()


@dataclass
class _Source:
    """What an opener returns: frames with their times (None: evenly), a rate, and notes."""

    frames: Iterator[tuple[Frame, float | None]]
    fps: float
    notes: list[str] = field(default_factory=list)


def decode(path: Path, shape: Shape, stride: int, most: int | None) -> tuple[list[Frame], float]:
    """Read every `stride`-th frame of a mask; the frames and the rate of `decode_timed`."""
    decoded = decode_timed(path, shape, stride, most, mosaic="")
    return decoded.frames, decoded.fps


def decode_timed(
    path: Path, shape: Shape, stride: int, most: int | None, mosaic: str | None = None
) -> Decoded:
    """Read every `stride`-th frame of a clip, shaping each as soon as it is decoded.

    Args:
        path: A video, a gif, a strip, a picture of several pages, or a folder of frames.
        shape: Converts a frame (H, W, 3) or (H, W) for the caller; only its results are kept.
        stride: Keep every n-th frame.
        most: Largest number of kept frames; None for all frames.
        mosaic: The order of colours in greys of a colour camera; None for what names say, "" for
            none.

    Raises:
        ClipError: If the file cannot be read completely; the message is only the reason.
    """
    limit = MOST_FRAMES if most is None else most
    kept: list[Frame] = []
    times: list[float | None] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about what is reported as an error
            source = _opener(path)(path, mosaic)
            for index, (frame, time) in enumerate(source.frames):
                if index % stride == 0 and len(kept) == limit:
                    if most is None:
                        raise ClipError(
                            f"expected at most {MOST_FRAMES} frames, got more; "
                            "cut it or raise the stride"
                        )
                    break
                times.append(time)
                if index % stride == 0:
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
    known = [time for time in times if time is not None]
    if len(known) < len(times) or any(late < early for early, late in pairwise(known)):
        known = [index / source.fps for index in range(len(times))]
    gaps = sorted({-(-gap // stride) for gap in gaps_of(known).tolist()} - {len(kept)})
    rate = rate_of(known, source.fps)
    return Decoded(kept, rate, known[::stride], gaps, tuple(source.notes))


def each_frame(path: Path, mosaic: str | None = None) -> tuple[Iterator[Frame], float]:
    """The frames of a clip one by one, however many there are, and their rate.

    Raises:
        ClipError: If the file cannot be read, here or at the first frame that is damaged; the
            message is only the reason.
    """

    def readable(source: _Source) -> Iterator[Frame]:
        try:
            for frame, _ in source.frames:
                yield frame
        except FFmpegError as error:
            raise ClipError(f"not a readable video ({reason_of(error)})") from None
        except (*UNREADABLE, *DAMAGED) as error:
            raise ClipError(f"damaged ({reason_of(error)})") from None

    try:
        source = _opener(path)(path, mosaic)
    except FFmpegError as error:
        raise ClipError(f"not a readable video ({reason_of(error)})") from None
    except (*UNREADABLE, *DAMAGED) as error:
        raise ClipError(f"not a readable picture ({reason_of(error)})") from None
    return readable(source), source.fps


def frame_files(folder: Path) -> list[Path]:
    """Frames of a folder in natural order, without its masks, hidden files and odd pictures."""
    return frames_among(picture_files(folder))


def picture_files(folder: Path) -> list[Path]:
    """All pictures of a folder but masks and hidden files."""
    return [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in STILL
        and not path.name.startswith(".")
        and not path.stem.endswith("_mask")
    ]


def mask_files(folder: Path) -> list[Path]:
    """Per-frame masks of a folder (`NAME_mask.png`) in natural order."""
    return in_order(list(folder.glob("*_mask.png")))


def _opener(path: Path) -> Callable[[Path, str | None], _Source]:
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
        return _pages if page_count(path) > 1 else _strip
    raise ClipError(f"not a clip: expected {FORMATS}, got {suffix or 'a file without suffix'}")


def _video(path: Path, said: str | None) -> _Source:
    """Frames of a video, decoded on one thread so that every machine gets the same ones."""
    with open_video(path) as container:
        if not container.streams.video:
            is_cut = promised_size(path) > path.stat().st_size
            raise ClipError("damaged: the file is cut short" if is_cut else "holds no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ClipError("holds a video of an unknown codec")
        rate = float(stream.average_rate or Fraction(0)) or DEFAULT_FPS
        if max(stream.width, stream.height) > LONGEST_SIDE:
            raise _too_large(stream.width, stream.height)
        form = _deep_form(stream.codec_context.pix_fmt or "")
    bits = bits_in_use(largest_of(_deep_frames(path, form))) if form else 0
    notes = _said(bits)
    return _Source(_video_frames(path, bits, notes, mosaic_of(path, said)), rate, notes)


def _deep_form(pix_fmt: str) -> str:
    """The form in which a video of 16 bits a value is read; empty for all others."""
    if pix_fmt.startswith("gray16"):
        return "gray16le"
    is_deep = "48" in pix_fmt or "64" in pix_fmt or re.search(r"16(le|be)$", pix_fmt)
    # Of colours as luma and chroma, 16 bits are a studio's, and all in use.
    return "rgb48le" if is_deep and not pix_fmt.startswith(("yuv", "p0", "p2", "p4")) else ""


def open_video(path: Path) -> InputContainer:
    """Open a video by its absolute path: FFmpeg would read `12:30.mp4` as a protocol."""
    return av.open(str(path.absolute()), options=OPENING, metadata_errors="replace")


def _too_large(width: int, height: int) -> ClipError:
    """The error for a video that would fill the memory."""
    return ClipError(f"expected at most {LONGEST_SIDE} pixels a side, got {width}x{height}")


def _video_frames(
    path: Path, bits: int, notes: list[str], mosaic: int | None, keyed: bool = False
) -> Iterator[tuple[Frame, float | None]]:
    """Decode frame by frame.

    A recording may begin between two key frames: what cannot be decoded without the first of them
    is left out. What a header promises says little: empty chunks, pauses and live recordings are
    not damage. Damage is what fails to decode, stops early, or is cut short.
    """
    count = early = packets = 0
    begun = False
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        listed = stream.frames if "mp4" in container.format.name else 0  # a table of all frames
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
                begun = begun or packet.is_keyframe
                early += packet.size > 0 and not begun
                for frame in _decoded(packet, keyed):
                    if not keyed and not frame.key_frame:
                        continue
                    keyed = True
                    if frame.is_corrupt:
                        raise ClipError(f"damaged after frame {count}")
                    if max(frame.width, frame.height) > LONGEST_SIDE:  # the header may be wrong
                        raise _too_large(frame.width, frame.height)
                    count += 1
                    yield as_shown(_pixels(frame, bits, mosaic), frame, stream), frame.time
        except FFmpegError as error:
            raise ClipError(f"damaged after frame {count} ({reason_of(error)})") from None
    if promised_size(path) > path.stat().st_size:
        raise ClipError(f"damaged after frame {count}: the file is cut short")
    if packets < listed - 2:  # some containers count a frame or two too many
        raise ClipError(f"damaged after frame {count}: its header promises {listed}")
    if not count and not keyed and packets:  # some cameras refresh pictures piece by piece
        yield from _video_frames(path, bits, notes, mosaic, keyed=True)
    elif early:
        notes.append(f"{early} frames before the first key frame are left out")


def _decoded(packet: "Packet[VideoStream]", keyed: bool) -> list[VideoFrame]:
    """Frames of a packet; before the first key frame, a packet that cannot be decoded has none."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except InvalidDataError:
        if keyed or packet.is_keyframe:
            raise
        return []


def _pixels(frame: VideoFrame, bits: int, mosaic: int | None) -> Frame:
    """RGB pixels as they are stored; greys may be the mosaic of a colour camera."""
    name = frame.format.name
    if bits:
        values = np.asarray(frame.to_ndarray(format=_deep_form(name) or "gray16le"), np.uint16)
        eight = to_eight_bits(values, bits)
        return eight if eight.ndim == 3 else to_colour(eight, mosaic)
    if mosaic is not None and name.startswith("gray"):
        return to_colour(np.asarray(frame.to_ndarray(format="gray"), np.uint8), mosaic)
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _deep_frames(path: Path, form: str) -> Iterator[NDArray[np.uint16]]:
    """Values of a video of 16 bits."""
    with open_video(path) as container:
        try:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format=form), np.uint16)
        except FFmpegError:
            return  # said when the frames are read


def _gif(path: Path, said: str | None) -> _Source:
    """Frames of an animated gif, with disposal and transparency applied."""
    if not gif_is_whole(path):  # one that ends between two frames decodes without an error
        raise ClipError("damaged (it ends before its trailer)")
    return _pages(path, said)


def _pages(path: Path, said: str | None) -> _Source:
    """Frames of a gif, an animated PNG or WebP, or a TIFF of several pages."""
    bits = 0
    with Image.open(path) as image:
        check_pixels(image)
        milliseconds = image.info.get("duration") or 1000 / DEFAULT_FPS
        if deep_values(image) is not None:
            pages = (deep_values(page) for page in ImageSequence.Iterator(image))
            bits = bits_in_use(largest_of(page for page in pages if page is not None))
    mosaic = mosaic_of(path, said)
    return _Source(_page_frames(path, bits, milliseconds, mosaic), 1000 / milliseconds, _said(bits))


def _page_frames(
    path: Path, bits: int, usual: float, mosaic: int | None
) -> Iterator[tuple[Frame, float | None]]:
    """Decode page by page; each says how long it is shown."""
    clock = 0.0
    with Image.open(path) as image:
        for page in ImageSequence.Iterator(image):
            frame = to_rgb(page, bits=bits, mosaic=mosaic)
            yield frame, clock / 1000
            clock += page.info.get("duration") or usual


def page_count(path: Path) -> int:
    """Number of pictures in one file; 1 for one that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return int(getattr(image, "n_frames", 1))
    except (*UNREADABLE, *DAMAGED):
        return 1


def _folder(path: Path, said: str | None) -> _Source:
    """Frames of a folder of pictures."""
    files, pictures = frame_files(path), picture_files(path)
    odd = sorted({item.name for item in pictures} - {item.name for item in files})
    notes = (
        [f"{len(odd)} pictures that are no frames are left out, such as {odd[0]}"] if odd else []
    )
    bits = depth_of(files)
    frames = ((frame, None) for frame in read_pictures(files, bits=bits, mosaic=said))
    return _Source(frames, DEFAULT_FPS, notes + _said(bits))


def _said(bits: int) -> list[str]:
    """The note for a camera that does not use all bits of its files."""
    return [f"{bits} bits of its 16 are in use, and scaled to 8"] if 0 < bits < 16 else []


def _strip(path: Path, said: str | None) -> _Source:
    """Square frames that lie side by side in one picture."""
    strip = read_picture(path, mosaic=said)
    height, width = strip.shape[:2]
    if width < 2 * height or width % height:
        raise ClipError(
            f"not a strip: expected a width that is a multiple of the height, got {width}x{height}"
        )
    squares = np.split(strip, width // height, axis=1)
    return _Source(((square, None) for square in squares), DEFAULT_FPS)
