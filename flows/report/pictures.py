"""Pictures of a sample set for a page: a looping clip, and strips of frames, as data addresses.

Clips are animated WebP: every browser shows them without a codec of the system's, they need no
script, and they are about as small as an MP4 of this length. All futures of a set are tiles of one
picture, so that they stay in step.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.mask_levels import DEFECT
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.pictures.contact_sheet import FUTURE as SAMPLED
from flawcast.flows.pictures.contact_sheet import PAST, REFERENCE, outlined, spread_futures
from flawcast.flows.pictures.thumbnails import thumbnails
from flawcast.generators.clips.video_files import sane_rate
from flawcast.storage import SampleSet

TILE = 96  # longest side of a frame in the page, in pixels; smaller frames stay as they are
MOST_FRAMES = 48  # per clip; longer clips skip frames
SHOWN_FRAMES = 4  # of each video in a strip
STRIPS = 4  # futures that get a strip
SHORTEST_FRAME, LAST_FRAME = 80, 700  # milliseconds
BAR, GAP = 4, 2  # pixels: the coloured bar that tells past from future, and between tiles
QUALITIES = (60, 40, 20)  # of WebP, 0 to 100: the first at which a clip is small enough
LARGEST_CLIP = 110_000  # characters, so that a hundred sets stay under 15 MB
WHOLE_FROM = 192  # pixels: smaller videos are enlarged in the page as it is
LARGEST_WHOLE, WHOLE_SIDE = 600_000, 1280  # of a clip at its own size: characters, pixels
TINT = np.array([255, 60, 200], np.float32)  # of motion maps, RGB


@dataclass(frozen=True)
class Strip:
    """Some frames of one video, side by side.

    Args:
        title: What it shows.
        kind: "past", "reference" or "future".
        picture: The picture as a data URL.
        width: The width in pixels.
        height: The height in pixels.
    """

    title: str
    kind: str
    picture: str
    width: int
    height: int


@dataclass(frozen=True)
class Loop:
    """A looping clip of tiles in a row.

    Args:
        titles: One title per tile.
        picture: The picture as a data URL.
        width: The width of all tiles together, in pixels.
        height: The height in pixels.
    """

    titles: tuple[str, ...]
    picture: str
    width: int
    height: int


def draw_loop(made: SampleSet) -> Loop:
    """The real clip beside the kept futures with the lowest, the middle and the highest MAE.

    Every tile shows the past first: what was observed, or the source frame where it is another
    clip's. A bar on top tells the past from the reference and from what was sampled.
    """
    errors = made.mae[made.indices]
    count = len(errors)
    names = {0: "best"} | ({count // 2: "median"} if count > 2 else {})
    names |= {count - 1: "worst"} if count > 1 else {}
    before = made.past
    if made.provenance.mode == "transfer":
        before = np.repeat(made.source[None], len(made.past), axis=0)
    tiles = [tile(made.past, made.reference, REFERENCE)]
    tiles += [tile(before, _with_masks(made, rank), SAMPLED) for rank in names]
    frames = [beside(row) for row in zip(*tiles, strict=True)]
    pace = max(SHORTEST_FRAME, round(1000 / sane_rate(made.provenance.fps or 12)))
    step = -(-len(frames) // MOST_FRAMES)
    times = [pace * step] * len(frames[::step])
    times[-1] += LAST_FRAME
    height, width = frames[0].shape[:2]
    real = "reference" if made.provenance.mode == "transfer" else "real"
    titles = (real, *(f"{name}, MAE {errors[rank]:.4f}" for rank, name in names.items()))
    return Loop(titles, _webp(frames[::step], times), width, height)


@dataclass(frozen=True)
class Whole:
    """A video at its own size, or as large as a page can carry.

    Args:
        title: What it shows.
        picture: The looping picture as a data URL.
        width: The width in pixels.
        height: The height in pixels.
    """

    title: str
    picture: str
    width: int
    height: int


def draw_whole(made: SampleSet) -> list[Whole]:
    """Reference and best future at their own size; none of small videos."""
    if max(made.reference.shape[1:3]) <= WHOLE_FROM:
        return []
    error = made.mae[made.indices[0]]
    videos = {"reference": made.reference, f"best future, MAE {error:.4f}": made.videos[0]}
    found = []
    for title, video in videos.items():
        step = -(-len(video) // (MOST_FRAMES // 2))
        frames = list(thumbnails(video[::step], WHOLE_SIDE))
        pace = max(SHORTEST_FRAME, round(1000 / (made.provenance.fps or 12))) * step
        picture = _webp(frames, [pace] * len(frames), LARGEST_WHOLE)
        found.append(Whole(title, picture, frames[0].shape[1], frames[0].shape[0]))
    return found


def draw_strips(made: SampleSet) -> list[Strip]:
    """The contact sheet of a set: past, reference, the best future and those that differ most."""
    errors = made.mae[made.indices]
    strips = [
        _strip("past", "past", made.past),
        _strip("reference", "reference", made.reference),
    ]
    for number, rank in enumerate(spread_futures(made.videos, STRIPS)):
        title = f"{'future' if number else 'best future'}, MAE {errors[rank]:.4f}"
        strips.append(_strip(title, "future", _with_masks(made, rank)))
    return strips


def _with_masks(made: SampleSet, rank: int) -> NDArray[np.uint8]:
    """A kept video with its masks: an outline where they are drawn, a tint where they are maps."""
    video = thumbnails(made.videos[rank], TILE)
    if made.masks is None:
        return video
    size = (video.shape[2], video.shape[1])
    maps = [cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in made.masks[rank]]
    pairs = zip(video, maps, strict=True)
    if made.mask_kind == "drawn":
        has_defect = SetSettings.parse(made.provenance.settings).defect is not None
        least = DEFECT if has_defect else 1  # beside a defect of looks, the part is no news
        return np.stack([outlined(frame, levels >= least) for frame, levels in pairs])
    return np.stack([_tinted(frame, levels) for frame, levels in pairs])


def _tinted(frame: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame with a colour that grows with a map's value."""
    share = levels[..., None].astype(np.float32) / 255 * 0.7
    return (frame * (1 - share) + TINT * share).astype(np.uint8)


