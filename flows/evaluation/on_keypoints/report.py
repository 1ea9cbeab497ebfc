"""The report of a comparison on keypoints: figures by forecaster, absolute and against `hold`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.flows.evaluation.candidates import BASELINE, SPREAD_BASELINE
from flawcast.flows.evaluation.on_keypoints.against import (
    against_table,
    compared_with_baseline,
    largest_group,
)
from flawcast.flows.evaluation.on_keypoints.figures import draw_trade_offs
from flawcast.flows.evaluation.tables import Row, distinct, write_rows
from flawcast.flows.markdown import markdown_table

ERRORS = ("one", "sample", "best", "kept", "energy")  # smaller is better, shown against `hold`
MEANS = (*ERRORS, "apd", "apd_all", "moved", "truly_moved", "coverage")
REPORT, FIGURES, WINDOWS = "report.md", "summary.parquet", "windows.parquet"


def write_keypoint_report(
    rows: Sequence[Row], out: Path, samples: int, keep: int
) -> dict[str, Any]:
    """Sum up all windows into report.md, summary.parquet, windows.parquet and pictures.

    Args:
        rows: The score rows of all cells, one per window and part of the vector.
        out: Folder to write into.
        samples: N, the number of futures sampled.
        keep: The number of closest futures kept.

    Returns:
        The figures as plain values.
    """
    summary = summed_up(rows)
    write_rows(out / WINDOWS, rows)
    write_rows(out / FIGURES, summary)
    against = compared_with_baseline(rows)
    values = {"samples": samples, "keep": keep, "rows": summary, "against": against}
    (out / "report.json").write_text(json.dumps(values, indent=1))
    lines = _opening(rows, samples, keep)
    for horizon in distinct(rows, "horizon"):
        here = [row for row in summary if row["horizon"] == horizon]
        lines += _horizon(horizon, here, rows)
        lines += ["### Positions, against the dressed ridge regression", ""]
        keys = (horizon, "positions")
        lines += against_table([row for row in against if (row["horizon"], row["part"]) == keys])
        lines += [""]
        picture = f"keypoints-{horizon}.png"
        ours = [row for row in summary if (row["horizon"], row["part"]) == (horizon, "positions")]
        draw_trade_offs(out / picture, [row for row in ours if row["fold"] == "all"], horizon)
        lines += [f"![Error, diversity and movement of the forecasters]({picture})", ""]
    (out / REPORT).write_text("\n".join(lines))
    return values


def summed_up(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Mean scores of every forecaster, over windows and then seeds, for all folds and for each.

    Every window counts the same, so a fold counts by its number of windows. `..._spread` is the
    standard deviation over seeds (0 for one seed), `..._to_hold` the quotient of means.

    Args:
        rows: One per window and part of the vector.
    """
    figures = []
    for horizon in distinct(rows, "horizon"):
        for part in distinct(rows, "part"):
            here = [row for row in rows if (row["horizon"], row["part"]) == (horizon, part)]
            for fold in ("all", *distinct(here, "fold")):
                inside = [row for row in here if fold in ("all", row["fold"])]
                base = _means([row for row in inside if row["forecaster"] == BASELINE])
                for name in distinct(inside, "forecaster"):
                    ours = [row for row in inside if row["forecaster"] == name]
                    keys = {"horizon": horizon, "part": part, "fold": fold, "forecaster": name}
                    figures.append(keys | _means(ours) | _against(_means(ours), base))
    return figures


