"""Sums over rendered windows: fidelity of one future, diversity of many."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flawcast.flows.evaluation.by_rendering.pieces import TRUTH, column
from flawcast.flows.evaluation.tables import Row, distinct
from flawcast.selection.metrics import feature_distance, ratio_bounds, standardised_ratio

DIVERSE_SCORES = ("apd", "mae", "best", "ssim", "coherence")


def single_figures(rows: Sequence[Row], features: str) -> list[dict[str, Any]]:
    """Error and distance of the single futures of each forecaster, mode and horizon.

    Args:
        rows: The score rows of all cells.
        features: The features from which the distance is computed.
    """
    figures = []
    for mode, horizon in _settings(rows):
        here = [row for row in _of(rows, mode, horizon) if row["kind"] == "single"]
        truth = np.array([row["features"] for row in here if row["forecaster"] == TRUTH])
        for name in distinct(here, "forecaster"):
            if name == TRUTH:
                continue
            ours = [row for row in here if row["forecaster"] == name]
            distance = feature_distance(
                np.array([row["features"] for row in ours]), truth, features
            )
            figures.append(
                {
                    "mode": mode,
                    "horizon": horizon,
                    "forecaster": name,
                    "n": distance.count,
                    "mae": _mean(ours, "mae"),
                    "ssim": _mean(ours, "ssim"),
                    "coherence": _mean(ours, "coherence"),
                    "distance": distance.value,
                    "distance_name": distance.name,
                }
            )
    return figures


def diverse_figures(
    rows: Sequence[Row], metrics: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Diversity and error of the kept samples, and the ratio of every video.

    Ratios are standardised over all videos of all compared forecasters of a mode and horizon.

    Args:
        rows: The score rows of all cells.
        metrics: Names of further metrics whose means are wanted.

    Returns:
        A row per forecaster, mode and horizon; a row per video.
    """
    summary, videos = [], []
    for mode, horizon in _settings(rows):
        here = [row for row in _of(rows, mode, horizon) if row["kind"] == "diverse"]
        by_name = {
            name: [row for row in here if row["forecaster"] == name]
            for name in distinct(here, "forecaster")
        }
        pairs = {
            name: ([row["apd"] for row in ours], [row["mae"] for row in ours])
            for name, ours in by_name.items()
        }
        bounds = ratio_bounds(list(pairs.values())) if pairs else None
        for name, ours in by_name.items():
            ratio = standardised_ratio(*pairs[name], bounds)
            summary.append(
                {
                    "mode": mode,
                    "horizon": horizon,
                    "forecaster": name,
                    "n": len(ours),
                    **{
                        key: _mean(ours, key)
                        for key in (*DIVERSE_SCORES, *(column(name) for name in metrics))
                    },
                    "ratio_mean": ratio.mean,
                    "ratio_median": ratio.median,
                    "left_out": ratio.left_out,
                }
            )
            videos += [
                {key: row[key] for key in ("mode", "horizon", "forecaster", "clip", "start")}
                | {"ratio": value}
                for row, value in zip(ours, ratio.ratios, strict=True)
            ]
    return summary, videos


def _settings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Modes and horizons, in the order in which they come, mode by mode."""
    return [
        (mode, horizon)
        for mode in distinct(rows, "mode")
        for horizon in distinct(_of(rows, mode, None), "horizon")
    ]


def _of(rows: Sequence[Row], mode: str, horizon: str | None) -> list[Row]:
    """Rows of one mode, and of one horizon unless it is None."""
    return [row for row in rows if row["mode"] == mode and horizon in (None, row["horizon"])]


def _mean(rows: Sequence[Row], key: str) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    values = [row[key] for row in rows if row[key] is not None]
    return float(np.mean(values)) if values else None