def tile(
    before: NDArray[np.uint8], after: NDArray[np.uint8], colour: str, side: int = TILE
) -> list[NDArray[np.uint8]]:
    """Frames of past and future, each under a bar that says which it is.

    Args:
        before: The past, (P, H, W, 3).
        after: What follows, (F, H, W, 3).
        colour: Of its bar, as in CSS.
        side: The longest side of a frame; smaller ones stay as they are.
    """
    frames = []
    for video, shade in ((before, PAST), (after, colour)):
        red, green, blue = (int(shade[at : at + 2], 16) for at in (1, 3, 5))
        for small in thumbnails(video, side):
            bar = np.full((BAR, small.shape[1], 3), (red, green, blue), np.uint8)
            frames.append(np.concatenate([bar, small]))
    return frames


def beside(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Frames side by side with a gap."""
    gap = np.zeros((frames[0].shape[0], GAP, 3), np.uint8)
    return np.concatenate([part for frame in frames for part in (gap, frame)][1:], axis=1)


def _strip(title: str, kind: str, video: NDArray[np.uint8]) -> Strip:
    """Frames of a video that end with its last one."""
    count = min(SHOWN_FRAMES, len(video))
    chosen = [(index + 1) * len(video) // count - 1 for index in range(count)]
    frame = beside(list(thumbnails(video[chosen], TILE)))
    return Strip(title, kind, _webp([frame], [0]), frame.shape[1], frame.shape[0])


def _webp(
    frames: Sequence[NDArray[np.uint8]], times: Sequence[int], most: int = LARGEST_CLIP
) -> str:
    """A still or looping picture as a data address of at most so many characters."""
    first, *others = map(Image.fromarray, frames)
    moving = {"save_all": True, "append_images": others, "duration": list(times), "loop": 0}
    options: dict[str, Any] = {**moving, "minimize_size": True} if others else {}
    for quality in QUALITIES:
        stream = io.BytesIO()
        first.save(stream, "WEBP", quality=quality, method=4, **options)
        coded = base64.b64encode(stream.getvalue()).decode()
        if len(coded) <= most:
            break
    return f"data:image/webp;base64,{coded}"
