"""Arms with samples beside the best arm without: differences, their table, and verdicts.

The reports on stills, on a few stills and on clips with masks say it in the same way.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from flawcast.flows.markdown import markdown_table
from flawcast.flows.uplift.words import difference_cells, verdict_lines
from flawcast.selection.detection_scores import Indices, Measure, paired_difference

Row = dict[str, Any]


def add_differences(
    rows: Sequence[Row],
    measures: Mapping[str, Mapping[str, Sequence[Measure]]],
    synthetic: Collection[str],
    plain: Collection[str],
    draw: Callable[[np.random.Generator], Indices],
    everything: Indices,
) -> None:
    """Add to each row of an arm with samples how it differs from the best arm without.

    Args:
        rows: A row for each arm, with its scores.
        measures: For each arm and score a function for each seed.
        synthetic: Arms with samples.
        plain: Arms without, of the same detector.
        draw: Draws clips or pictures for the bootstrap.
        everything: Numbers of all of them.
    """
    for row in rows:
        if row["arm"] not in synthetic:
            continue
        for score, ours in measures[row["arm"]].items():
            without = [other for other in rows if other["arm"] in plain]
            best = max(without, key=lambda other: float(other[score]))["arm"]
            other = measures[best][score]
            found = paired_difference(ours, other, draw, everything, np.random.default_rng(0))
            row[f"{score} difference"] = {"against": best, **found.to_json()}


def comparison_lines(rows: Sequence[Row], scores: Mapping[str, str]) -> list[str]:
    """The table of all rows in Markdown; by K, if they have one.

    Args:
        rows: As `add_differences` leaves them.
        scores: Titles of the scores.
    """
    by_k = "k" in rows[0]
    heads = [*(["K"] if by_k else []), "arm", *scores.values()]
    for title in scores.values():
        heads += [f"difference in {title}", ""]
    body = []
    for row in rows:
        cells = [str(row["k"])] if by_k else []
        cells += [row["arm"], *(f"{row[score]:.3f}" for score in scores)]
        for score in scores:
            cells += difference_cells(row.get(f"{score} difference"))
        body.append(cells)
    return markdown_table(heads, body, text_columns=1 + by_k)


def verdicts_of(rows: Sequence[Row], scores: Mapping[str, str]) -> list[str]:
    """Plain sentences on which arms help and which hurt; arguments as in `comparison_lines`."""
    verdicts = {}
    for row in rows:
        at = f" at K = {row['k']}" if "k" in row else ""
        for score, title in scores.items():
            if f"{score} difference" in row:
                verdicts[f"{row['arm']}{at} ({title})"] = row[f"{score} difference"]["verdict"]
    return verdict_lines(verdicts)
