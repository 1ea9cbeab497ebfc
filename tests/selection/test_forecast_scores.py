"""Scores of keypoint futures against slow definitions and cases worked out by hand."""

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.selection.forecast_scores import (
    best_of_n,
    coverage,
    energy_score,
    forecast_scores,
    keypoint_apd,
    sample_errors,
)

Futures = NDArray[np.float64]
futures = arrays(np.float64, (4, 3, 2), elements=st.floats(-2, 2))


@pytest.fixture
def case(rng: np.random.Generator) -> tuple[Futures, Futures]:
    return rng.normal(size=(6, 4, 3)), rng.normal(size=(4, 3))


def slow_error(one: Futures, other: Futures) -> float:
    gaps = [abs(a - b) for a, b in zip(one.flat, other.flat, strict=True)]
    return sum(gaps) / len(gaps)


def slow_distance(one: Futures, other: Futures) -> float:
    return sqrt(sum((a - b) ** 2 for a, b in zip(one.flat, other.flat, strict=True)))


def test_errors_and_best_of_n(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    slow = [slow_error(sample, truth) for sample in samples]
    np.testing.assert_allclose(sample_errors(samples, truth), slow, rtol=1e-12)
    assert best_of_n(samples, truth) == pytest.approx(min(slow), rel=1e-12)


def test_apd_is_the_mean_over_pairs(case: tuple[Futures, Futures]) -> None:
    pairs = [slow_error(one, other) for one, other in combinations(case[0], 2)]
    assert keypoint_apd(case[0]) == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)


def test_energy_score_is_its_definition(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    near = [slow_distance(sample, truth) for sample in samples]
    pairs = [slow_distance(one, other) for one, other in combinations(samples, 2)]
    slow = sum(near) / len(near) - 0.5 * sum(pairs) / len(pairs)
    assert energy_score(samples, truth) == pytest.approx(slow, rel=1e-12)


def test_a_single_future_scores_its_distance(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    expected = slow_distance(samples[0], truth)
    assert energy_score(samples[:1], truth) == pytest.approx(expected)
    assert energy_score(np.repeat(samples[:1], 5, axis=0), truth) == pytest.approx(expected)


def test_the_right_spread_scores_best(rng: np.random.Generator) -> None:
    """Samples of the truth's own distribution beat calmer and wilder ones, on average."""
    truths = rng.normal(size=(200, 4, 3))
    scores = {
        spread: np.mean([energy_score(spread * rng.normal(size=(50, 4, 3)), t) for t in truths])
        for spread in (0.4, 1.0, 2.0)
    }
    assert scores[1.0] < min(scores[0.4], scores[2.0])


def test_coverage_counts_the_values_between_quantiles(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    inside = 0
    for frame, dimension in np.ndindex(truth.shape):
        ordered = sorted(samples[:, frame, dimension])
        bounds = []
        for share in (0.05, 0.95):
            place = share * (len(ordered) - 1)
            low = int(place)
            high = min(low + 1, len(ordered) - 1)
            bounds.append(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
        inside += bounds[0] <= truth[frame, dimension] <= bounds[1]
    assert coverage(samples, truth) == pytest.approx(inside / truth.size)


def test_coverage_of_the_right_distribution_is_its_share(rng: np.random.Generator) -> None:
    samples, truth = rng.normal(size=(400, 20, 50)), rng.normal(size=(20, 50))
    assert coverage(samples, truth) == pytest.approx(0.9, abs=0.04)
    assert coverage(0.1 * samples, truth) < 0.3
    assert coverage(samples, truth, share=0.5) == pytest.approx(0.5, abs=0.06)


def test_all_scores_of_a_window(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    single = np.median(samples, axis=0)
    found = forecast_scores(samples, truth, single, keep=2)
    closest = sorted(samples, key=lambda sample: slow_error(sample, truth))[:2]
    assert found.one == pytest.approx(slow_error(single, truth))
    assert found.kept == pytest.approx(np.mean([slow_error(one, truth) for one in closest]))
    assert found.apd == pytest.approx(slow_error(*closest))
    errors = [slow_error(sample, truth) for sample in samples]
    assert found.sample == pytest.approx(np.mean(errors))
    pairs = [slow_error(one, other) for one, other in combinations(samples, 2)]
    assert found.apd_all == pytest.approx(np.mean(pairs))
    moved = np.mean([slow_error(sample[1:], sample[:-1]) for sample in samples])
    assert found.coherence == pytest.approx(moved / slow_error(truth[1:], truth[:-1]))


def test_what_cannot_be_scored_is_refused(case: tuple[Futures, Futures]) -> None:
    samples, truth = case
    with pytest.raises(ShapeError, match=r"^truth: expected axes \(4, 3\)"):
        energy_score(samples, truth[:2])
    with pytest.raises(ShapeError, match="N >= 2, got N = 1"):
        keypoint_apd(samples[:1])
    with pytest.raises(SettingsError, match="keep: expected at most samples = 6, got 7"):
        forecast_scores(samples, truth, truth, keep=7)
    with pytest.raises(ShapeError, match="F >= 2, got F = 1"):
        forecast_scores(samples[:, :1], truth[:1], truth[:1], keep=2)
    with pytest.raises(SettingsError, match=r"between 0 and 1, got 1\.5"):
        coverage(samples, truth, share=1.5)


@settings(max_examples=30, deadline=None)
@given(futures, st.permutations(range(4)))
def test_the_order_of_samples_does_not_matter(samples: Futures, order: list[int]) -> None:
    truth = samples[0] + 1
    for score in (best_of_n, energy_score, coverage):
        assert score(samples[order], truth) == pytest.approx(score(samples, truth), abs=1e-9)
    assert keypoint_apd(samples[order]) == pytest.approx(keypoint_apd(samples), abs=1e-12)
    assert keypoint_apd(samples) >= -1e-12
