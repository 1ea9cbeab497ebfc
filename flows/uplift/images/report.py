"""The report on stills: scores by arm, differences with intervals, a plain verdict."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.markdown import markdown_table
from flawcast.flows.uplift.images.arms import ARMS
from flawcast.flows.uplift.images.request import ImagesRequest
from flawcast.flows.uplift.images.stills import Still
from flawcast.flows.uplift.words import difference_cells, verdict_lines
from flawcast.selection.detection_scores import (
    Measure,
    auroc,
    binned_average_precision,
    draw_items,
    paired_difference,
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
    for row in rows:
        if not ARMS[row["arm"]].synthetic:
            continue
        for score in SCORES:
            plain = [other for other in rows if not ARMS[other["arm"]].synthetic]
            best = max(plain, key=lambda other: float(other[score]))["arm"]
            one, other = measures[row["arm"]][score], measures[best][score]
            difference = paired_difference(one, other, draw, everything, np.random.default_rng(0))
            row[f"{score} difference"] = {"against": best, **difference.to_json()}
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
    heads = ["arm", "AUROC", "mask AP", "difference in AUROC", "", "difference in mask AP", ""]
    body = []
    for row in values["rows"]:
        cells = [f"{row['auroc']:.3f}", f"{row['mask_ap']:.3f}"]
        for score in SCORES:
            cells += difference_cells(row.get(f"{score} difference"))
        body.append([row["arm"], *cells])
    lines += markdown_table(heads, body)
    verdicts = {
        f"{row['arm']} ({title})": row[f"{score} difference"]["verdict"]
        for row in values["rows"]
        for score, title in SCORES.items()
        if f"{score} difference" in row
    }
    return [*lines, "", *verdict_lines(verdicts), ""]
