"""A picture of one window: the truth and what every forecaster makes of it, frame under frame."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flawcast.configs.spread import spread_ends

PAST_SHOWN, FUTURE_SHOWN = 2, 6
INCHES, DPI = 0.9, 110  # of one frame; pixels per inch
LEFT, TOP = 1.35, 0.45  # inches for names and headings

Video = NDArray[np.uint8]


def draw_strips(path: Path, past: Video, futures: Mapping[str, Video], title: str) -> Path:
    """Draw frames of the past and, below one another, of every future.

    Args:
        path: The PNG to write; its folder is made.
        past: Observed frames, (P, H, W, 3).
        futures: Videos (F, H, W, 3) by name, the truth first.
        title: Above the picture.

    Returns:
        `path`.
    """
    observed = spread_ends(len(past), PAST_SHOWN)
    length = len(next(iter(futures.values())))
    ahead = spread_ends(length, FUTURE_SHOWN)
    columns = len(observed) + len(ahead)
    width, height = LEFT + columns * INCHES, TOP + len(futures) * INCHES
    figure = Figure(figsize=(width, height), dpi=DPI)
    grid = figure.subplots(len(futures), columns, squeeze=False)
    figure.subplots_adjust(LEFT / width, 0, 1, 1 - TOP / height, 0.03, 0.03)
    for row, (name, video) in enumerate(futures.items()):
        for column in range(columns):
            axes = grid[row, column]
            axes.set_axis_off()
            if column >= len(observed):
                axes.imshow(video[ahead[column - len(observed)]])
            elif row == 0:
                axes.imshow(past[observed[column]])
            if row == 0:
                axes.set_title(_time(column, observed, ahead, len(past)), fontsize=8, pad=2)
        middle = 1 - (TOP + (row + 0.5) * INCHES) / height
        figure.text(0.08 / width, middle, name, fontsize=9, va="center", parse_math=False)
    figure.suptitle(title, fontsize=9, y=1 - 0.06 / height, va="top", parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    return path


def _time(column: int, observed: list[int], ahead: list[int], past: int) -> str:
    """When a column is, counted from the last observed frame."""
    if column < len(observed):
        return f"{observed[column] - past + 1:d}"
    return f"+{ahead[column - len(observed)] + 1}"
