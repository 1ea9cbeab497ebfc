"""The report on clips with masks: scores by K and arm, differences with intervals over clips."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.markdown import markdown_table
from flawcast.flows.uplift.comparing import add_differences, comparison_lines, verdicts_of
from flawcast.flows.uplift.tracks.arms import ARMS
from flawcast.flows.uplift.tracks.following import MaskedClip
from flawcast.flows.uplift.tracks.request import TracksRequest
from flawcast.selection.detection_scores import (
    Indices,
    Measure,
    auroc,
    binned_average_precision,
)

SCORES = {"auroc": "frame AUROC", "pixel_ap": "pixel AP"}
Cell = dict[str, Any]


def write_report(
    results: Sequence[Cell], clips: Sequence[MaskedClip], request: TracksRequest
) -> dict[str, Any]:
    """Sum up all cells into report.md and report.json.

    Every arm with samples is compared, for each score, with the best arm of the same classifier
    without at the same K. This favours the arms without, because the best one is chosen on the
    clips that it is tested on.

    Args:
        results: One record per finished cell.
        clips: The clips.
        request: What was compared.

    Returns:
        The figures as plain values.
    """
    anomalous = np.array([clip.anomalous for clip in clips])
    rows: list[dict[str, Any]] = []
    for k in request.k:
        cells = {
            name: [cell for cell in results if (cell["k"], cell["arm"]) == (k, name)]
            for name in ARMS
        }
        rows += _rows(k, cells, anomalous)
    values = {
        "clips": len(clips),
        "anomalous": int(anomalous.sum()),
        "frames": float(np.mean([len(cell["found"]) for cell in results])),
        "by_clip": {
            clip.name: _by_clip(results, index, max(request.k))
            for index, clip in enumerate(clips)
            if clip.anomalous
        },
        "settings": request.model_dump(mode="json", exclude={"out", "clips"}),
        "rows": rows,
    }
    (request.out / "report.json").write_text(json.dumps(values, indent=1))
    (request.out / "report.md").write_text("\n".join(_lines(values)))
    return values


def _rows(
    k: int, cells: dict[str, list[Cell]], anomalous: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """The rows of one K."""
    everything = np.arange(len(anomalous))
    measures = {
        name: {
            "auroc": [_auroc(cell, len(anomalous)) for cell in group],
            "pixel_ap": [_pixel_ap(cell, len(anomalous)) for cell in group],
        }
        for name, group in cells.items()
    }
    rows: list[dict[str, Any]] = [
        {"k": k, "arm": name, "made": float(np.mean([cell["made"] for cell in cells[name]]))}
        | {score: float(np.mean([one(everything) for one in by_score[score]])) for score in SCORES}
        for name, by_score in measures.items()
    ]
    seeds = cells[next(iter(ARMS))]
    draw = _draw(anomalous, [{said["clip"] for said in cell["found"]} for cell in seeds])
    # The memory bank is another detector: it stands beside the arms.
    synthetic = {name for name, arm in ARMS.items() if arm.synthetic}
    plain = {name for name, arm in ARMS.items() if not arm.synthetic and not arm.of_good_alone}
    add_differences(rows, measures, synthetic, plain, draw, everything)
    return rows


def _draw(
    anomalous: NDArray[np.bool_], tested: Sequence[set[int]]
) -> Callable[[np.random.Generator], Indices]:
    """Draws clips with replacement until every seed tests on both kinds among them."""
    count = len(anomalous)

    def draw(rng: np.random.Generator) -> Indices:
        while True:
            chosen = rng.choice(count, count)
            kinds = [{int(index) for index in chosen[anomalous[chosen] == kind]} for kind in (0, 1)]
            if all(kind & seen for seen in tested for kind in kinds):
                return np.asarray(chosen)

    return draw


def _auroc(cell: Cell, count: int) -> Measure:
    """A function that computes the AUROC of the frames of those of some clips that were tested."""
    by_clip: list[list[tuple[float, bool]]] = [[] for _ in range(count)]
    for said in cell["found"]:
        by_clip[said["clip"]].append((said["score"], said["anomalous"]))

    def measure(chosen: Indices) -> float:
        pairs = [pair for index in chosen for pair in by_clip[index]]
        scores, truth = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
        if truth.all() or not truth.any():
            return float("nan")
        return auroc(scores, truth)

    return measure


def _pixel_ap(cell: Cell, count: int) -> Measure:
    """A function that computes the average precision of all pixels of some clips."""
    bins = len(cell["found"][0]["inside"])
    inside, outside = np.zeros((count, bins), np.int64), np.zeros((count, bins), np.int64)
    for said in cell["found"]:
        inside[said["clip"]] += np.array(said["inside"])
        outside[said["clip"]] += np.array(said["outside"])

    def measure(chosen: Indices) -> float:
        times = np.bincount(chosen, minlength=count)
        return binned_average_precision(times @ inside, times @ outside)

    return measure


def _by_clip(results: Sequence[Cell], index: int, k: int) -> dict[str, float]:
    """Pixel AP of each arm on one clip, over the seeds that test on it."""
    found: dict[str, list[float]] = {}
    for cell in results:
        frames = [said for said in cell["found"] if said["clip"] == index]
        if cell["k"] == k and frames:
            inside = np.sum([said["inside"] for said in frames], axis=0)
            outside = np.sum([said["outside"] for said in frames], axis=0)
            found.setdefault(cell["arm"], []).append(binned_average_precision(inside, outside))
    return {arm: float(np.mean(values)) for arm, values in found.items()}


def _lines(values: dict[str, Any]) -> list[str]:
    """The report's text."""
    used = values["settings"]
    lines = [
        "# Uplift on clips with masks",
        "",
        f"{values['clips']} clips of one camera, {values['anomalous']} of them with anomalies. "
        f"For each of {used['seeds']} seeds, K clips with anomalies and {used['good']} without "
        f"to learn from, and {values['frames']:.0f} frames of other clips to test on "
        f"(every {used['every']}th). {used['made']} pictures are made of them for each arm "
        "with samples. "
        "Frozen EfficientNet-Lite0 features of strides 8 and 16 at the clips' own size, and a "
        "logistic classifier of cells; a frame's score is the mean of its most suspicious cells. "
        "Differences are to the classifier without samples that is best in the same score at the "
        "same K, with 95 percent intervals of a paired bootstrap over clips and seeds.",
        "",
    ]
    lines += comparison_lines(values["rows"], SCORES)
    by_clip = values["by_clip"]
    lines += ["", f"Pixel AP by clip, K = {max(used['k'])}:", ""]
    body = [
        [arm, *(f"{found[arm]:.3f}" if arm in found else "" for found in by_clip.values())]
        for arm in ARMS
    ]
    lines += markdown_table(["arm", *by_clip], body, text_columns=1)
    return [*lines, "", *verdicts_of(values["rows"], SCORES), ""]
