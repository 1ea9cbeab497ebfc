"""How a video's frames are meant to be shown: pixels that are not square, turned, mirrored."""

from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
SIDES = 9  # numbers of a display matrix, row by row: a b u, c d v, x y w
LARGEST_ASPECT = 16.0  # of a pixel; more is a mistake in the header


def as_shown(pixels: Frame, frame: VideoFrame, stream: VideoStream) -> Frame:
    """Bring decoded pixels to what a player shows.

    Args:
        pixels: RGB (H, W, 3), as they are stored.
        frame: The decoded frame; its display matrix turns and mirrors.
        stream: Its stream, which knows the pixels' aspect.
    """
    return _turned(_with_square_pixels(pixels, stream), _matrix(frame))


def size_as_shown(stream: VideoStream) -> tuple[int, int]:
    """Width and height with square pixels: the narrow side is stretched, so no pixel is lost."""
    ratio = float(stream.sample_aspect_ratio or 0) or 1.0
    width, height = stream.width, stream.height
    if ratio == 1.0 or not 1 / LARGEST_ASPECT <= ratio <= LARGEST_ASPECT:
        return width, height
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))


def _with_square_pixels(pixels: Frame, stream: VideoStream) -> Frame:
    """Stretch pixels that are not square, so that a circle is round."""
    width, height = size_as_shown(stream)
    if (width, height) == (stream.width, stream.height):
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """The part a, b, c, d of a frame's display matrix; None without one."""
    # PyAV's types call it a mapping; it is a sequence of buffers.
    items: list[Any] = list(frame.side_data)
    found = next((item for item in items if item.type.name == "DISPLAYMATRIX"), None)
    if found is None:
        return None
    numbers = np.frombuffer(bytes(found), np.int32, SIDES)
    return int(numbers[0]), int(numbers[1]), int(numbers[3]), int(numbers[4])


def _turned(pixels: Frame, matrix: tuple[int, int, int, int] | None) -> Frame:
    """Turn by quarters and mirror; x' = a x + c y, y' = b x + d y."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    pixels = pixels[:, ::-1] if across < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if down < 0 else pixels)
