"""Pretrained features of pictures and frames, computed once and cached by content."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from platformdirs import user_cache_path
from torch import Tensor

from flawcast.configs.files import whole_file
from flawcast.flows.uplift.detectors.sights import seen_frames
from flawcast.generators.clips.frames import to_tensor, to_video
from flawcast.generators.video_features.pictures import CHANNELS, load_pretrained

SIZE = 224  # pixels along a side of the frames of a video, which the network was trained at
CELLS = 7  # along a side of the grid that a frame's features are summed up in
CELL_FEATURES = 2 * CHANNELS[0] + CHANNELS[1]  # means of both strides, largest of the finer one
CELL_VALUES = CELLS * CELLS * CELL_FEATURES  # of a frame
MAP = SIZE // 8  # places along a side of the finer stride
MAP_FEATURES = 16  # of every place, of its 40: where things are matters more to a head over time
BATCH = 8  # pictures that the network sees at once


def cache_folder() -> Path:
    """Where features are kept: a folder of the user's cache."""
    return user_cache_path("flawcast") / "features"


def see_features(video: NDArray[np.uint8]) -> Tensor:
    """A video (F, H, W, 3) as the detectors on pretrained features see it: (T, 7, 7, features).

    The whole frame is seen at 224 pixels, whatever its aspect.
    """
    return _seen(video)[:, :CELL_VALUES].unflatten(1, (CELLS, CELLS, CELL_FEATURES))


def see_maps(video: NDArray[np.uint8]) -> Tensor:
    """A video (F, H, W, 3) as a head over time sees it: (features, T, 28, 28).

    The features of stride 8 in a fixed random projection, by place.
    """
    maps = _seen(video)[:, CELL_VALUES:].unflatten(1, (MAP_FEATURES, MAP, MAP))
    return maps.transpose(0, 1).contiguous()


def frame_features(video: Tensor) -> Tensor:
    """Pretrained features of a video's frames, as a `transform` of datasets.

    Args:
        video: RGB in [0, 1], (F, 3, H, W).

    Returns:
        Features of a grid of cells of every second frame, (T, 7, 7, features).
    """
    return see_features(to_video(video))


def pixel_features(picture: NDArray[np.uint8]) -> Tensor:
    """A picture (H, W, 3) at its own size, feature by feature: (H / 8, W / 8, features).

    Features of stride 16 are enlarged, and both strides have a smoothed copy, so that a place knows
    its surround.
    """
    return torch.from_numpy(cached("pixels", picture[None], _pixels)[0]).float()


def cached(
    what: str,
    pictures: NDArray[np.uint8],
    compute: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> NDArray[np.float16]:
    """Features of pictures from the cache, or computed and kept there.

    Args:
        what: Kind of the features.
        pictures: RGB, (n, H, W, 3).
        compute: Takes the pictures and returns features, (n, ...).
    """
    digest = hashlib.sha256(f"{what} {network_id()} {pictures.shape}".encode())
    digest.update(np.ascontiguousarray(pictures).data)
    name = digest.hexdigest()[:32]
    path = cache_folder() / name[:2] / f"{name}.npy"
    if path.is_file():
        try:
            return np.asarray(np.load(path), np.float16)
        except (ValueError, OSError):  # damaged: computed again
            path.unlink(missing_ok=True)
    features = np.asarray(compute(pictures), np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft, draft.open("wb") as stream:
        np.save(stream, features)
    return features


@lru_cache(maxsize=1)
def network_id() -> str:
    """A hash of the network's weights."""
    return load_pretrained()[1]


def _maps(pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Features of pictures (n, H, W, 3) at both strides, (n, C, h, w) each."""
    network, _ = load_pretrained()
    parts = [network(part) for part in to_tensor(pictures).split(BATCH)]
    middle, last = (torch.cat([part[index] for part in parts]) for index in (0, 1))
    return middle, last


def _seen(video: NDArray[np.uint8]) -> Tensor:
    """What detectors see of a video's frames, (T, CELL_VALUES and maps)."""
    frames = np.stack([_square(frame) for frame in video[seen_frames(len(video))]])
    return torch.from_numpy(cached("frames", frames, _frames)).float()


def _frames(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of square frames (T, S, S, 3): summed up in cells, and by place; (T, values)."""
    middle, last = _maps(frames)
    parts = [
        F.adaptive_avg_pool2d(middle, CELLS),
        F.adaptive_max_pool2d(middle, CELLS),
        F.adaptive_avg_pool2d(last, CELLS),
    ]
    cells = torch.cat(parts, 1).permute(0, 2, 3, 1).flatten(1)
    generator = torch.Generator().manual_seed(0)
    mixed, _ = torch.linalg.qr(torch.randn(CHANNELS[0], MAP_FEATURES, generator=generator))
    maps = torch.einsum("tchw,cd->tdhw", middle, mixed).flatten(1)
    values: NDArray[np.float32] = torch.cat([cells, maps], 1).contiguous().numpy()
    return values


def _pixels(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of pictures (n, H, W, 3) by place: (n, H / 8, W / 8, features)."""
    middle, last = _maps(pictures)
    last = F.interpolate(last, middle.shape[-2:], mode="bilinear", align_corners=False)
    both = torch.cat([middle, last], 1)
    around = F.avg_pool2d(both, 3, 1, 1, count_include_pad=False)
    found = torch.cat([both, around], 1).permute(0, 2, 3, 1)
    values: NDArray[np.float32] = found.contiguous().numpy()
    return values


def _square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame stretched to what the network was trained at."""
    shrinks = min(frame.shape[:2]) > SIZE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (SIZE, SIZE), interpolation=method), np.uint8)
