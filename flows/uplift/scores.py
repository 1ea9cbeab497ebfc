"""Scores of the clips to validate on, for the next round of `flawcast augment --misses`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.flows.augment.misses import write_scores
from flawcast.flows.uplift.arms import ARMS
from flawcast.flows.uplift.experiment import Experiment
from flawcast.flows.uplift.looks import defect_size

FILE = "scores.csv"


def write_best_scores(
    values: dict[str, Any], results: Sequence[dict[str, Any]], experiment: Experiment, out: Path
) -> Path:
    """Write what the best detector said of each scored clip, on average over the seeds.

    The best one has the largest AUROC among detectors that learn from defects; a control is none.

    Args:
        values: The report's figures.
        results: All cells.
        experiment: The experiment, whose scored clips are not those to test on.
        out: Folder of the report.
    """
    rows = [row for row in values["rows"] if not ARMS[row["arm"]].control and row["f1"]]
    rows = rows or values["rows"]
    best = max(rows, key=lambda row: float(row["auroc"]))
    scores = np.mean(
        [
            cell["suspicion"]
            for cell in results
            if "skipped" not in cell
            and all(cell[key] == best[key] for key in ("detector", "k", "arm"))
        ],
        axis=0,
    )
    return write_scores(
        out / FILE,
        [
            {
                "clip": clip.name,
                "score": round(float(score), 6),
                "label": clip.label,
                **({} if size is None else {"size": round(size, 4)}),
            }
            for clip, score in zip(experiment.real.scored, scores, strict=True)
            for size in [defect_size(clip, experiment.read)]
        ],
    )
