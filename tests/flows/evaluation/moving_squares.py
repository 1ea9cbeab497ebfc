"""Clips of a textured square that moves over a plain background: cheap, and easy to follow."""

from pathlib import Path

import numpy as np

from flawcast.generators.clips.video_files import write_ffv1

SIZE, FRAMES, FPS = 64, 44, 22.0


def moving_square(seed: int, jump_at: int | None = None, frames: int = FRAMES) -> np.ndarray:
    """A square that moves evenly, a little differently by seed; or jumps sideways at a frame."""
    rng = np.random.default_rng(seed)
    texture = np.random.default_rng(1).integers(40, 230, (14, 14, 3))
    texture = np.repeat(np.repeat(texture[::2, ::2], 2, 0), 2, 1)
    plate = np.full((SIZE, SIZE, 3), 120.0)
    plate += np.linspace(-12, 12, SIZE)[:, None, None]
    left, top = rng.uniform(4, 8), rng.uniform(20, 26)
    speed = rng.uniform(0.75, 0.95)
    video = []
    for frame in range(frames):
        picture = plate.copy()
        fast = max(0, frame - jump_at) if jump_at is not None else 0
        x = round(left + speed * frame)
        y = round(top + rng.normal(0, 0.1) + min(16, 2.2 * fast))
        picture[y : y + 14, x : x + 14] = texture
        video.append(np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255))
    return np.stack(video).round().astype(np.uint8)


def write_good(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder of good clips."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_ffv1(folder / f"good_{number}.mkv", moving_square(seed + number), FPS)
    return folder