def _means(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean scores over windows and seeds, with their spread over seeds."""
    by_seed: list[dict[str, float]] = []
    for seed in distinct(rows, "seed"):
        ours = [row for row in rows if row["seed"] == seed]
        means = {name: float(np.mean([row[name] for row in ours])) for name in MEANS}
        means["coherence"] = _over(means["moved"], means["truly_moved"])
        by_seed.append(means)
    windows = {(row["fold"], row["clip"], row["start"]) for row in rows}
    values: dict[str, Any] = {"windows": len(windows), "seeds": len(by_seed)}
    for name in by_seed[0]:
        over_seeds = [means[name] for means in by_seed]
        values[name] = float(np.mean(over_seeds))
        values[f"{name}_spread"] = float(np.std(over_seeds))
    return values | {"drawn": max(row["drawn"] for row in rows)}


def _against(ours: dict[str, Any], base: dict[str, Any]) -> dict[str, float]:
    """Errors as shares of the baseline's."""
    return {f"{name}_to_hold": _over(ours[name], base[name]) for name in ERRORS}


def _over(value: float, base: float) -> float:
    """Divide value by base; 1 if both are 0, very large or near 0 if only one is.

    The keypoints of a clip that stands still make both cases possible.
    """
    smallest = float(np.finfo(np.float32).tiny)
    return (value + smallest) / (base + smallest)


def _opening(rows: Sequence[Row], samples: int, keep: int) -> list[str]:
    """What was compared, and how to read it."""
    clips, folds, seeds = (len(distinct(rows, key)) for key in ("clip", "fold", "seed"))
    largest, share = largest_group(rows)
    return [
        "# Forecasters on keypoints",
        "",
        f"{_count(clips, 'clip')} in {_count(folds, 'fold')}; what is tested in one fold is "
        f"neither trained on nor watched in it. {_count(seeds, 'seed')}, N = {samples} futures of "
        f"each window, the {keep} closest kept. Windows do not overlap and count alike, so "
        f"{largest} is {share:.0%} of all figures; ± is the standard deviation over seeds.",
        "",
        "One: mean absolute error of the single best future (of a stochastic forecaster the median "
        "of 100 samples); random: of a random sample, which nobody has selected; best: of the "
        f"closest of {samples}; kept: mean of the {keep} closest; APD: mean absolute difference "
        "between every two of those, and between every two of all samples; movement: "
        "frame-to-frame displacement of the samples over the truth's, 1 is right; coverage: share "
        "of the truth between the samples' 5 and 95 percent quantiles, 0.9 is right. A forecaster "
        "of one future has one sample, so random, best, kept and energy are of that one.",
        "",
        f"Against {SPREAD_BASELINE}: difference of the errors as a share of {BASELINE}'s, with the "
        "95 percent interval of a paired bootstrap over clips. Clips of one person are alike, so "
        "the interval says nothing about the spread between people.",
        "",
    ]


def _count(number: int, what: str) -> str:
    """A number of things, in words.

    Example:
        >>> _count(1, "seed"), _count(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _horizon(name: str, summary: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Tables of one horizon."""
    windows = max(row["windows"] for row in summary)
    keep = max(row["drawn"] for row in rows)
    lines = [f"## {name} ({windows} windows)", ""]
    for part in distinct(summary, "part"):
        ours = [row for row in summary if row["part"] == part and row["fold"] == "all"]
        lines += [f"### {part.capitalize()}, errors as shares of hold's", ""]
        lines += [*markdown_table(*_table(ours, keep, _share)), ""]
        lines += [f"### {part.capitalize()}, in keypoint units", ""]
        lines += [*markdown_table(*_table(ours, keep, _absolute)), ""]
    lines += ["### Positions, fold by fold, as shares of hold's", ""]
    return [*lines, *_by_fold(summary), ""]


def _table(
    rows: Sequence[Row], drawn: int, figure: Callable[[Row, str], str]
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of one table."""
    headings = ["forecaster", "one", "random", f"best of {drawn}", "kept", "energy"]
    headings += ["APD of kept", "APD of all"]
    body = [
        [
            row["forecaster"],
            *(figure(row, name) for name in ERRORS),
            _absolute(row, "apd"),
            _absolute(row, "apd_all"),
            f"{row['coherence']:.2f}",
            f"{row['coverage']:.2f}",
        ]
        for row in rows
    ]
    return [*headings, "movement", "coverage"], body


def _share(row: Row, name: str) -> str:
    """A mean over that of `hold`, with its spread over seeds in the same unit."""
    share = row[f"{name}_to_hold"]
    spread = share * row[f"{name}_spread"] / row[name] if row[name] else 0.0
    return f"{share:.3f}" + (f" ± {spread:.3f}" if row["seeds"] > 1 else "")


def _absolute(row: Row, name: str) -> str:
    """A mean with its spread over seeds."""
    spread = f" ± {row[f'{name}_spread']:.4f}" if row["seeds"] > 1 else ""
    return f"{row[name]:.4f}{spread}"


def _by_fold(summary: Sequence[Row]) -> list[str]:
    """Energy and kept error of the positions, a row a forecaster and three columns a fold."""
    ours = [row for row in summary if row["part"] == "positions" and row["fold"] != "all"]
    folds = distinct(ours, "fold")
    cells = {(row["forecaster"], row["fold"]): row for row in ours}
    windows = {row["fold"]: row["windows"] for row in ours}
    headings = ["forecaster"]
    for fold in folds:
        headings += [f"{fold} ({windows[fold]}): one", "kept", "energy"]
    body = []
    for name in distinct(ours, "forecaster"):
        by_fold = [cells[name, fold] for fold in folds]
        body.append(
            [name]
            + [
                f"{row[f'{key}_to_hold']:.3f}"
                for row in by_fold
                for key in ("one", "kept", "energy")
            ]
        )
    return markdown_table(headings, body)
