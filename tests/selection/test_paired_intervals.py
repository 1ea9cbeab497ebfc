"""Paired intervals over clips: cases worked out by hand, and how often they hold the truth."""

import numpy as np
import pytest

from flawcast.configs.errors import ShapeError
from flawcast.selection.paired_intervals import paired_interval


def test_windows_of_one_clip_stay_together() -> None:
    """Two clips: a mean is one of three values, whatever the number of their windows."""
    found = paired_interval(np.array([1.0, 1.0, 4.0, 4.0]), np.zeros(4), ["a", "a", "b", "b"])
    assert (found.difference, found.low, found.high) == (2.5, 1.0, 4.0)


def test_an_interval_holds_the_true_difference_in_most_worlds(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(100):
        clips = np.repeat(np.arange(40), 3)
        gaps = 0.5 + rng.normal(size=40)[clips] + rng.normal(size=120)
        base = rng.normal(size=120)
        found = paired_interval(base + gaps, base, [str(clip) for clip in clips])
        held += found.low <= 0.5 <= found.high
    assert held >= 86


def test_scores_of_other_windows_are_refused() -> None:
    with pytest.raises(ShapeError, match="scores of the same windows, got 2, 3 and 2 values"):
        paired_interval(np.zeros(2), np.zeros(3), ["a", "b"])
