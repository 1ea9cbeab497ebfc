"""Clips of every kind that the tests write and read again."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.generators.clips.video_files import write_ffv1

SMALL = ClipSettings(size=16)
FRAMES = 6


def moving(frames: int = FRAMES, height: int = 32, width: int = 32) -> np.ndarray:
    """A bright square on its way over a dark picture."""
    video = np.full((frames, height, width, 3), 40, np.uint8)
    for time in range(frames):
        video[time, 4:20, 2 + time : 18 + time] = (220, 120, 60)
    return video


def write_stream(container: OutputContainer, video: np.ndarray, codec: str) -> None:
    stream = container.add_stream(codec, rate=Fraction(10))
    stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
    for picture in video:
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode())


def write_video(
    path: Path, video: np.ndarray, codec: str, options: dict[str, str] | None = None
) -> None:
    with av.open(str(path), "w", options=options or {}) as container:
        write_stream(container, video, codec)


def write_gif(path: Path, video: np.ndarray) -> None:
    pictures = [Image.fromarray(frame) for frame in video]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)


def write_frames(folder: Path, video: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for time, frame in enumerate(video):
        Image.fromarray(frame).save(folder / f"{time}.png")


KINDS = {
    "clip.mp4": lambda path: write_video(path, moving(), "libx264"),
    "clip.avi": lambda path: write_video(path, moving(), "mpeg4"),
    "clip.mkv": lambda path: write_ffv1(path, moving(), 10),
    "clip.webm": lambda path: write_video(path, moving(), "libvpx-vp9"),
    "clip.gif": lambda path: write_gif(path, moving()),
    "frames": lambda path: write_frames(path, moving()),
    "strip.png": lambda path: Image.fromarray(np.concatenate(list(moving()), axis=1)).save(path),
}
