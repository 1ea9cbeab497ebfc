"""The report's picture: what each arm with samples changes, and how sure that is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from flows.uplift.arms import ARMS

WIDTH, ROW, MARGIN, DPI = 8.0, 0.22, 1.4, 150  # inches: a row for each arm and K; pixels per inch


def draw_differences(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw differences in AUROC with intervals: a panel for each detector, a colour for each K.

    Args:
        rows: Of the report, those with a difference among them.
        path: SVG file to write.
    """
    compared = [row for row in rows if "verdict" in row]
    detectors = sorted({row["detector"] for row in compared})
    arms = [name for name in ARMS if name in {row["arm"] for row in compared}]
    numbers = sorted({row["k"] for row in compared})
    height = MARGIN + ROW * len(arms) * max(1, len(numbers))
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, max(1, len(detectors)), sharey=True, squeeze=False)[0]
    for panel, detector in zip(panels, detectors, strict=False):
        for number, k in enumerate(numbers):
            mine = [row for row in compared if (row["detector"], row["k"]) == (detector, k)]
            middles = [row["difference"] for row in mine]
            ends = [
                [row["difference"] - row["interval"][0] for row in mine],
                [row["interval"][1] - row["difference"] for row in mine],
            ]
            shift = (number - (len(numbers) - 1) / 2) * 0.7 / len(numbers)
            places = [arms.index(row["arm"]) + shift for row in mine]
            panel.errorbar(
                middles, places, xerr=ends, fmt="o", capsize=3, color=f"C{number}", label=f"K = {k}"
            )
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_title(detector)
        panel.set_xlabel("difference in AUROC")
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].invert_yaxis()
    if detectors:
        panels[0].legend(frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    return path
