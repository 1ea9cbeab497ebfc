"""Scores frame by frame are those over whole videos, bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics import sample_diversity, ssim, temporal_coherence
from flawcast.selection.metrics.by_frame import score_by_frame


@settings(max_examples=60, deadline=None)
@given(
    kept=st.integers(2, 6),
    future=st.integers(2, 6),
    height=st.integers(7, 40),
    width=st.integers(7, 40),
    seed=st.integers(0, 1000),
)
def test_scores_are_those_of_whole_videos(
    kept: int, future: int, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    videos = rng.integers(0, 256, (kept, future, height, width, 3), np.uint8)
    reference = rng.integers(0, 256, (future, height, width, 3), np.uint8)
    found = score_by_frame((videos[:, time] for time in range(future)), reference)
    assert np.array_equal(found.ssim, ssim(videos, reference))
    assert np.array_equal(found.diversity, sample_diversity(videos))
    assert found.coherence == temporal_coherence(videos, reference)
    assert found.apd == float(sample_diversity(videos).mean())


def test_coherence_of_a_reference_that_stands_still_is_not_a_number() -> None:
    videos = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    still = np.zeros((3, 8, 8, 3), np.uint8)
    assert np.isnan(score_by_frame(videos.swapaxes(0, 1), still).coherence)


@pytest.mark.parametrize("times", [2, 4], ids=["too few", "too many"])
def test_other_times_than_the_reference_has_are_refused(times: int) -> None:
    with pytest.raises(ShapeError, match="times"):
        score_by_frame(np.zeros((times, 2, 8, 8, 3), np.uint8), np.zeros((3, 8, 8, 3), np.uint8))
