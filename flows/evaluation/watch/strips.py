"""What happened beside what was expected, as one picture: frames above, sampled futures below."""

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.evaluation.watch.sights import Sight
from flawcast.flows.evaluation.watch.watcher import Forecast
from flawcast.flows.pictures.thumbnails import thumbnails
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

COLUMNS, ROWS = 6, 3  # moments, and futures that are drawn
TILE = 176  # pixels along the longer side of a moment
MARGIN, HEADING = 4, 16  # pixels
PAPER, INK = (255, 255, 255), (40, 40, 40)
HAPPENED, EXPECTED = (200, 40, 40), (40, 90, 200)


def draw_strip(
    frames: dict[int, Image],
    happened: dict[int, Floats],
    forecast: Forecast,
    sight: Sight,
    background: Image | None,
) -> Image | None:
    """Draw an event: what happened after a forecast, and some of its futures.

    Args:
        frames: RGB frames by number, as the sight has shaped them.
        happened: Keypoints of the part by frame.
        forecast: Its futures.
        sight: Knows where keypoints are.
        background: The stream without its parts; None to draw points on the last known frame.

    Returns:
        RGB; None if the frames are not there any more.
    """
    reach = forecast.futures.shape[1]
    ahead = [step for step in range(1, reach + 1) if forecast.frame + step in frames]
    source = frames.get(forecast.frame)
    if source is None or not ahead:
        return None
    chosen = sorted({ahead[round(at)] for at in np.linspace(0, len(ahead) - 1, COLUMNS)})
    rows = [[_happened(frames, happened, forecast.frame + step, sight) for step in chosen]]
    for future in forecast.futures[spread_futures(forecast.poses)]:
        rows.append(
            [_expected(source, background, forecast, future[step - 1], sight) for step in chosen]
        )
    names = ["happened", *(f"expected {number}" for number in range(1, len(rows)))]
    heads = [f"frame {forecast.frame + step}" for step in chosen]
    return _composed(rows, names, heads)


def spread_futures(poses: Floats) -> list[int]:
    """Futures that show the spread: at equal steps along their main direction: (N, F, d)."""
    last = poses[:, -1] - poses[:, -1].mean(axis=0)
    _, _, directions = np.linalg.svd(last, full_matrices=False)
    order = np.argsort(last @ directions[0])
    return [int(order[round(at)]) for at in np.linspace(0.1, 0.9, ROWS) * (len(order) - 1)]


def _happened(
    frames: dict[int, Image], keypoints: dict[int, Floats], number: int, sight: Sight
) -> Image:
    """A frame with the part's keypoints."""
    picture = frames[number].copy()
    if number in keypoints:
        _dots(picture, sight.places(keypoints[number]), HAPPENED)
    return picture


def _expected(
    source: Image, background: Image | None, forecast: Forecast, keypoints: Floats, sight: Sight
) -> Image:
    """The part as one future has it: its own pixels, moved over the background."""
    places = sight.places(keypoints)
    if background is None or forecast.outline is None:
        picture = np.asarray(source * 0.6 + 100, np.uint8)
        _dots(picture, places, EXPECTED)
        return picture
    size = source.shape[1::-1]
    outline = forecast.outline.astype(np.float32)
    here = cv2.warpAffine(outline, forecast.motion, size)
    motion = _motion_to(forecast, places, sight, size)
    there = cv2.warpAffine(here, motion, size)[..., None]
    moved = cv2.warpAffine(source, motion, size)
    picture = np.asarray(there * moved + (1 - there) * background, np.uint8)
    _dots(picture, places, EXPECTED)
    return picture


def _motion_to(forecast: Forecast, places: Floats, sight: Sight, size: tuple[int, ...]) -> Floats:
    """The affine motion from the forecast's last known frame to where a future has the part."""
    first = sight.places(forecast.start)
    unit = np.array(size, np.float64) / 2
    before, after = (first + 1) * unit - 0.5, (places + 1) * unit - 0.5
    full = np.concatenate([before, np.ones((len(before), 1))], axis=1)
    solved, *_ = np.linalg.lstsq(full, after, rcond=None)
    return np.asarray(solved.T, np.float64)


def _dots(picture: Image, places: Floats, colour: tuple[int, int, int]) -> None:
    """Mark keypoints in [-1, 1] in a picture."""
    height, width = picture.shape[:2]
    radius = max(1, min(height, width) // 90)
    for x, y in places:
        at = (round((x + 1) / 2 * width - 0.5), round((y + 1) / 2 * height - 0.5))
        cv2.circle(picture, at, radius, colour, -1, cv2.LINE_AA)


def _composed(rows: list[list[Image]], names: list[str], heads: list[str]) -> Image:
    """Tiles in rows with their names."""
    tiles = [thumbnails(np.stack(row), TILE) for row in rows]
    height, width = tiles[0].shape[1:3]
    aside = 84
    total = (
        HEADING + len(rows) * (height + MARGIN),
        aside + len(heads) * (width + MARGIN),
    )
    sheet = np.full((*total, 3), PAPER, np.uint8)
    for column, head in enumerate(heads):
        _write(sheet, head, (aside + column * (width + MARGIN), 11))
    for number, (row, name) in enumerate(zip(tiles, names, strict=True)):
        top = HEADING + number * (height + MARGIN)
        _write(sheet, name, (4, top + height // 2))
        for column, tile in enumerate(row):
            left = aside + column * (width + MARGIN)
            sheet[top : top + height, left : left + width] = tile
    return sheet


def _write(sheet: Image, text: str, at: tuple[int, int]) -> None:
    """Small text."""
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
