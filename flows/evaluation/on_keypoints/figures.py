"""Pictures of a comparison on keypoints."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from flawcast.flows.evaluation.tables import Row

SIZE, DPI = (11, 4.6), 120  # inches, pixels per inch


def draw_trade_offs(path: Path, rows: Sequence[Row], horizon: str) -> Path:
    """Draw diversity against error, and movement against energy score, a point a forecaster.

    Args:
        path: The PNG to write.
        rows: Summaries of one horizon, one per forecaster.
        horizon: For the title.
    """
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    pairs = (
        (left, "kept_to_hold", "error of the kept over hold's", "apd", "APD of the kept"),
        (right, "energy_to_hold", "energy score over hold's", "coherence", "movement over truth's"),
    )
    handles = []
    for axes, x, x_label, y, y_label in pairs:
        handles = [
            axes.scatter(
                row[x], row[y], s=55, color=f"C{number % 10}", marker="oX"[number // 10 % 2]
            )
            for number, row in enumerate(rows)
        ]
        axes.axvline(1, color="grey", linewidth=0.8, linestyle=":")
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    right.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    names = [str(row["forecaster"]) for row in rows]
    figure.legend(handles, names, loc="outside right upper", frameon=False)
    figure.suptitle(f"Keypoint positions, {horizon}")
    figure.savefig(path, metadata={"Software": None})
    return path
