"""A picture to judge drawn parts by: real frames above, what was drawn of them below."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flawcast.configs.spread import spread_ends
from flawcast.flows.benchmarks.detail_drawings import Drawn, SecondHalf, Video
from flawcast.flows.pictures.thumbnails import thumbnails

TIMES = 5
LONGEST = 480  # of a frame as shown, pixels
MARGIN, HEADING = 4, 22
TINT = np.array([255, 60, 200])  # laid over what a plate guesses, RGB


def write_sheet(path: Path, drawn: Drawn, half: SecondHalf | None) -> Path:
    """Write the sheet of one clip as PNG.

    Args:
        path: The file.
        drawn: The clip by its true keypoints; the first column is its plate.
        half: Its second half by its first; None where that failed.
    """
    truth, seen = drawn.truth, drawn.observation
    times = [drawn.scored[index] for index in spread_ends(len(drawn.scored), TIMES)]
    plate, known = seen.plate.image, seen.plate.valid[..., None]
    guessed = np.where(known, plate, (plate + TINT) // 2)
    blank = np.full_like(truth[0], 255)
    ways = [
        ("plate by even frames, then real odd frames", plate, truth),
        ("decoder", blank, drawn.decoder),
        ("native", blank, drawn.native),
    ]
    if drawn.layers is not None:
        ways.insert(1, ("layers (tinted: inpainted plate)", guessed, drawn.layers))
    rows = [(heading, first, video[times]) for heading, first, video in ways]
    if half is not None:
        later = [half.past + index for index in spread_ends(len(truth) - half.past, TIMES)]
        last = truth[half.past - 1]
        rows.append(("last frame that is read, then the real second half", last, truth[later]))
        rows.append(("layers, by the first half alone", half.plate, half.layers[later]))
    _page([(heading, np.stack([first, *frames])) for heading, first, frames in rows]).save(path)
    return path


def write_strips(path: Path, videos: Mapping[str, Video]) -> Path:
    """Write videos of the same frames below each other as PNG.

    Args:
        path: The file.
        videos: RGB, (F, H, W, 3), by heading.
    """
    count = len(next(iter(videos.values())))
    times = spread_ends(count, TIMES)
    _page([(heading, np.asarray(video)[times]) for heading, video in videos.items()]).save(path)
    return path


def _page(rows: Sequence[tuple[str, Video]]) -> Image.Image:
    """Rows of frames (n, H, W, 3), each under its heading."""
    shown = [(heading, thumbnails(frames.astype(np.uint8), LONGEST)) for heading, frames in rows]
    height, width = shown[0][1].shape[1:3]
    columns = max(len(frames) for _, frames in shown)
    size = columns * (width + MARGIN) + MARGIN, len(shown) * (height + HEADING) + MARGIN
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for row, (heading, frames) in enumerate(shown):
        top = row * (height + HEADING)
        pen.text((MARGIN, top + 3), heading, "black", font)
        for column, frame in enumerate(frames):
            left = MARGIN + column * (width + MARGIN)
            page.paste(Image.fromarray(frame), (left, top + HEADING))
    return page
