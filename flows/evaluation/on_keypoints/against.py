"""How much better than the dressed ridge regression a forecaster is, with intervals over clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flawcast.flows.evaluation.candidates import BASELINE, SPREAD_BASELINE
from flawcast.flows.evaluation.tables import Row, distinct
from flawcast.flows.markdown import markdown_table
from flawcast.selection.paired_intervals import paired_interval

TINY = float(np.finfo(np.float32).tiny)  # instead of the error of clips that stand still
COMPARED = ("one", "best", "kept", "energy")


def compared_with_baseline(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Differences of every forecaster's errors to the baseline's, as shares of `hold`'s error.

    Errors of a window are averaged over seeds first; then clips are resampled.

    Args:
        rows: Score rows, one per window and part of the vector.
    """
    figures = []
    for horizon in distinct(rows, "horizon"):
        for part in distinct(rows, "part"):
            here = [row for row in rows if (row["horizon"], row["part"]) == (horizon, part)]
            for name in distinct(here, "forecaster"):
                if name in (BASELINE, SPREAD_BASELINE):
                    continue
                figure = {"horizon": horizon, "part": part, "forecaster": name}
                for error in COMPARED:
                    figure |= _difference(here, name, error)
                figures.append(figure)
    return figures


def against_table(figures: Sequence[Row]) -> list[str]:
    """A table of the differences in one part and horizon, with their 95 percent intervals."""
    body = [
        [figure["forecaster"], *(_cell(figure, error) for error in COMPARED)] for figure in figures
    ]
    return markdown_table(["forecaster", *COMPARED], body)


def largest_group(rows: Sequence[Row]) -> tuple[str, float]:
    """The fold with the most windows, and its share of all windows."""
    windows = {(row["fold"], row["horizon"], row["clip"], row["start"]) for row in rows}
    counts: dict[str, int] = {}
    for fold, *_ in windows:
        counts[fold] = counts.get(fold, 0) + 1
    name = max(sorted(counts), key=lambda fold: counts[fold])
    return name, counts[name] / len(windows)


def _difference(rows: Sequence[Row], name: str, error: str) -> dict[str, Any]:
    """The difference of one error, and the ends of its interval."""
    ours, base, hold = (_by_window(rows, one, error) for one in (name, SPREAD_BASELINE, BASELINE))
    windows = [window for window in ours if window in base]
    unit = max(float(np.mean([hold[window] for window in windows])), TINY)
    mine, theirs = (np.array([scores[one] for one in windows]) / unit for scores in (ours, base))
    found = paired_interval(mine, theirs, [clip for clip, _ in windows])
    return {error: found.difference, f"{error}_low": found.low, f"{error}_high": found.high}


def _by_window(rows: Sequence[Row], name: str, error: str) -> dict[tuple[str, int], float]:
    """Mean over seeds of a forecaster's error, by clip and first frame."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        if row["forecaster"] == name:
            found.setdefault((row["clip"], row["start"]), []).append(row[error])
    return {window: float(np.mean(values)) for window, values in found.items()}


def _cell(figure: Row, error: str) -> str:
    """A difference and its interval."""
    low, high = figure[f"{error}_low"], figure[f"{error}_high"]
    return f"{figure[error]:+.3f} [{low:+.3f}, {high:+.3f}]"
