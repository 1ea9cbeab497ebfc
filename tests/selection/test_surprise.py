"""Surprise under sampled futures, thresholds for a rate of false alarms, and early alarms."""

import numpy as np
import pytest

from flawcast.configs.errors import ClipError, SettingsError, ShapeError
from flawcast.selection.forecast_scores import energy_score
from flawcast.selection.surprise.alarm_rate import Peaks, rate_interval
from flawcast.selection.surprise.alarms import Alarms, alarms_in
from flawcast.selection.surprise.early import Watched, early
from flawcast.selection.surprise.futures import surprise
from flawcast.selection.surprise.tails import Tail, fitted_tails, rarest, running_mean

RNG = np.random.default_rng


def futures(seed: int, count: int = 400) -> np.ndarray:
    return RNG(seed).normal(0, 0.1, (count, 5, 6))


def test_samples_from_the_truths_own_distribution_are_as_expected() -> None:
    scores = [surprise(futures(0), one, 1e-6) for one in futures(1, 60)]
    assert np.mean([one.density for one in scores]) == pytest.approx(1, abs=0.15)
    assert np.mean([one.energy for one in scores]) == pytest.approx(1, abs=0.1)
    assert np.mean([one.coverage for one in scores]) == pytest.approx(0.9, abs=0.03)


def test_energy_is_the_energy_score_over_that_of_a_sample() -> None:
    samples, truth = futures(0, 30), futures(1, 1)[0]
    scale = np.sqrt(samples.var(axis=0))
    flat = (samples / scale).reshape(30, -1)
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(flat) for b in flat[:i]]
    expected = energy_score(samples / scale, truth / scale) / (np.mean(pairs) / 2)
    assert surprise(samples, truth, 0.0).energy == pytest.approx(expected)


@pytest.mark.parametrize("far", [1.5, 4.0, 20.0])
def test_what_is_farther_is_more_surprising(far: float) -> None:
    near = surprise(futures(0, 40), np.full((5, 6), 0.1), 0.01)
    apart = surprise(futures(0, 40), np.full((5, 6), 0.1 * far), 0.01)
    assert apart.density > near.density
    assert apart.energy > near.energy
    assert apart.coverage <= near.coverage


def test_samples_that_are_all_alike_expect_the_noise_of_the_measurement() -> None:
    same = np.zeros((9, 4, 2))
    assert surprise(same, np.full((4, 2), 0.01), 0.01).density == pytest.approx(1)
    assert surprise(same, np.full((4, 2), 0.1), 0.01).density == pytest.approx(100)


def test_a_single_sample_has_no_spread() -> None:
    with pytest.raises(ShapeError, match="N >= 2"):
        surprise(np.zeros((1, 3, 2)), np.zeros((3, 2)), 0.1)


def test_a_tail_tells_how_seldom_a_value_is_exceeded() -> None:
    values = RNG(0).exponential(1.0, 20_000)
    tail = Tail.fitted(values)
    assert tail is not None
    for height in (0.5, 2.0, 5.0, 9.0):  # of an exponential, minus the logarithm is the height
        assert tail.nats(height) == pytest.approx(height, rel=0.1)
    assert Tail.fitted(values[:5]) is None


def test_the_rarest_kind_decides_and_unknown_ones_do_not_count() -> None:
    tails = fitted_tails({"a": np.arange(100.0), "b": np.arange(100.0) / 100, "c": np.ones(3)})
    assert set(tails) == {"a", "b"}
    assert rarest({"a": 50.0, "b": 5.0, "c": 9.0}, tails)[1] == "b"
    assert rarest({"a": np.nan, "b": np.nan}, tails) == (0.0, "")
    with pytest.raises(ClipError, match="longer ones"):
        fitted_tails({"a": np.full(100, np.nan)})


def test_a_running_mean_knows_no_later_score() -> None:
    scores = RNG(0).normal(size=50)
    assert np.array_equal(running_mean(list(scores[:20]), 3), running_mean(list(scores), 3)[:20])


def test_alarms_come_as_frames_come() -> None:
    scores = [0, 2, 3, 0, 2, 0, 0, 0, 4]
    assert [(one.start, one.peak, one.end) for one in alarms_in(scores, 1.0, 2)] == [
        (1, 2, 4),
        (8, 8, 8),
    ]
    state = Alarms(1.0, 2)
    assert [state.add(number, score) is not None for number, score in enumerate(scores)].index(
        True
    ) == 6  # two quiet frames after the last one above
    assert state.current is not None


def good_streams(minutes: float, seed: int) -> list[np.ndarray]:
    """Streams of a minute each at 10 frames/s, whose peaks are exponential."""
    return [RNG([seed, n]).exponential(1.0, 600) for n in range(round(minutes))]


def test_a_counted_threshold_keeps_its_rate_on_other_footage() -> None:
    peaks = Peaks.of(good_streams(120, 0), [10.0] * 120, 0.5)
    threshold = peaks.threshold(30.0)
    assert threshold.counted
    assert "counted" in threshold.words()
    others = good_streams(240, 1)
    alarms = sum(len(alarms_in(one, threshold.score, 5)) for one in others)
    assert alarms / 4 == pytest.approx(30, rel=0.4)
    assert threshold.low <= threshold.score <= threshold.high


def test_a_rate_that_good_footage_cannot_show_is_extrapolated_and_says_so() -> None:
    peaks = Peaks.of(good_streams(30, 0), [10.0] * 30, 0.5)
    threshold = peaks.threshold(1.0)
    assert not threshold.counted
    assert "too little" in threshold.words()
    assert "extrapolated" in threshold.words()
    assert "5 hours" in threshold.words()
    others = good_streams(600, 1)  # ten hours
    alarms = sum(len(alarms_in(one, threshold.score, 5)) for one in others)
    assert 1 <= alarms <= 40
    assert threshold.low < threshold.score < threshold.high


def test_fewer_false_alarms_need_a_higher_threshold() -> None:
    peaks = Peaks.of(good_streams(20, 0), [10.0] * 20, 0.5)
    scores = [peaks.threshold(rate).score for rate in (0.1, 1, 10)]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(SettingsError, match="above 0"):
        peaks.threshold(0)


def test_no_alarm_in_an_hour_is_compatible_with_up_to_four() -> None:
    assert rate_interval(0, 1.0)[1] == pytest.approx(3.69, abs=0.01)
    low, high = rate_interval(10, 2.0)
    assert low < 5 < high


def test_early_alarms_by_hand() -> None:
    wrong = np.arange(40) >= 20
    scores = np.zeros(40)
    scores[26:30] = 5
    bad = Watched("bad", "jam", scores, wrong, 36, 10.0)
    good = Watched(
        "good", "normal", np.where(np.arange(40) == 3, 4.0, 0.0), ~wrong & wrong, None, 10.0
    )
    figures = early([bad, good], 1.0, 0.5)
    assert (figures.events, figures.detected, figures.alarms, figures.before) == (1, 1, 1, 0)
    assert figures.delays == (0.6,)
    assert figures.leads == (1.0,)
    assert figures.clips == 1.0
    assert figures.hours == pytest.approx((40 + 20) / 10 / 3600)


def test_an_alarm_just_before_the_onset_is_a_lead_and_a_long_one_before_it_is_false() -> None:
    wrong = np.arange(60) >= 40
    scores = np.zeros(60)
    scores[5], scores[36:50] = 3, 3
    figures = early([Watched("bad", "jam", scores, wrong, None, 10.0)], 1.0, 0.5)
    assert (figures.before, figures.alarms, figures.delays) == (1, 1, (0.0,))
    assert np.isnan(figures.clips)
