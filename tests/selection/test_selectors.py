"""Selectors: what all of them promise, and which futures each keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.selection.metrics import mae
from flawcast.selection.selectors import SELECTORS, Candidates, lowest_mae


def candidates(scores: NDArray[np.floating]) -> Candidates:
    """Candidates with these scores; the videos are all alike."""
    return Candidates(np.zeros((len(scores), 1, 8, 8, 3), np.uint8), scores)


def random_candidates() -> Candidates:
    """Twelve futures of different brightness with their real MAE."""
    rng = np.random.default_rng(0)
    level = rng.permutation(12)[:, None, None, None, None] * 10
    videos = (level + rng.integers(0, 10, (12, 2, 8, 8, 3))).astype(np.uint8)
    return Candidates(videos, mae(videos, np.full((2, 8, 8, 3), 40, np.uint8)))


@pytest.mark.parametrize("name", SELECTORS.names())
@pytest.mark.parametrize("keep", [1, 5, 12], ids=["one", "some", "all"])
def test_every_selector_keeps_distinct_samples(name: str, keep: int) -> None:
    kept = SELECTORS[name](random_candidates(), keep)
    assert kept.shape == (keep,)
    assert kept.dtype == np.intp
    assert len(set(kept.tolist())) == keep
    assert kept.min() >= 0
    assert kept.max() < 12


@pytest.mark.parametrize("name", SELECTORS.names())
def test_every_selector_repeats_itself(name: str) -> None:
    first, second = (SELECTORS[name](random_candidates(), 5) for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("name", SELECTORS.names())
def test_every_selector_refuses_to_keep_more_than_there_are(name: str) -> None:
    wanted = "keep: expected at most samples = 12, got 20; lower keep or draw more samples"
    with pytest.raises(SettingsError) as caught:
        SELECTORS[name](random_candidates(), 20)
    assert str(caught.value) == wanted
    with pytest.raises(SettingsError, match="at least 1, got 0"):
        SELECTORS[name](random_candidates(), 0)


def test_kept_videos_are_the_closest() -> None:
    chosen = random_candidates()
    kept = lowest_mae(chosen, 4)
    left_out = np.setdiff1d(np.arange(12), kept)
    assert chosen.mae[kept].max() <= chosen.mae[left_out].min()
    assert (np.diff(chosen.mae[kept]) >= 0).all()


def test_equal_scores_keep_the_order_of_the_samples() -> None:
    kept = lowest_mae(candidates(np.array([0.2, 0.1, 0.2, 0.1, 0.2])), 4)
    assert kept.tolist() == [1, 3, 0, 2]


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)), st.data())
def test_lowest_mae_picks_the_lowest(scores: NDArray[np.float64], data: st.DataObject) -> None:
    keep = data.draw(st.integers(1, len(scores)))
    kept = lowest_mae(candidates(scores), keep)
    expected = sorted(range(len(scores)), key=lambda index: (scores[index], index))[:keep]
    assert kept.tolist() == expected


def test_an_unknown_selector_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"^selector: expected one of .*lowest_mae.*'best'"):
        SELECTORS["best"]


def test_candidates_need_one_finite_score_each() -> None:
    with pytest.raises(ShapeError, match="mae: expected axes"):
        Candidates(np.zeros((3, 1, 8, 8, 3), np.uint8), np.zeros(2))
    with pytest.raises(ShapeError, match="finite number for each sample"):
        candidates(np.array([0.1, np.nan]))
