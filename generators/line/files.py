"""Lossless video files whose bytes depend on nothing but the pictures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


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
