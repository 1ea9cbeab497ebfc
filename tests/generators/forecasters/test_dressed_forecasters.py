"""What forecasters without training promise, and those that are made of others."""

import pytest
import torch

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters import build_forecaster
from flawcast.generators.forecasters.models.analog import AnalogForecaster
from flawcast.generators.forecasters.models.dressed import DressedForecaster, left_out
from flawcast.generators.forecasters.models.mixture import MixtureForecaster
from tests.generators.forecasters.test_forecasters import (
    FUTURE,
    PAST,
    SAMPLES,
    D,
    make,
    noise_for,
    seeded,
    windows,
)


@pytest.fixture
def past() -> torch.Tensor:
    return windows(3)[:, :PAST]


def test_a_dressed_block_is_a_prediction_and_a_whole_error_of_training(past: torch.Tensor) -> None:
    model = make("dressed_ridge")
    assert isinstance(model, DressedForecaster)
    block = model.roll_out(past, noise_for(model))[:, :, :2]  # its horizon is 2
    middle = (past[:, -1:] + model.ways(past))[:, None]
    errors = (block - middle).flatten(0, 1).flatten(1)
    kept = torch.cat([model.pool, -model.pool]).flatten(1)
    apart = (errors[:, None] - kept).abs().amax(dim=2)
    assert apart.amin(dim=1).max() < 1e-5


def test_a_lively_past_gets_larger_errors_than_a_calm_one(past: torch.Tensor) -> None:
    model = make("analog")
    noise = noise_for(model)
    calm, lively = (model.roll_out(scale * past, noise).std(dim=1).mean() for scale in (0.5, 1.0))
    assert 1.3 < lively / calm < 2.0
    assert model.roll_out(0 * past, noise).isfinite().all()


def test_errors_of_an_analog_are_those_on_windows_that_it_did_not_see() -> None:
    """On noise a regression explains its own windows, and nothing of other groups."""
    noise = torch.randn(60, PAST + FUTURE, D, generator=seeded(5))
    noise = noise - noise[:, PAST - 1 : PAST]
    groups = torch.arange(60) // 20
    sizes = {}
    for grouped in (True, False):
        config = AnalogForecaster.Config(horizon=FUTURE, pool=120, ridge=1e-6)
        model = AnalogForecaster(D, config)
        model.prepare_by_group(noise, PAST, groups if grouped else torch.zeros_like(groups))
        sizes[grouped] = model.pool.square().mean()
    in_sample = make("dressed_ridge", ridge=1e-6, lags=4, horizon=FUTURE, pool=60)
    in_sample.prepare(noise, PAST)
    assert isinstance(in_sample, DressedForecaster)
    assert sizes[True] > 2 * in_sample.pool.square().mean()
    assert sizes[False] > 2 * in_sample.pool.square().mean()  # blocks of time are left out


@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_blocks_of_time_are_left_out_with_the_windows_that_overlap_them(count: int) -> None:
    pairs = left_out(torch.zeros(count, dtype=torch.long), length=4)
    if count == 1:
        assert not pairs
        return
    assert torch.stack([out for _, out in pairs]).sum(dim=0).eq(1).all()
    for others, out in pairs:
        assert others.any()
        assert not (others & out).any()
        if count == 60:
            places = torch.arange(count)
            assert (places[others, None] - places[None, out]).abs().min() >= 4


def test_groups_are_left_out_whole() -> None:
    groups = torch.tensor([3, 3, 0, 0, 0, 5, 3])
    for others, out in left_out(groups, length=4):
        assert not set(groups[others].tolist()) & set(groups[out].tolist())
    assert len(left_out(groups, length=4)) == 3
    assert len(left_out(torch.arange(12), length=4, most=5)) == 5


def test_a_mixture_divides_any_number_of_paths_by_its_weights() -> None:
    parts = [
        {"name": "dressed_hold", "weight": 0.7, "config": {"horizon": 2, "pool": 9}},
        {"name": "dressed_ridge", "weight": 0.3, "config": {"horizon": 2, "pool": 9}},
    ]
    model = make("mixture", parts=parts)
    assert isinstance(model, MixtureForecaster)
    for samples in (10, 50, 100, 1000):
        assert abs((model.parts_of(samples) == 0).sum() - 0.7 * samples) <= 2
    assert torch.equal(model.parts_of(100)[:30], model.parts_of(30))


def test_a_path_of_a_mixture_is_its_parts_own(past: torch.Tensor) -> None:
    model = make("mixture")
    assert isinstance(model, MixtureForecaster)
    noise = noise_for(model)
    drawn, owners = model.roll_out(past, noise), model.parts_of(SAMPLES)
    assert set(owners.tolist()) == {0, 1}
    for number, part in enumerate(model.members):
        paths = owners == number
        alone = part.roll_out(past, noise[:, paths, :, : part.noise_size])
        torch.testing.assert_close(drawn[:, paths], alone)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("analog", 0.7), ("gru_nf", 0.7)], "expected a sum of 1, got 1.4"),
        ([("analog", 0.5), ("linear", 0.5)], "expected parts that draw samples, got linear"),
        ([("oracle", 1.0)], "expected one of analog"),
    ],
    ids=["weights", "single future", "unknown"],
)
def test_a_mixture_refuses_what_cannot_be_mixed(
    parts: list[tuple[str, float]], message: str
) -> None:
    config = {"parts": [{"name": name, "weight": weight} for name, weight in parts]}
    with pytest.raises(SettingsError, match=message):
        build_forecaster("mixture", D, config)
