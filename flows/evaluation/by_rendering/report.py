"""The report of an evaluation by rendering: the paper's tables, in the paper's layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawcast.configs.datasets import Dataset
from flawcast.flows.evaluation.by_rendering.figures import draw_ratio_densities
from flawcast.flows.evaluation.by_rendering.pieces import UNFORECAST, column
from flawcast.flows.evaluation.by_rendering.scores import diverse_figures, single_figures
from flawcast.flows.evaluation.candidates import BASELINE
from flawcast.flows.evaluation.tables import Row, distinct, write_rows
from flawcast.flows.markdown import markdown_table

REPORT, SINGLE, DIVERSE, RATIOS, DENSITIES = (
    "report.md",
    "single.parquet",
    "diverse.parquet",
    "ratios.parquet",
    "ratios.png",
)


@dataclass(frozen=True)
class About:
    """Facts about an evaluation, for its report.

    Args:
        clips: Name of the folder.
        model: Name of the model folder.
        dataset: The data set, if one was named.
        split: How the test clips were selected.
        train: Clips that the forecasters were trained on.
        test: Clips that the forecasters were tested on.
        known: How many test clips the motion model was trained on.
        size: Frame size in pixels.
        samples: N, the number of futures sampled.
        keep: The number of closest futures kept.
        seed: Seeds training, noise and the choice of sources.
        features: The features from which distances between sets of videos are computed.
        metrics: Names of further metrics of the kept samples.
    """

    clips: str
    model: str
    dataset: Dataset | None
    split: str
    train: int
    test: int
    known: int
    size: int
    samples: int
    keep: int
    seed: int
    features: str
    metrics: tuple[str, ...]


def write_render_report(
    rows: Sequence[Row], about: About, out: Path, strips: Sequence[Path] = ()
) -> dict[str, Any]:
    """Sum up all windows into report.md, Parquet files and pictures.

    Args:
        rows: The score rows of all cells.
        about: What was compared.
        out: Folder to write into.
        strips: Pictures of single windows to show.

    Returns:
        The figures as plain values.
    """
    single = single_figures(rows, about.features)
    diverse, ratios = diverse_figures(rows, about.metrics)
    write_rows(out / SINGLE, single)
    lines = [*_opening(about), *_single_tables(single, about)]
    if diverse:
        write_rows(out / DIVERSE, diverse)
        write_rows(out / RATIOS, ratios)
        panels: dict[str, dict[str, list[float | None]]] = {}
        for row in ratios:
            panel = panels.setdefault(f"{row['mode']}, {row['horizon']}", {})
            panel.setdefault(row["forecaster"], []).append(row["ratio"])
        draw_ratio_densities(out / DENSITIES, panels)
        lines += _diverse_table(diverse, about)
    lines += _strip_lines(strips, out)
    (out / REPORT).write_text("\n".join(lines))
    values = {"single": single, "diverse": diverse}
    (out / "report.json").write_text(json.dumps(values, indent=1))
    return values


def _opening(about: About) -> list[str]:
    """What was compared, and how to read it."""
    dataset = f" ({about.dataset.title})" if about.dataset else ""
    return [
        f"# Forecasters on {about.clips}{dataset}, rendered by {about.model}",
        "",
        f"{about.test} test clips, {about.train} training clips, by {about.split}; the motion "
        f"model was trained on {about.known} of the test clips. Frames of {about.size} pixels, "
        f"seed {about.seed}. Predicted frames alone are scored, on the [0, 1] pixel scale. In "
        "reconstruction the reference is what happened, in transfer the rendering with the true "
        f'keypoints. "{UNFORECAST}" renders the true keypoints: what the motion model itself '
        f"misses. `{BASELINE}` repeats the last observed keypoints.",
        "",
    ]


def _single_tables(single: Sequence[Row], about: About) -> list[str]:
    """One table for each mode and score, horizons down, forecasters across."""
    if not single:
        return []
    distance = single[0]["distance_name"]
    scores = (("mae", "MAE", ".4f"), ("distance", distance, ".3g"), ("ssim", "SSIM", ".3f"))
    lines = ["## One future", ""]
    if distance != "JEDi":
        lines += [
            "No weights of V-JEPA were given, so this is no JEDi: the distance is the same "
            f"polynomial MMD on {about.features}. Like JEDi it is biased upwards, the more the "
            "smaller n is.",
            "",
        ]
    for mode in distinct(single, "mode"):
        ours = [row for row in single if row["mode"] == mode]
        names = distinct(ours, "forecaster")
        for score, title, form in scores:
            body = []
            for horizon in distinct(ours, "horizon"):
                cells = {row["forecaster"]: row for row in ours if row["horizon"] == horizon}
                figures = [f"{cells[name][score]:{form}}" for name in names]
                body.append([horizon, str(cells[names[0]]["n"]), *figures])
                body += _published(about, mode, horizon, score, names)
            lines += [f"### {title}, {mode}", ""]
            lines += [*markdown_table(["horizon", "n", *names], body), ""]
    return lines


def _published(
    about: About, mode: str, horizon: str, score: str, names: Sequence[str]
) -> list[list[str]]:
    """A row of others' figures, if the data set has any of this kind; none otherwise."""
    wanted = {"mae": "mae", "distance": "jedi", "ssim": "ssim"}[score]
    published = {
        figure.forecaster: f"{figure.value:g}"
        for figure in (about.dataset.published if about.dataset else ())
        if (figure.mode, figure.horizon, figure.score) == (mode, horizon, wanted)
    }
    if not published:
        return []
    return [[f"{horizon}, published, not ours", "", *(published.get(name, "") for name in names)]]


