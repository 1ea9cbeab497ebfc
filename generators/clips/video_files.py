"""Write videos that people watch and other programs read: mp4, mkv and gif."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import SettingsError
from flawcast.configs.files import whole_file

SUFFIXES = (".mp4", ".mkv", ".gif")
SLOWEST, FASTEST = 1.0, 240.0  # frames per second of a video that people watch
QUALITY = "16"  # x264's constant rate factor: visually lossless


def check_video_name(path: Path) -> None:
    """Refuse a file name that `write_video` cannot write.

    Raises:
        SettingsError: If the suffix is unknown or the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"out: expected a file ending in {', '.join(SUFFIXES)}, got {path.name!r}"
        )
    if not path.parent.is_dir():
        raise SettingsError(f"out: expected an existing folder, {path.parent} is none; make it")


def write_video(path: Path, video: NDArray[np.uint8], fps: float) -> None:
    """Write a complete video or nothing.

    Args:
        path: File to write, ending in .mp4 (H.264), .mkv (FFV1, lossless) or .gif.
        video: RGB, (T, H, W, 3).
        fps: Frames per second; less than one, of a slow camera, is shown as one.

    Raises:
        SettingsError: If the suffix is unknown or the folder does not exist.
    """
    check_video_name(path)
    fps = sane_rate(fps)
    with whole_file(path) as draft:
        if path.suffix.lower() == ".mkv":
            write_ffv1(draft, video, fps)
        elif path.suffix.lower() == ".gif":
            first, *rest = map(Image.fromarray, video)
            first.save(draft, save_all=True, append_images=rest, duration=1000 / fps, loop=0)
        else:
            _write_h264(draft, video, fps)


def sane_rate(fps: float) -> float:
    """A rate at which people can watch a video, near its own.

    Example:
        >>> sane_rate(1 / 60), sane_rate(12.5)
        (1.0, 12.5)
    """
    return min(max(fps, SLOWEST), FASTEST)


def write_ffv1(path: Path, video: NDArray[np.uint8], fps: float) -> None:
    """Write a video with the lossless FFV1 codec in a Matroska file.

    Args:
        path: File to write, ending in .mkv.
        video: RGB (T, H, W, 3) or grey (T, H, W).
        fps: Frames per second.
    """
    grey = video.ndim == 3
    exact = {"fflags": "+bitexact"}  # no date, no library version, no random ids
    with av.open(str(path), "w", format="matroska", container_options=exact) as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = "gray" if grey else "bgr0"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"flags": "+bitexact"}
        for picture in video:
            frame = av.VideoFrame.from_ndarray(picture, format="gray" if grey else "rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))


def _write_h264(path: Path, video: NDArray[np.uint8], fps: float) -> None:
    """Write H.264 in an mp4; odd sizes lose their last row or column, as the format requires."""
    height, width = (extent // 2 * 2 for extent in video.shape[1:3])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.options = {"crf": QUALITY, "preset": "slow"}
        for picture in video[:, :height, :width]:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
