"""The experiment's report: scores by arm and K, differences with intervals, a plain verdict."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.curves import draw_curves
from flows.uplift.arms import ARMS
from flows.uplift.data import Material
from flows.uplift.scores import auroc, average_precision, f1, paired_difference

Cells = dict[tuple[str, int], list[NDArray[np.float64]]]  # probabilities by arm and K, by seed


def write_report(
    results: Sequence[dict[str, Any]], material: Material, steps: int, out: Path
) -> dict[str, Any]:
    """Sum up all cells into report.md, report.json and auroc.svg.

    Every synthetic arm is compared with that arm without samples that is best at the same K: this
    favours the arms without, since the best is chosen on the test clips.

    Args:
        results: Of all cells.
        material: What they were made of.
        steps: Of training.
        out: Folder to write into.

    Returns:
        The figures as plain values.
    """
    cells: Cells = {}
    for cell in results:
        if "skipped" not in cell:
            cells.setdefault((cell["arm"], cell["k"]), []).append(np.array(cell["probabilities"]))
    skipped = [cell for cell in results if "skipped" in cell]
    seeds = len({cell["seed"] for cell in results})
    cells = {key: found for key, found in cells.items() if len(found) == seeds}  # else not paired
    rows = [_row(key, found, material) for key, found in cells.items()]
    for row in rows:
        if ARMS[row["arm"]].synthetic:
            row |= _against_the_best(row, rows, cells, material)
    values = {"seeds": seeds, "steps": steps, "skipped": len(skipped), "rows": rows}
    (out / "report.json").write_text(json.dumps(values, indent=1))
    (out / "report.md").write_text("\n".join(_lines(values, material)))
    names = dict.fromkeys(row["arm"] for row in rows)
    draw_curves(
        out / "auroc.svg",
        {name: [(r["k"], r["auroc"]) for r in rows if r["arm"] == name] for name in names},
        "Defective or good: AUROC on the real test clips",
        "real defect clips of each label, K",
        "AUROC",
    )
    return values


def _row(
    key: tuple[str, int], found: list[NDArray[np.float64]], material: Material
) -> dict[str, Any]:
    """Mean scores of an arm at one K over its seeds."""
    truth = material.test.labels
    scores = [1 - values[:, 0] for values in found]
    said = [values.argmax(axis=1) for values in found]
    return {
        "arm": key[0],
        "k": key[1],
        "auroc": float(np.mean([auroc(values, truth > 0) for values in scores])),
        "ap": float(np.mean([average_precision(values, truth > 0) for values in scores])),
        "f1": {
            name: float(np.mean([f1(values, truth, number) for values in said]))
            for number, name in enumerate(material.names)
            if number
        },
    }


def _against_the_best(
    row: dict[str, Any], rows: list[dict[str, Any]], cells: Cells, material: Material
) -> dict[str, Any]:
    """The difference to the best arm without samples at the same K."""
    plain = [r for r in rows if r["k"] == row["k"] and not ARMS[r["arm"]].synthetic]
    best = max(plain, key=lambda r: float(r["auroc"]))
    one, other = (
        np.stack([1 - values[:, 0] for values in cells[r["arm"], r["k"]]]) for r in (row, best)
    )
    rng = np.random.default_rng(row["k"])
    found = paired_difference(one, other, material.test.labels > 0, rng)
    return {
        "against": best["arm"],
        "difference": found.mean,
        "interval": [found.low, found.high],
        "verdict": found.verdict,
    }


def _lines(values: dict[str, Any], material: Material) -> list[str]:
    """The report's text."""
    defects = material.names[1:]
    bad = int((material.test.labels > 0).sum())
    lines = [
        "# Uplift",
        "",
        f"{values['seeds']} seeds, {values['steps']} training steps in every arm; "
        f"{len(material.test.labels)} real test clips, {bad} of them defective; "
        f"{len(material.made.clips)} samples of training clips. Differences are in AUROC to the "
        "arm without samples that is best at the same K, with 95 percent intervals of a paired "
        "bootstrap over test clips and seeds.",
        "",
        f"| K | arm | AUROC | AP | {' | '.join(f'F1 {name}' for name in defects)} | difference | |",
        "| --- " * (6 + len(defects)) + "|",
    ]
    for row in values["rows"]:
        f1s = " | ".join(f"{row['f1'][name]:.2f}" for name in defects)
        low, high = row.get("interval", (0, 0))
        difference = (
            f"{row['difference']:+.3f} ({low:+.3f}, {high:+.3f})" if "verdict" in row else ""
        )
        lines.append(
            f"| {row['k']} | {row['arm']} | {row['auroc']:.3f} | {row['ap']:.3f} | {f1s} | "
            f"{difference} | {row.get('verdict', '')} |"
        )
    if values["skipped"]:
        lines += ["", f"{values['skipped']} cells had no samples of their clips and are missing."]
    hurt = [
        f"{row['arm']} at K = {row['k']}" for row in values["rows"] if row.get("verdict") == "hurts"
    ]
    lines += [
        "",
        f"**Arms that hurt**: {', '.join(hurt) or 'none shown'}.",
        "",
        "![AUROC](auroc.svg)",
    ]
    return [*lines, ""]