def _diverse_table(diverse: Sequence[Row], about: About) -> list[str]:
    """Diversity, error and their ratio, a row for each mode, horizon and forecaster."""
    body = []
    for row in diverse:
        ratios = [
            "" if row[key] is None else f"{row[key]:.3f}" for key in ("ratio_mean", "ratio_median")
        ]
        body.append(
            [
                f"{row['mode']}, {row['horizon']}, {row['forecaster']}",
                f"{row['apd']:.4f}",
                f"{row['mae']:.4f}",
                f"{row['ssim']:.3f}",
                *ratios,
                f"{row['best']:.4f}",
                "" if row["coherence"] is None else f"{row['coherence']:.2f}",
                *(_figure(row[column(name)]) for name in about.metrics),
                f"{row['n']} ({row['left_out']})",
            ]
        )
        body += _published_diverse(about, row)
    headings = ["", "APD", "MAE", "SSIM", "ratio, mean", "ratio, median", "best MAE"]
    return [
        "## Many futures",
        "",
        f"N = {about.samples} futures of each window, the {about.keep} closest kept; APD, MAE and "
        "SSIM of those. The ratio is min-max standardised APD over min-max standardised MAE, over "
        "all videos of all forecasters in the table of one mode and horizon. The video with the "
        "smallest MAE has none and is left out (in brackets); the median is the figure to quote, "
        "since ratios next to that video explode.",
        "",
        *markdown_table([*headings, "movement", *about.metrics, "n"], body),
        "",
        f"![Densities of the ratios]({DENSITIES})",
        "",
    ]


def _published_diverse(about: About, row: Row) -> list[list[str]]:
    """A row of others' figures beside ours, if the data set has any; none otherwise."""
    key = (row["mode"], row["horizon"], row["forecaster"])
    published = {
        figure.score: f"{figure.value:g}"
        for figure in (about.dataset.published if about.dataset else ())
        if (figure.mode, figure.horizon, figure.forecaster) == key
    }
    scores = ("apd", "kept mae", "ssim", "ratio mean", "ratio median")
    if not any(score in published for score in scores):
        return []
    figures = [published.get(score, "") for score in scores]
    return [
        [
            f"{', '.join(key)}: published, not ours",
            *figures,
            "",
            "",
            *("" for _ in about.metrics),
            "",
        ]
    ]


def _figure(value: float | None) -> str:
    """A mean of a further metric; empty where none of its values is a number."""
    return "" if value is None else f"{value:.4g}"


def _strip_lines(strips: Sequence[Path], out: Path) -> list[str]:
    """Pictures of single windows."""
    if not strips:
        return []
    lines = ["## What it looks like", "", "One future of each forecaster.", ""]
    for path in strips:
        lines += [f"![Truth and forecasts]({path.relative_to(out).as_posix()})", ""]
    return lines
