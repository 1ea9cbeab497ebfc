"""Whether to use the samples of each defect, by clips that nobody trains or is tested on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.flows.uplift.arms import ARMS
from flawcast.flows.uplift.data import Material
from flawcast.selection.detection_scores import (
    Difference,
    Indices,
    Measure,
    auroc,
    draw_clips,
    paired_difference,
)
from flawcast.storage.gate import AVOID, UNCLEAR, USE

Cell = dict[str, Any]
Key = tuple[str, int, str]  # detector, K, arm
RECIPE = ("+ transfer, augmented", "+ transfer")  # the arms that a gate speaks of, best first


def gate_of(cells: Mapping[Key, Sequence[Cell]], material: Material) -> dict[str, Any] | None:
    """Compare, for each defect, the recipe with the best that there is without samples.

    The recipe is judged by the detector that it serves best. Its rival is, for each defect, the
    best of all detectors and arms without samples, on the very clips that are scored: that favours
    the rival. Samples are used only if they win for sure, and for sure against the control with
    shuffled labels, too, if that was run: else what helps is not what the samples show. Samples
    that gain nothing, and are not for sure better than that control, are not to be used.

    Args:
        cells: Finished cells, one for each seed, by detector, K and arm.
        material: The clips.

    Returns:
        Plain values; None where no arm with samples and none without was run.
    """
    largest = max((key[1] for key in cells), default=0)
    there = {key: group for key, group in cells.items() if key[1] == largest}
    recipes = [key for name in _recipes(there) for key in there if key[2] == name]
    plain = [key for key in there if not ARMS[key[2]].synthetic]
    if not recipes or not plain:
        return None
    best = max(
        (key for key in recipes if key[2] == recipes[0][2]),
        key=lambda key: _mean(there[key], material.scored.labels > 0),
    )
    control = _control(best, there)
    labels = {
        name: _verdict(name, number, best, plain, control, there, material)
        for number, name in enumerate(material.names)
        if number > 0
    }
    return {
        "k": largest,
        "detector": best[0],
        "arm": best[2],
        "normal": material.names[0],
        "labels": labels,
        "good_samples": _samples(there[best], 0),
    }


def gate_lines(gate: Mapping[str, Any]) -> list[str]:
    """The gate as plain sentences."""
    return [
        "## Which samples to use",
        "",
        f"Judged by {gate['detector']}, {gate['arm']}, at K = {gate['k']}, against the best of all "
        "detectors without samples.",
        "",
        *(f"- {found['text']}" for found in gate["labels"].values()),
    ]


def _recipes(cells: Mapping[Key, object]) -> list[str]:
    """Arms with samples under their own labels: the recipe's first."""
    arms = {key[2] for key in cells}
    others = [name for name, arm in ARMS.items() if arm.modes and not arm.control]
    return [name for name in (*RECIPE, *others) if name in arms]


def _control(best: Key, cells: Mapping[Key, object]) -> Key | None:
    """The arm with shuffled labels under the same detector, if it was run."""
    for key in cells:
        if key[0] == best[0] and ARMS[key[2]].shuffled:
            return key
    return None


def _verdict(
    name: str,
    number: int,
    best: Key,
    plain: Sequence[Key],
    control: Key | None,
    cells: Mapping[Key, Sequence[Cell]],
    material: Material,
) -> dict[str, Any]:
    """The verdict on the samples of one defect."""
    relevant = np.isin(material.scored.labels, (0, number))
    defective = material.scored.labels[relevant] > 0

    def score(key: Key) -> float:
        return float(np.mean([auroc(_scores(cell)[relevant], defective) for cell in cells[key]]))

    rival = max(plain, key=score)
    difference = _difference(best, rival, cells, relevant, defective)
    verdict, text = _in_words(name, difference, rival)
    if control is not None and (verdict == USE or (verdict == UNCLEAR and difference.mean <= 0)):
        against = _difference(best, control, cells, relevant, defective)
        if against.low <= 0 and verdict == UNCLEAR:
            verdict = AVOID
            text = (
                f"{name}: do not use the samples. They show no gain over {rival[2]} ({rival[0]}): "
                f"{_figures(difference)}, nor for sure over those with shuffled labels "
                f"({_figures(against)})."
            )
        elif against.low <= 0:
            verdict = UNCLEAR
            text = (
                f"{name}: cannot tell. Samples help by {_figures(difference)}, but those with "
                f"shuffled labels do not help less for sure ({_figures(against)})."
            )
    return {
        "verdict": verdict,
        "text": text,
        "difference": difference.mean,
        "interval": [difference.low, difference.high],
        "against": {"detector": rival[0], "arm": rival[2]},
        "auroc": score(best),
        "auroc_without": score(rival),
        "clips": int(defective.sum()),
        "samples": _samples(cells[best], number),
    }


def _in_words(name: str, difference: Difference, rival: Key) -> tuple[str, str]:
    """The verdict, and a sentence."""
    than = f"{rival[2]} ({rival[0]})"
    if difference.low > 0:
        return USE, f"{name}: use the samples. They gain {_figures(difference)} over {than}."
    if difference.high < 0:
        return AVOID, (
            f"{name}: do not use the samples. They lose {_figures(difference)} against {than}."
        )
    return UNCLEAR, (
        f"{name}: cannot tell. The difference to {than} is {_figures(difference)}; more clips to "
        "validate on would tell."
    )


def _figures(difference: Difference) -> str:
    """A difference in AUROC with its interval."""
    return f"{difference.mean:+.3f} AUROC ({difference.low:+.3f} to {difference.high:+.3f})"


def _difference(
    one: Key,
    other: Key,
    cells: Mapping[Key, Sequence[Cell]],
    relevant: NDArray[np.bool_],
    defective: NDArray[np.bool_],
) -> Difference:
    """Paired difference of two groups of cells on the clips that matter."""
    first, second = (
        [_measure(_scores(cell)[relevant], defective) for cell in cells[key]]
        for key in (one, other)
    )
    rng, everything = np.random.default_rng(one[1]), np.arange(len(defective))
    return paired_difference(first, second, draw_clips(defective), everything, rng)


def _measure(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> Measure:
    """A function that computes the AUROC on some of the clips."""

    def measure(chosen: Indices) -> float:
        return auroc(scores[chosen], defective[chosen])

    return measure


def _mean(group: Sequence[Cell], defective: NDArray[np.bool_]) -> float:
    """Mean AUROC of all defects over seeds."""
    return float(np.mean([auroc(_scores(cell), defective) for cell in group]))


def _scores(cell: Cell) -> NDArray[np.float64]:
    """What a detector said of each clip."""
    return np.array(cell["suspicion"])


def _samples(group: Sequence[Cell], number: int) -> list[str]:
    """Ids of the samples that a group of cells was trained with under one label."""
    return sorted(
        {
            sample
            for cell in group
            for sample, label in zip(cell["samples"], cell["sample_labels"], strict=True)
            if label == number
        }
    )
