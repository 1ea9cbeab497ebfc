"""Every forecaster keeps its promises; what each promises beyond them."""

from typing import Any

import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.generators.forecasters import FORECASTERS, Forecaster, build_forecaster
from flawcast.generators.forecasters.models.gru_nf import GRUNFForecaster
from flawcast.generators.forecasters.models.gru_snf import GRUSNFForecaster
from flawcast.generators.forecasters.models.linear import LinearForecaster
from flawcast.generators.forecasters.models.realnvp import ConditionalRealNVP
from flawcast.generators.forecasters.models.stepped import whitening
from flawcast.generators.forecasters.models.vrnn import VRNNForecaster

D, PAST, FUTURE, SAMPLES = 6, 5, 4, 7
SMALL = {name: FORECASTERS[name].small for name in FORECASTERS.names()}
FED_BACK = [
    name for name in FORECASTERS.names() if "feedback" in FORECASTERS[name].Config.model_fields
]
STOCHASTIC = [name for name in FORECASTERS.names() if FORECASTERS[name].stochastic]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def windows(count: int = 40, length: int = PAST + FUTURE) -> torch.Tensor:
    """Smooth random walks around the last observed frame."""
    walks = torch.randn(count, length, D, generator=seeded(1)).cumsum(dim=1)
    return walks - walks[:, PAST - 1 : PAST]


def make(name: str, **changes: Any) -> Forecaster:
    """A small forecaster with lively weights, prepared on random walks."""
    torch.manual_seed(0)
    model = build_forecaster(name, D, SMALL[name] | changes).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=seeded(2)))
    model.prepare(windows(), PAST)
    return model


@pytest.fixture(params=FORECASTERS.names())
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    return make(request.param)


@pytest.fixture(params=STOCHASTIC)
def sampler(request: pytest.FixtureRequest) -> Forecaster:
    return make(request.param)


@pytest.fixture
def past() -> torch.Tensor:
    return windows(3)[:, :PAST]


def noise_for(model: Forecaster, batch: int = 3, horizon: int = FUTURE) -> torch.Tensor:
    return torch.randn(batch, SAMPLES, horizon, model.noise_size, generator=seeded(3))


def test_the_papers_forecasters_are_there() -> None:
    assert {"gru", "vae", "nf", "vrnn", "gru_nf", "gru_snf", "hold"} <= set(FORECASTERS.names())


def test_shapes(forecaster: Forecaster, past: torch.Tensor) -> None:
    assert forecaster.predict(past, FUTURE).shape == (3, FUTURE, D)
    assert forecaster.predict(past, 3 * FUTURE).shape == (3, 3 * FUTURE, D)
    assert forecaster.roll_out(past, noise_for(forecaster)).shape == (3, SAMPLES, FUTURE, D)
    assert forecaster.loss(windows()).shape == ()


def test_a_past_shorter_or_longer_than_that_of_training_will_do(forecaster: Forecaster) -> None:
    series = windows(3, 12)
    for length in (2, 12):
        assert forecaster.predict(series[:, :length], FUTURE).isfinite().all()


