"""The standardised APD-to-MAE ratio: by hand, and where it has no value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.selection.metrics import RatioBounds, ratio_bounds, standardised_ratio

values = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=12
).map(lambda pairs: np.array(pairs, np.float64) / 1000)


def test_ratio_of_three_videos_worked_out_by_hand() -> None:
    result = standardised_ratio(apd=[0, 0.25, 0.5], mae=[0.125, 0.375, 0.25])
    assert result.ratios == (None, 0.5, 2.0)
    assert result.bounds == RatioBounds(0, 0.5, 0.125, 0.375)
    assert (result.left_out, result.mean, result.median) == (1, 1.25, 1.25)


def test_ratios_of_two_models_share_the_bounds_of_both() -> None:
    one, two = ([0, 0.25], [0.25, 0.5]), ([0.25, 0.5], [0.5, 1.25])
    bounds = ratio_bounds([one, two])
    assert bounds == RatioBounds(0, 0.5, 0.25, 1.25)
    assert standardised_ratio(*one, bounds).ratios == (None, 2.0)
    assert standardised_ratio(*two, bounds).ratios == (2.0, 1.0)


def test_the_least_diverse_video_has_a_ratio_of_zero() -> None:
    assert standardised_ratio(apd=[0.1, 0.2], mae=[0.4, 0.3]).ratios == (0.0, None)


def test_videos_without_a_value_are_left_out_of_ratios_and_bounds() -> None:
    result = standardised_ratio(apd=[0, None, 0.5, 0.2], mae=[0.25, 0, 0.5, np.nan])
    assert result.ratios == (None, None, 1.0, None)
    assert result.bounds == RatioBounds(0, 0.5, 0.25, 0.5)
    assert result.left_out == 3


@pytest.mark.parametrize(
    ("apd", "mae"),
    [([0.1], [0.2]), ([0, 0], [0.2, 0.3]), ([0, 0.1], [0.2, 0.2])],
    ids=["one-video", "equal-diversity", "equal-error"],
)
def test_a_population_that_does_not_vary_has_no_ratios(apd: list[float], mae: list[float]) -> None:
    result = standardised_ratio(apd, mae)
    assert set(result.ratios) == {None}
    assert (result.left_out, result.mean, result.median) == (len(apd), None, None)


def test_a_video_outside_the_population_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^bounds: expected every MAE in \[0.2, 0.4\], got"):
        standardised_ratio([0.1, 0.2], [0.1, 0.3], RatioBounds(0, 1, 0.2, 0.4))


def test_values_that_do_not_belong_to_the_same_videos_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"one value for each video, got shapes \(2,\) and \(1,\)"):
        standardised_ratio([0.1, 0.2], [0.1])
    with pytest.raises(ShapeError, match="at least one video with both values"):
        standardised_ratio([None], [0.1])


@given(values)
def test_ratios_do_not_depend_on_scale_and_offset(pairs: np.ndarray) -> None:
    apd, mae = pairs.T
    plain, mapped = standardised_ratio(apd, mae), standardised_ratio(4 * apd + 8, 2 * mae + 1)
    assert plain.left_out == mapped.left_out
    assert [r for r in plain.ratios if r is not None] == pytest.approx(
        [r for r in mapped.ratios if r is not None], rel=1e-6, abs=1e-9
    )
    assert all(ratio is None or ratio >= 0 for ratio in plain.ratios)
