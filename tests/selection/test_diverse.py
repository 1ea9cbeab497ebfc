"""The most diverse few: at least half as far apart as the best choice, closest first."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.selection.diverse import most_diverse


def distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(points[:, None] - points).mean(axis=-1)


def smallest(apart: NDArray[np.float64], chosen: tuple[int, ...]) -> float:
    return min(apart[one, other] for one, other in combinations(chosen, 2))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_half_of_the_best_possible_distance_is_guaranteed(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 8))
    k = data.draw(st.integers(2, count))
    values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
    places = st.lists(st.lists(values, min_size=2, max_size=2), min_size=count, max_size=count)
    apart = distances(np.array(data.draw(places)))
    errors = np.array(data.draw(st.lists(values, min_size=count, max_size=count)))
    chosen = most_diverse(apart, errors, k)
    best = max(smallest(apart, choice) for choice in combinations(range(count), k))
    assert len(set(chosen.tolist())) == k
    assert smallest(apart, tuple(chosen.tolist())) >= best / 2 - 1e-12  # floats are rounded
    assert (np.diff(errors[chosen]) >= 0).all()


def test_one_is_the_closest_and_all_are_all() -> None:
    apart = distances(np.random.default_rng(0).random((6, 2)))
    errors = np.array([0.4, 0.1, 0.5, 0.3, 0.2, 0.6])
    assert most_diverse(apart, errors, 1).tolist() == [1]
    assert sorted(most_diverse(apart, errors, 6).tolist()) == list(range(6))


def test_equal_samples_are_chosen_once_where_others_are_left() -> None:
    apart = distances(np.array([[0.0], [0.0], [0.0], [1.0], [0.5]]))
    assert set(most_diverse(apart, np.arange(5.0), 3).tolist()) == {0, 3, 4}


@pytest.mark.parametrize("k", [0, 4])
def test_a_number_that_cannot_be_met_is_refused(k: int) -> None:
    with pytest.raises(SettingsError, match="expected 1 to 3 samples"):
        most_diverse(np.zeros((3, 3)), np.zeros(3), k)
    with pytest.raises(ShapeError):
        most_diverse(np.zeros((3, 2)), np.zeros(3), 1)
