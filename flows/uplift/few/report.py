"""The report on a few stills: scores by K and arm, differences with intervals, plain verdicts."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.uplift.comparing import add_differences, comparison_lines, verdicts_of
from flawcast.flows.uplift.few.arms import ARMS
from flawcast.flows.uplift.few.request import FewRequest
from flawcast.flows.uplift.images.stills import Still
from flawcast.selection.detection_scores import (
    Indices,
    Measure,
    auroc,
    binned_average_precision,
    draw_items,
)

SCORES = {"auroc": "AUROC", "pixel_ap": "pixel AP"}
Cell = dict[str, Any]


def write_report(results: list[Cell], stills: list[Still], request: FewRequest) -> dict[str, Any]:
    """Sum up all cells into report.md and report.json.

    Every arm with made pictures is compared, for each score, with the best arm of the same
    classifier without at the same K. This favours the arms without, because the best one is chosen
    on the stills that it is tested on.

    Args:
        results: One record per finished cell.
        stills: The pictures.
        request: What was compared.

    Returns:
        The figures as plain values.
    """
    truth = np.array([still.defective for still in stills])
    items = np.array([still.item for still in stills])
    rows: list[dict[str, Any]] = []
    for k in request.k:
        measures = {
            name: {
                "auroc": [_auroc(cell, truth) for cell in _of(results, k, name)],
                "pixel_ap": [_pixel_ap(cell, len(stills)) for cell in _of(results, k, name)],
            }
            for name in ARMS
        }
        tested = [
            np.isin(np.arange(len(stills)), [int(index) for index in cell["found"]])
            for cell in _of(results, k, next(iter(ARMS)))
        ]
        rows += _rows(k, measures, items, truth, tested)
    for row in rows:
        cells = _of(results, row["k"], row["arm"])
        row["made"] = float(np.mean([cell["made"] for cell in cells]))
    counts = [len(cell["found"]) for cell in results]
    values = {
        "pictures": len(stills),
        "defective": int(truth.sum()),
        "items": len(set(items.tolist())),
        "tested": float(np.mean(counts)),
        "settings": request.model_dump(
            mode="json", include={"k", "seeds", "good", "copies", "augmented", "share"}
        ),
        "rows": rows,
    }
    (request.out / "report.json").write_text(json.dumps(values, indent=1))
    (request.out / "report.md").write_text("\n".join(_lines(values)))
    return values


def _of(results: list[Cell], k: int, name: str) -> list[Cell]:
    """The cells of one K and arm, by seed."""
    return [cell for cell in results if (cell["k"], cell["arm"]) == (k, name)]


def _rows(
    k: int,
    measures: dict[str, dict[str, list[Measure]]],
    items: Indices,
    truth: NDArray[np.bool_],
    tested: list[NDArray[np.bool_]],
) -> list[dict[str, Any]]:
    """The rows of one K; `tested` says for each seed which stills were tested on."""
    everything = np.arange(len(truth))
    rows: list[dict[str, Any]] = [
        {"k": k, "arm": name}
        | {score: float(np.mean([one(everything) for one in by_score[score]])) for score in SCORES}
        for name, by_score in measures.items()
    ]
    draw = _draw(items, truth, tested)
    # The memory bank is another detector: it stands beside the arms.
    synthetic = {name for name, arm in ARMS.items() if arm.synthetic}
    plain = {name for name, arm in ARMS.items() if not arm.synthetic and not arm.of_good_alone}
    add_differences(rows, measures, synthetic, plain, draw, everything)
    return rows


def _draw(
    items: Indices, truth: NDArray[np.bool_], tested: list[NDArray[np.bool_]]
) -> Callable[[np.random.Generator], Indices]:
    """Draws whole items with replacement until every seed tests on both kinds among them."""
    draw_some = draw_items(items, truth)

    def draw(rng: np.random.Generator) -> Indices:
        while True:
            chosen = draw_some(rng)
            kinds = [truth[chosen[seen[chosen]]] for seen in tested]
            if all(kind.any() and not kind.all() for kind in kinds):
                return chosen

    return draw


def _auroc(cell: Cell, truth: NDArray[np.bool_]) -> Measure:
    """A function that computes the AUROC of those of some pictures that were tested."""
    scores = np.full(len(truth), np.nan)
    for index, said in cell["found"].items():
        scores[int(index)] = said["score"]

    def measure(indices: Indices) -> float:
        tested = indices[~np.isnan(scores[indices])]
        return auroc(scores[tested], truth[tested])

    return measure


def _pixel_ap(cell: Cell, count: int) -> Measure:
    """A function that computes the average precision of all pixels of some pictures."""
    bins = len(next(iter(cell["found"].values()))["inside"])
    inside, outside = np.zeros((count, bins), np.int64), np.zeros((count, bins), np.int64)
    for index, said in cell["found"].items():
        inside[int(index)], outside[int(index)] = said["inside"], said["outside"]

    def measure(indices: Indices) -> float:
        times = np.bincount(indices, minlength=count)  # much faster than a copy of the rows
        return binned_average_precision(times @ inside, times @ outside)

    return measure


def _lines(values: dict[str, Any]) -> list[str]:
    """The report's text."""
    used = values["settings"]
    lines = [
        "# Uplift with a few stills",
        "",
        f"{values['pictures']} pictures of {values['items']} items, {values['defective']} of them "
        f"defective. For each of {used['seeds']} seeds, K defective and {used['good']} good stills "
        f"to learn from, each of another item, and {values['tested']:.0f} stills of all other "
        f"items to test on. {used['copies']} pictures are made of them for each arm with samples. "
        "Frozen EfficientNet-Lite0 features of strides 8 and 16 at the pictures' own size, and a "
        "logistic classifier of cells; a picture's score is the mean of its most suspicious cells. "
        "Differences are to the classifier without samples that is best in the same score at the "
        "same K, with 95 percent intervals of a paired bootstrap over items and seeds. Pixel AP is "
        "the average precision of all pixels together.",
        "",
    ]
    lines += comparison_lines(values["rows"], SCORES)
    return [*lines, "", *verdicts_of(values["rows"], SCORES), ""]
