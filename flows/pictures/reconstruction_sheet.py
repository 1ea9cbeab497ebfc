"""A picture to judge a reconstruction error by: truth above, redrawn from its first frame below."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.flows.pictures.thumbnails import shrink_frames
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.clips.frames import to_video
from flawcast.generators.training.motion import reconstruct

SHEET = "reconstruction.png"
CLIPS, TIMES, SHOWN = 8, 8, 96


def reconstruction_sheet(
    backbone: MotionBackbone, videos: Sequence[NDArray[np.uint8]], path: Path
) -> Path:
    """Write a PNG of up to eight clips at up to eight times: frames and their redrawn versions."""
    chosen = np.linspace(0, len(videos) - 1, min(CLIPS, len(videos))).astype(int)
    pairs = ((videos[index], to_video(reconstruct(backbone, videos[index]))) for index in chosen)
    return strips(list(pairs), path)


def strips(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], path: Path) -> Path:
    """Write a PNG of real and redrawn frames of up to eight clips."""
    rows = []
    for truth, redrawn in pairs[:CLIPS]:
        times = np.linspace(0, len(truth) - 1, TIMES).astype(int)
        rows += [_strip(truth[times]), _strip(redrawn[times])]
        rows.append(np.full((6, TIMES * SHOWN, 3), 255, np.uint8))
    Image.fromarray(np.concatenate(rows[:-1])).save(path)
    return path


def _strip(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames side by side at one shown size."""
    return np.concatenate(list(shrink_frames(frames, SHOWN, SHOWN)), axis=1)
