"""Metrics and selection reproduce the reference figures."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flawcast.selection.metrics import (
    average_pairwise_displacement,
    mae,
    ratio_bounds,
    ssim,
    standardised_ratio,
)
from flawcast.selection.selectors import SELECTORS, Candidates
from tests.paths import FIXTURES

CASES = ["0", "1", "2"]


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / "metrics" / "metrics.json").read_text())
    return loaded


def videos_of(case: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Futures and reference of a case."""
    with np.load(FIXTURES / "metrics" / "videos.npz") as stored:
        return stored[f"vid{case}"], stored[f"gt{case}"]


@pytest.mark.parametrize("case", CASES)
def test_mae_and_selection_match(case: str, figures: dict[str, Any]) -> None:
    expected = figures["videos"][case]
    videos, reference = videos_of(case)
    errors = mae(videos, reference)
    kept = SELECTORS["lowest_mae"](Candidates(videos, errors), expected["keep"])
    np.testing.assert_allclose(errors, expected["mae"], rtol=1e-9)
    assert kept.tolist() == expected["selected"]
    assert errors[kept].mean() == pytest.approx(expected["mean_mae_selected"], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_apd_matches_in_both_normalisations(case: str, figures: dict[str, Any]) -> None:
    expected = figures["videos"][case]
    kept = videos_of(case)[0][expected["selected"]]
    published = average_pairwise_displacement(kept, self_pairs=True)
    assert published == pytest.approx(expected["apd_all_ordered_pairs_incl_self"], rel=1e-9)
    if expected["apd_distinct_pairs"] is not None:
        distinct = average_pairwise_displacement(kept)
        assert distinct == pytest.approx(expected["apd_distinct_pairs"], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_ssim_matches(case: str, figures: dict[str, Any]) -> None:
    expected = figures["videos"][case]
    scores = ssim(*videos_of(case))
    np.testing.assert_allclose(scores, expected["ssim_uniform7_range1"], atol=1e-5)
    selected = scores[expected["selected"]]
    assert selected.mean() == pytest.approx(expected["mean_ssim_selected"], abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_ratios_of_two_models_match(case: str, figures: dict[str, Any]) -> None:
    models = figures["ratio"][case]
    bounds = ratio_bounds([(model["apd"], model["mae"]) for model in models.values()])
    for model in models.values():
        result = standardised_ratio(model["apd"], model["mae"], bounds)
        with_zeros = [ratio or 0.0 for ratio in result.ratios]
        np.testing.assert_allclose(with_zeros, model["ratio_zero_for_zero"], rtol=1e-9)
        assert result.left_out == model["zero_denominators"]
        assert result.mean == pytest.approx(model["mean_excluding"], rel=1e-9)
        assert result.median == pytest.approx(model["median_excluding"], rel=1e-9)
