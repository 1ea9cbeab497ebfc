"""JEDi against a slow definition and the published package's numbers; never a name too many."""

import json
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.configs.feature_names import JEDI_FEATURES
from flawcast.selection.metrics import feature_distance, jedi, polynomial_mmd
from tests.paths import FIXTURES


def slow_mmd(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pair by pair, straight from the definition."""

    def mean_kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        values = [
            (sum(p * q for p, q in zip(x, y, strict=True)) / len(x)) ** 2 for x, y in product(a, b)
        ]
        return sum(values) / len(values)

    return mean_kernel(one, one) + mean_kernel(other, other) - 2 * mean_kernel(one, other)


def test_it_is_the_definition(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(4, 5)), rng.normal(size=(6, 5)) + 1
    assert jedi(one, other) == pytest.approx(100 * slow_mmd(one, other), rel=1e-12)


def test_published_numbers() -> None:
    folder = FIXTURES / "jedi"
    with np.load(folder / "mmd.npz") as stored:
        arrays = dict(stored)
    for case in json.loads((folder / "mmd.json").read_text())["cases"]:
        one, other = arrays[f"x{case['case']}"], arrays[f"y{case['case']}"]
        assert jedi(one, other) == pytest.approx(case["jedi"], rel=1e-9, abs=1e-9)
        for degree, constant in ((3, 1), (1, 0), (2, 1)):
            expected = case[f"deg{degree}_coef{constant}"]
            found = polynomial_mmd(one, other, degree=degree, constant=constant)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_it_is_symmetric_and_knows_equal_sets(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(7, 4)), rng.normal(size=(5, 4))
    assert jedi(one, other) == pytest.approx(jedi(other, one))
    assert jedi(one, one[::-1]) == pytest.approx(0, abs=1e-12)
    assert jedi(one, other) > 0


def test_the_bias_falls_with_n(rng: np.random.Generator) -> None:
    """Two sets from one distribution: 4.6 at 44, 0.2 at 1000, which is why n is shown."""
    found = {n: jedi(*rng.normal(size=(2, n, 1280))) for n in (44, 1000)}
    assert found[44] == pytest.approx(4.55, abs=0.3)
    assert found[1000] == pytest.approx(0.2, abs=0.05)


def test_only_the_published_features_make_it_jedi(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    real = feature_distance(one, other, JEDI_FEATURES)
    stand_in = feature_distance(one, other, "random filters")
    assert str(real).startswith("JEDi ")
    assert "JEDi" not in str(stand_in)
    assert str(stand_in).endswith("(n = 3, 5)")
    assert real.value == stand_in.value == jedi(one, other)


def test_sets_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least one video on both sides"):
        jedi(np.zeros((0, 3)), np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"^reference: expected axes \(M, 3\)"):
        jedi(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(SettingsError, match="degree: expected at least 1"):
        polynomial_mmd(np.zeros((2, 3)), np.zeros((2, 3)), degree=0)
