"""The report on stills: scores by arm, differences with intervals, a plain verdict."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.uplift.comparing import add_differences, comparison_lines, verdicts_of
from flawcast.flows.uplift.images.arms import ARMS
from flawcast.flows.uplift.images.request import ImagesRequest
from flawcast.flows.uplift.images.stills import Still
from flawcast.selection.detection_scores import (
    Measure,
    auroc,
    binned_average_precision,
    draw_items,
)

SCORES = {"auroc": "AUROC", "mask_ap": "mask AP"}
Cell = dict[str, Any]


def write_report(
    results: list[Cell], stills: list[Still], request: ImagesRequest, motions: int
) -> dict[str, Any]:
    """Sum up all cells into report.md and report.json.

    Every arm with moved frames is compared, for each score, with the best arm without. This favours
    the arms without, because the best one is chosen on the pictures that it is tested on.

    Args:
        results: One record per finished cell.
        stills: The pictures.
        request: What was compared.
        motions: How many driving clips there were.

    Returns:
        The figures as plain values.
    """
    truth = np.array([still.defective for still in stills])
    measures: dict[str, dict[str, list[Measure]]] = {
        name: {
            "auroc": [_auroc(cell, truth) for cell in results if cell["arm"] == name],
            "mask_ap": [_mask_ap(cell) for cell in results if cell["arm"] == name],
        }
        for name in ARMS
    }
    everything = np.arange(len(stills))
    rows: list[dict[str, Any]] = [
        {"arm": name}
        | {score: float(np.mean([one(everything) for one in by_score[score]])) for score in SCORES}
        for name, by_score in measures.items()
    ]
    draw = draw_items(np.array([still.item for still in stills]), truth)
    synthetic = {name for name, arm in ARMS.items() if arm.synthetic}
    add_differences(rows, measures, synthetic, ARMS.keys() - synthetic, draw, everything)
    values = {
        "pictures": len(stills),
        "defective": int(truth.sum()),
        "items": len({still.item for still in stills}),
        "motions": motions,
        "settings": request.model_dump(mode="json", include={"folds", "seeds", "copies", "steps"}),
        "rows": rows,
    }
    (request.out / "report.json").write_text(json.dumps(values, indent=1))
    (request.out / "report.md").write_text("\n".join(_lines(values)))
    return values


def _auroc(cell: Cell, truth: NDArray[np.bool_]) -> Measure:
    """A function that computes the AUROC of some pictures."""
    scores = np.array([item["score"] for item in cell["found"]])
    return lambda indices: auroc(scores[indices], truth[indices])


def _mask_ap(cell: Cell) -> Measure:
    """A function that computes the average precision of all pixels of some pictures."""
    inside, outside = (
        np.array([item[side] for item in cell["found"]]) for side in ("inside", "outside")
    )
    return lambda indices: binned_average_precision(
        inside[indices].sum(axis=0), outside[indices].sum(axis=0)
    )


def _lines(values: dict[str, Any]) -> list[str]:
    """The report's text."""
    used = values["settings"]
    lines = [
        "# Uplift on pictures",
        "",
        f"{values['pictures']} pictures of {values['items']} items, {values['defective']} of them "
        f"defective; {used['folds']} folds by item, {used['seeds']} seeds, {used['steps']} "
        f"training steps in every arm; "
        f"{used['copies']} frames made of each training picture, moved as "
        f"{values['motions']} real clips move. Differences are to the arm without such frames that "
        "is best in the same score, with 95 percent intervals of a paired bootstrap over items and "
        "seeds. Mask AP is the average precision of all pixels together.",
        "",
    ]
    lines += comparison_lines(values["rows"], SCORES)
    return [*lines, "", *verdicts_of(values["rows"], SCORES), ""]
