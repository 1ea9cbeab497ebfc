"""The results of a training, and how they are printed."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flawcast.flows.pictures.reconstruction_sheet import SHEET
from flawcast.generators.clips import Reject


@dataclass(frozen=True)
class TrainSummary:
    """The results of a training.

    Args:
        model: The model folder.
        clips: Number of training clips.
        held_out: Number of test clips.
        metrics: Errors on the held-out clips, by name.
        rejects: Clips that were left out.
        seconds: Duration.
    """

    model: Path
    clips: int
    held_out: int
    metrics: dict[str, float]
    rejects: tuple[Reject, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**asdict(self), "model": str(self.model)}


def print_training(summary: TrainSummary, console: Console) -> None:
    """Show the errors on held-out clips, the clips left out, and where the model is."""
    table = Table(title=f"on {summary.held_out} held-out clips, trained on {summary.clips}")
    table.add_column("error")
    table.add_column("model", justify="right")
    table.add_column("baseline", justify="right")
    metrics = summary.metrics
    rows = [
        (
            "reconstruction MAE, pixels (copy first frame)",
            "reconstruction_mae",
            "copy_first_frame_mae",
        ),
        ("motion of held-out pairs (before)", "pairs_error", "pairs_error_before"),
        ("best future MAE, keypoints (hold last frame)", "forecast_mae", "forecast_hold_mae"),
        ("best of 100 MAE, keypoints", "forecast_best_of_100_mae", "forecast_hold_mae"),
    ]
    for name, ours, baseline in rows:
        if ours in metrics:
            table.add_row(name, f"{metrics[ours]:.4f}", f"{metrics[baseline]:.4f}")
    if "forecast_coherence" in metrics:
        table.add_row(
            "samples' movement over the truth's", f"{metrics['forecast_coherence']:.2f}", "1"
        )
    console.print(table)
    for reject in summary.rejects:
        console.print(f"left out: {reject.name}: {reject.reason}", highlight=False, markup=False)
    console.print(f"model: {summary.model}, {summary.seconds:.0f} s", highlight=False)
    console.print(f"look at: {summary.model / SHEET}", highlight=False, soft_wrap=True)
