"""The experiment's report: scores by arm and K, differences with intervals, a plain verdict."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.markdown import markdown_table
from flawcast.flows.uplift.arms import ARMS
from flawcast.flows.uplift.data import Material
from flawcast.flows.uplift.gate import gate_lines, gate_of
from flawcast.flows.uplift.plot import draw_differences
from flawcast.flows.uplift.request import UpliftRequest
from flawcast.flows.uplift.words import difference_cells, verdict_lines
from flawcast.selection.detection_scores import (
    Indices,
    Measure,
    auroc,
    average_precision,
    draw_clips,
    f1,
    paired_difference,
)
from flawcast.storage.gate import KEY

Cell = dict[str, Any]
Key = tuple[str, int, str]  # detector, K, arm
NEARLY_RIGHT = 0.95  # above this AUROC the removed share of the error tells more


def write_report(
    results: Sequence[Cell], material: Material, request: UpliftRequest
) -> dict[str, Any]:
    """Sum up all cells into report.md, report.json and differences.svg.

    Every synthetic arm is compared with the best arm without samples at the same K. This favours
    the arms without, because the best one is chosen on the clips that it is scored on.

    Args:
        results: One record per finished cell.
        material: The clips of the experiment.
        request: What was compared, and the folder to write into.

    Returns:
        The figures as plain values.
    """
    cells: dict[Key, list[Cell]] = {}
    for cell in results:
        if "skipped" not in cell:
            cells.setdefault((cell["detector"], cell["k"], cell["arm"]), []).append(cell)
    seeds = len({cell["seed"] for cell in results})
    cells = {key: group for key, group in cells.items() if len(group) == seeds}  # else not paired
    rows = [_row(key, group, material) for key, group in sorted(cells.items(), key=_order)]
    for row in rows:
        if ARMS[row["arm"]].synthetic:
            row |= _against_the_best(row, rows, cells, material)
    bad = int((material.scored.labels > 0).sum())
    values = {
        "seeds": seeds,
        "steps": request.steps,
        "scored": "validation" if request.validation else "test",
        "clips": {"scored": len(material.scored.labels), "defective": bad},
        "skipped": sum("skipped" in cell for cell in results),
        "rows": rows,
    }
    if request.validation:  # chosen on test clips, a gate would be tested on what it was chosen by
        gate = gate_of(cells, material)
        values |= {} if gate is None else {KEY: gate}
    out = request.out
    (out / "report.json").write_text(json.dumps(values, indent=1))
    (out / "report.md").write_text("\n".join(_lines(values, material)))
    draw_differences(rows, out / "differences.svg")
    return values


def _order(item: tuple[Key, list[Cell]]) -> tuple[str, int, int]:
    """Detector, K, then arms as they are listed."""
    detector, k, arm = item[0]
    return detector, k, list(ARMS).index(arm)


def _row(key: Key, group: list[Cell], material: Material) -> dict[str, Any]:
    """Mean scores of an arm at one K over its seeds."""
    truth = material.scored.labels
    scores = [np.array(cell["suspicion"]) for cell in group]
    predicted = [np.array(cell["said"]) for cell in group if cell["said"] is not None]
    defects = list(enumerate(material.names))[1:]
    return {
        "detector": key[0],
        "k": key[1],
        "arm": key[2],
        "auroc": float(np.mean([auroc(values, truth > 0) for values in scores])),
        "ap": float(np.mean([average_precision(values, truth > 0) for values in scores])),
        "f1": {
            name: float(np.mean([f1(values, truth, number) for values in predicted]))
            for number, name in defects
            if predicted
        },
        "auroc_by_defect": {
            name: float(np.mean([_one_defect(values, truth, number) for values in scores]))
            for number, name in defects
        },
        "loss": float(np.mean([cell["loss"] for cell in group])),
        "synthetic": float(np.mean([cell["synthetic"] for cell in group])),
    }


def _one_defect(scores: NDArray[np.float64], truth: NDArray[np.int64], label: int) -> float:
    """AUROC of one defect against good clips."""
    relevant = (truth == 0) | (truth == label)
    return auroc(scores[relevant], truth[relevant] > 0)


def _against_the_best(
    row: dict[str, Any],
    rows: list[dict[str, Any]],
    cells: dict[Key, list[Cell]],
    material: Material,
) -> dict[str, Any]:
    """The difference to the best arm without samples at the same K."""
    plain = [
        other
        for other in rows
        if not ARMS[other["arm"]].synthetic
        and (other["detector"], other["k"]) == (row["detector"], row["k"])
    ]
    best = max(plain, key=lambda other: float(other["auroc"]))
    defective = material.scored.labels > 0
    one, another = (
        [_measure(cell, defective) for cell in cells[row["detector"], row["k"], arm]]
        for arm in (row["arm"], best["arm"])
    )
    rng, everything = np.random.default_rng(row["k"]), np.arange(len(defective))
    difference = paired_difference(one, another, draw_clips(defective), everything, rng)
    removed = {}
    if best["auroc"] > NEARLY_RIGHT:
        removed = {"error_removed": (row["auroc"] - best["auroc"]) / max(1 - best["auroc"], 1e-9)}
    return {"against": best["arm"], **difference.to_json(), **removed}


def _measure(cell: Cell, defective: NDArray[np.bool_]) -> Measure:
    """A function that computes the AUROC of one cell on some of the clips."""
    scores = np.array(cell["suspicion"])

    def measure(chosen: Indices) -> float:
        return auroc(scores[chosen], defective[chosen])

    return measure


def _lines(values: dict[str, Any], material: Material) -> list[str]:
    """The report's text."""
    clips = values["clips"]
    lines = [
        "# Uplift",
        "",
        f"{values['seeds']} seeds, {values['steps']} training steps in every arm; "
        f"{len(material.train.clips)} real training clips to draw from; scored on "
        f"{clips['scored']} real {values['scored']} clips, {clips['defective']} of them defective. "
        "Differences are in AUROC to the arm without samples that is best at the same K, with "
        "95 percent intervals of a paired bootstrap over clips and seeds. Loss is that of the last "
        "tenth of the training.",
    ]
    for detector in dict.fromkeys(row["detector"] for row in values["rows"]):
        rows = [row for row in values["rows"] if row["detector"] == detector]
        lines += ["", f"## {detector.capitalize()}", "", *_table(rows, material)]
        verdicts = {f"{row['arm']} at K = {row['k']}": row.get("verdict", "") for row in rows}
        lines += ["", *verdict_lines(verdicts)]
    if KEY in values:
        lines += ["", *gate_lines(values[KEY])]
    if values["skipped"]:
        lines += ["", f"{values['skipped']} cells had no samples of their clips and are missing."]
    return [*lines, "", "![Differences in AUROC with their intervals](differences.svg)", ""]


def _table(rows: list[dict[str, Any]], material: Material) -> list[str]:
    """One detector's table: F1 of each defect, or AUROC of each if it predicts no labels."""
    defects = material.names[1:]
    score = "f1" if rows[0]["f1"] else "auroc_by_defect"
    title = "F1" if rows[0]["f1"] else "AUROC"
    heads = ["K", "arm", "AUROC", "AP", *(f"{title} {name}" for name in defects)]
    heads += ["loss", "difference", "verdict"]
    body = [
        [
            str(row["k"]),
            row["arm"],
            f"{row['auroc']:.3f}",
            f"{row['ap']:.3f}",
            *(f"{row[score][name]:.2f}" for name in defects),
            f"{row['loss']:.4f}",
            *difference_cells(row if "verdict" in row else None),
        ]
        for row in rows
    ]
    return markdown_table(heads, body, text_columns=2)
