"""The data set's card: what it is, where it comes from, what it may be used for, how good it is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.flows.exports.base import CARD_FIELDS, Export
from flawcast.flows.markdown import markdown_table


def write_card(export: Export, store: str, where: str | None, kind: str, path: Path) -> None:
    """Write README.md.

    Args:
        export: What was written.
        store: Where it is from.
        where: Which of its samples were asked for.
        kind: The export's format.
        path: The file.
    """
    rows = export.rows
    lines = [
        "---",
        f"license: {export.settings.licence}",
        "tags: [synthetic, anomaly-detection, video]",
        *(CARD_FIELDS[kind](export) if kind in CARD_FIELDS else ()),
        "---",
        f"# {export.name}",
        "",
        f"{len(rows)} synthetic videos in the format `{kind}`, made by flawcast from real clips: "
        "futures of a clip's keypoints were sampled, rendered, and those closest to the reference "
        "kept. They are plausible, not real: do not evaluate a detector on them.",
        "",
        "## Contents",
        "",
        *markdown_table(
            ["label", "videos", "source clips", "MAE", "SSIM", "diversity"],
            [_label_cells(rows, label) for label in sorted({row["label"] for row in rows})],
        ),
        "",
        "MAE and SSIM are against the set's reference on the [0, 1] pixel scale; diversity is a "
        "video's mean distance to the others of its set.",
        "",
        "## Masks",
        "",
        *_mask_lines(rows),
        "",
        "## Provenance",
        "",
        f"- store: {store}",
        f"- samples: {where or 'all'}",
        *(
            f"- {name}: {_values(rows, column)}"
            for name, column in (
                ("modes", "mode"),
                ("motion backbone", "backbone"),
                ("forecaster", "forecaster"),
                ("weights", "weights_id"),
                ("settings", "settings_id"),
                ("runs", "run_id"),
                ("flawcast", "version"),
                ("splits of the driving clips", "split"),
            )
        ),
        "- every video's clips, by content hash: samples.csv or the samples' own JSON",
        "",
        "## Licence",
        "",
        f"Licence: {export.settings.licence}. The videos are derived from the source clips, whose "
        "licence and privacy rules hold for them, too.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _label_cells(rows: Sequence[dict[str, Any]], label: str) -> list[str]:
    """Count and mean scores of a label."""
    members = [row for row in rows if row["label"] == label]
    clips = len({row["source_clip_id"] for row in members})
    scores = (np.mean([row[name] for row in members]) for name in ("mae", "ssim", "diversity"))
    return [label, str(len(members)), str(clips), *(f"{score:.4f}" for score in scores)]


def _mask_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What masks there are."""
    kinds = Counter(row["masks"] or "none" for row in rows)
    said = {
        "drawn": "carried along the dense motion from what is drawn on the source frame",
        "motion": "maps of motion difference against the median future, not masks of a defect",
        "none": "made without",
    }
    return [f"- {kind}: {count} videos, {said[kind]}" for kind, count in sorted(kinds.items())]


def _values(rows: Sequence[dict[str, Any]], column: str) -> str:
    """The distinct values of a column."""
    values = sorted({str(row[column] or "not stated") for row in rows})
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(values[:10]) + more