def test_equal_seeds_draw_equal_futures(sampler: Forecaster, past: torch.Tensor) -> None:
    drawn = [sampler.sample(past, FUTURE, SAMPLES, seeded(3)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert drawn[0].shape == (3, SAMPLES, FUTURE, D)
    assert not torch.equal(drawn[0], sampler.sample(past, FUTURE, SAMPLES, seeded(4)))


def test_batch_of_many_equals_batches_of_one(forecaster: Forecaster, past: torch.Tensor) -> None:
    noise = noise_for(forecaster)
    alone = [forecaster.roll_out(past[i : i + 1], noise[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(forecaster.roll_out(past, noise), torch.cat(alone))


@pytest.mark.parametrize("horizon", [FUTURE, 3 * FUTURE], ids=["short", "long"])
def test_each_path_depends_on_its_own_noise_only(
    sampler: Forecaster, past: torch.Tensor, horizon: int
) -> None:
    noise = noise_for(sampler, horizon=horizon)
    other = noise.clone()
    other[:, 2] += 1
    moved = (sampler.roll_out(past, noise) - sampler.roll_out(past, other)).abs().amax((0, 2, 3))
    assert moved[2] > 1e-4
    assert (moved[[0, 1, 3, 4, 5, 6]] < 1e-6).all()


def test_later_noise_leaves_earlier_frames_alone(sampler: Forecaster, past: torch.Tensor) -> None:
    noise = noise_for(sampler)
    other = noise.clone()
    other[:, :, 2:] += 1
    moved = (sampler.roll_out(past, noise) - sampler.roll_out(past, other)).abs().amax((0, 1, 3))
    assert (moved[:2] == 0).all()
    assert (moved[2:] > 1e-4).all() or sampler.whole_paths


@pytest.mark.parametrize("name", [name for name in FED_BACK if FORECASTERS[name].stochastic])
def test_mean_feedback_ties_the_paths_together(name: str, past: torch.Tensor) -> None:
    model = make(name, feedback="mean")
    noise = noise_for(model, horizon=3 * FUTURE)
    other = noise.clone()
    other[:, 2] += 3
    moved = (model.roll_out(past, noise) - model.roll_out(past, other)).abs().amax((0, 2, 3))
    assert (moved > 1e-5).all()  # the path's noise reaches all others through the mean
    single = noise[:, :1]
    torch.testing.assert_close(
        model.roll_out(past, single), make(name).roll_out(past, single)
    )  # the mean of one path is that path


def test_temperature_scales_the_spread(sampler: Forecaster, past: torch.Tensor) -> None:
    spread = [
        sampler.sample(past, FUTURE, 50, seeded(), temperature).std(dim=1).mean()
        for temperature in (0.5, 1.0)
    ]
    assert spread[0] < 0.75 * spread[1]


def test_the_best_future_is_the_median_of_a_hundred(
    sampler: Forecaster, past: torch.Tensor
) -> None:
    drawn = sampler.sample(past, FUTURE, 100, seeded(0))
    assert torch.equal(sampler.predict(past, FUTURE), drawn.median(dim=1).values)


@pytest.mark.parametrize("name", sorted(set(FORECASTERS.names()) - set(STOCHASTIC)))
def test_who_knows_one_future_draws_none(name: str, past: torch.Tensor) -> None:
    with pytest.raises(ModelError, match=f"forecaster {name}: expected one that draws samples"):
        make(name).sample(past, FUTURE, 2, seeded())


def test_gradients_reach_every_parameter(forecaster: Forecaster) -> None:
    forecaster.train()
    loss = forecaster.loss(windows())
    if forecaster.trains:
        loss.backward()
    for name, value in forecaster.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name


def test_what_the_state_is_shown_may_differ_from_what_it_explains(forecaster: Forecaster) -> None:
    if forecaster.trains:
        torch.manual_seed(0)
        plain = forecaster.loss(windows())
        torch.manual_seed(0)
        assert torch.equal(plain, forecaster.loss(windows(), windows()))
        torch.manual_seed(0)
        assert not torch.equal(plain, forecaster.loss(windows(), 2 * windows()))


@pytest.mark.parametrize(
    ("name", "preset"),
    [(name, preset) for name in FORECASTERS.names() for preset in FORECASTERS[name].presets],
)
def test_presets_build_the_published_sizes(name: str, preset: str) -> None:
    with torch.device("meta"):
        model = build_forecaster(name, 60, {"preset": preset})
    for key, value in FORECASTERS[name].presets[preset].items():
        assert getattr(model.config, key) == value
    with torch.device("meta"):
        model = build_forecaster(name, 60, {"preset": preset, "feedback": "mean"})
    assert model.config.model_dump()["feedback"] == "mean"


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(SettingsError, match="expected one of authors, paper; got 'huge'"):
        build_forecaster("vrnn", D, {"preset": "huge"})


# What single forecasters promise.


def test_white_steps_have_unit_covariance_and_come_back() -> None:
    mix = torch.randn(D, D, generator=seeded(), dtype=torch.float64)
    steps = torch.randn(5000, D, generator=seeded(1), dtype=torch.float64) @ mix
    steps = steps / steps.square().mean(dim=0).sqrt()
    basis, inverse = whitening(steps)
    torch.testing.assert_close(steps @ basis @ inverse, steps)
    covariance = steps.T @ steps / len(steps)
    drawn_in = 0.95 * covariance + 0.05 * torch.eye(D)  # every scaled step has variance 1
    torch.testing.assert_close(basis.T @ drawn_in @ basis, torch.eye(D, dtype=torch.float64))


def test_whitening_keeps_the_density_a_density() -> None:
    """The log-volume is the log-determinant that autograd finds for one frame."""
    model = make("gru_nf").double()
    assert isinstance(model, GRUNFForecaster)
    before = torch.randn(D, dtype=torch.float64, generator=seeded())
    jacobian = torch.autograd.functional.jacobian(
        lambda frame: model.modelled(torch.stack([before, frame]))[0], before + 1
    )
    torch.testing.assert_close(model.log_volume(), torch.linalg.slogdet(jacobian).logabsdet)


def test_no_sampled_step_is_much_larger_than_those_of_training(past: torch.Tensor) -> None:
    """A wild draw must not send a path away for good."""
    model = make("gru_nf")
    assert isinstance(model, GRUNFForecaster)
    wild = model.roll_out(past, 1e3 * noise_for(model))
    before = past[:, None, -1:].expand(-1, SAMPLES, -1, -1)
    steps = torch.cat([before, wild], dim=2)
    largest = model.modelled(windows()).abs().amax(dim=(0, 1))
    assert (model.modelled(steps).abs() <= 1.5 * largest.clamp_min(1) + 1e-3).all()


def test_the_state_is_shown_large_motions_on_a_logarithmic_scale() -> None:
    plain, squeezed = make("gru_nf", compress=False), make("gru_nf")
    series = windows(3)
    assert isinstance(plain, GRUNFForecaster)
    assert isinstance(squeezed, GRUNFForecaster)
    torch.testing.assert_close(squeezed.seen(series), plain.seen(series).asinh())


def test_a_refinement_of_no_steps_is_gru_nf(past: torch.Tensor) -> None:
    plain, refined = make("gru_nf"), make("gru_snf", metropolis_steps=0)
    refined.load_state_dict(plain.state_dict())
    noise = noise_for(plain)
    torch.testing.assert_close(refined.roll_out(past, noise), plain.roll_out(past, noise))


def test_refinement_moves_samples_to_where_the_model_holds_them_likely() -> None:
    plain, refined = (
        make("gru_nf", affine=False),
        make("gru_snf", metropolis_steps=20, metropolis_size=0.2, affine=False),
    )
    assert isinstance(plain, GRUNFForecaster)
    assert isinstance(refined, GRUSNFForecaster)
    refined.load_state_dict(plain.state_dict())
    state = torch.randn(1, 500, 16, generator=seeded()).repeat(2, 1, 1)
    condition = plain.condition(state[-1])
    noise = torch.randn(500, refined.noise_size, generator=seeded(1))
    with torch.no_grad():
        likely = [
            plain.flow.log_prob(drawn, condition).mean()
            for drawn in (
                plain.draw(state, 2 * noise[:, :D], 1.0)[0],
                refined.draw(state, torch.cat([2 * noise[:, :D], noise[:, D:]], 1), 1.0)[0],
            )
        ]
    assert likely[1] > likely[0]


def test_metropolis_steps_leave_their_density_alone() -> None:
    """A long walk from the base density under its own energy stays standard normal."""
    model = make("gru_snf")
    assert isinstance(model, GRUSNFForecaster)
    values = torch.randn(4000, D, generator=seeded())
    for step in range(60):
        noise = torch.randn(4000, D + 1, generator=seeded(step + 1))
        noise[:, :-1] *= 10  # proposals of deviation 0.5: about half are refused
        values = model._metropolis(values, torch.zeros(4000, 8), noise, 0.0, 1.0)
    assert values.mean(dim=0).abs().max() < 0.08
    assert (values.std(dim=0) - 1).abs().max() < 0.06


def test_linear_finds_a_linear_law() -> None:
    start, speed = torch.randn(2, 200, 1, D, generator=seeded())
    series = start + speed * torch.arange(12.0)[None, :, None]
    model = LinearForecaster(D, LinearForecaster.Config(lags=2, horizon=4, ridge=1e-6))
    model.prepare(series, 8)
    torch.testing.assert_close(model.predict(series[:, :6], 6), series[:, 6:], atol=1e-2, rtol=1e-3)


def test_linear_refuses_windows_shorter_than_its_horizon() -> None:
    with pytest.raises(SettingsError, match="at most future = 4, got 12; lower it"):
        LinearForecaster(D, LinearForecaster.Config()).prepare(windows(), PAST)


def test_vrnn_reads_no_frame_of_the_future() -> None:
    """Its loss follows the posterior, its samples must not: only the past reaches them."""
    model = make("vrnn")
    assert isinstance(model, VRNNForecaster)
    series = windows(3)
    noise = noise_for(model)
    drawn = model.roll_out(series[:, :PAST], noise)
    changed = series.clone()
    changed[:, PAST:] = torch.randn(3, FUTURE, D, generator=seeded())
    assert torch.equal(drawn, model.roll_out(changed[:, :PAST], noise))


def test_flow_density_is_the_change_of_variables() -> None:
    """Against the determinant of the Jacobian that autograd finds."""
    torch.manual_seed(0)
    flow = ConditionalRealNVP(4, 3, 16, 3, 3, batch_norm=True).double().eval()
    for value in flow.parameters():
        value.data += 0.2 * torch.randn_like(value)
    condition = torch.randn(3, dtype=torch.float64)
    values = torch.randn(4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x, condition)[0], values)
    _, change = flow(values, condition)
    torch.testing.assert_close(change, torch.linalg.slogdet(jacobian).logabsdet)
    latent, _ = flow(values, condition)
    torch.testing.assert_close(flow.inverse(latent, condition), values)
