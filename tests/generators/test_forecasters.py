"""Every forecaster keeps its promises; GRU-NF equals its reference; no forecast sees the future."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from configs.errors import ClipError, ModelError, SettingsError
from generators.forecasters import FORECASTERS, Forecaster, KeypointPredictor, build_forecaster
from generators.forecasters.coordinates import Coordinates
from generators.forecasters.gru_nf import GRUNFConfig, GRUNFForecaster
from generators.forecasters.realnvp import ConditionalRealNVP

D, PAST, FUTURE, SAMPLES = 6, 5, 4, 7
SMALL = {
    "gru_nf": {"hidden": 16, "condition": 8, "blocks": 2, "flow_hidden": 16, "flow_layers": 2},
    "hold": {},
}
FLOWS = ("d7_h16_l5_bn", "d7_h16_l5_nobn", "d60_h64_l3_bn", "d60_h64_l3_nobn", "d60_h32_l5_bn")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=FORECASTERS.names())
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    torch.manual_seed(0)
    return build_forecaster(request.param, D, SMALL[request.param]).eval()


@pytest.fixture
def past() -> torch.Tensor:
    return torch.randn(3, PAST, D, generator=seeded()).cumsum(dim=1)


def test_shapes(forecaster: Forecaster, past: torch.Tensor) -> None:
    assert forecaster.predict(past, FUTURE).shape == (3, FUTURE, D)
    drawn = forecaster.sample(past, FUTURE, SAMPLES, seeded())
    assert drawn.shape == (3, SAMPLES, FUTURE, D)
    assert forecaster.loss(torch.cat([past, past], dim=1)).shape == ()


def test_equal_seeds_draw_equal_futures(forecaster: Forecaster, past: torch.Tensor) -> None:
    drawn = [forecaster.sample(past, FUTURE, SAMPLES, seeded(3)) for _ in range(2)]
    assert torch.equal(*drawn)


def test_batch_of_many_equals_batches_of_one(forecaster: Forecaster, past: torch.Tensor) -> None:
    alone = torch.cat([forecaster.predict(row[None], FUTURE) for row in past[:1]])
    torch.testing.assert_close(forecaster.predict(past[:1], FUTURE), alone)
    if isinstance(forecaster, GRUNFForecaster):
        noise = torch.randn(3, SAMPLES, FUTURE, D, generator=seeded())
        rows = [forecaster.roll_out(past[i : i + 1], noise[i : i + 1]) for i in range(3)]
        torch.testing.assert_close(forecaster.roll_out(past, noise), torch.cat(rows))


def test_each_path_depends_on_its_own_noise_only(past: torch.Tensor) -> None:
    model = GRUNFForecaster(D, GRUNFConfig(**SMALL["gru_nf"])).eval()
    noise = torch.randn(3, SAMPLES, FUTURE, D, generator=seeded())
    other = noise.clone()
    other[:, 2] += 1
    changed = (model.roll_out(past, noise) - model.roll_out(past, other)).abs().amax(dim=(0, 2, 3))
    assert changed[2] > 0
    assert (changed[[0, 1, 3, 4, 5, 6]] == 0).all()


def test_temperature_scales_the_spread(past: torch.Tensor) -> None:
    model = GRUNFForecaster(D, GRUNFConfig(**SMALL["gru_nf"])).eval()
    spread = [
        model.sample(past, FUTURE, 50, seeded(), temperature).std(dim=1).mean()
        for temperature in (0.5, 1.0)
    ]
    assert spread[0] < 0.7 * spread[1]


def test_gradients_reach_every_parameter(forecaster: Forecaster, past: torch.Tensor) -> None:
    forecaster.train()
    loss = forecaster.loss(past)
    if forecaster.trains:
        loss.backward()
    for name, value in forecaster.named_parameters():
        assert value.grad is not None, name


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


def _fill(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("forecast_fill", folder / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FLOWS)
def test_flow_reproduces_the_reference(shared: Path, name: str) -> None:
    folder = shared / "forecast"
    facts = json.loads((folder / "flow" / f"{name}.json").read_text())
    truth = {
        key: torch.as_tensor(value)
        for key, value in np.load(folder / "flow" / f"{name}.npz").items()
    }
    layers = facts["n_hidden"] + 2
    flow = ConditionalRealNVP(
        facts["dim"], facts["cond"], facts["hidden"], layers, facts["n_blocks"], facts["bn"]
    ).double()
    fill = _fill(folder).fill_value
    state = {
        key: torch.as_tensor(fill(key, value["shape"], facts["seed"], facts["last_layer"]))
        for key, value in facts["keys"].items()
    }
    flow.load_state_dict(state, strict=True)
    flow.eval()
    close = {"rtol": 1e-9, "atol": 1e-9}
    for suffix in ("", "_seq"):
        values, condition = truth[f"x{suffix}"], truth[f"cond{suffix}"]
        latent, change = flow(values, condition)
        torch.testing.assert_close(latent, truth[f"z{suffix}"], **close)
        torch.testing.assert_close(change, truth[f"logdet{suffix}"], **close)
        density = flow.log_prob(values, condition)
        torch.testing.assert_close(density, truth[f"log_prob{suffix}"], **close)
        drawn = flow.inverse(truth[f"noise{suffix}"], condition)
        torch.testing.assert_close(drawn, truth[f"x_from_noise{suffix}"], **close)
    if facts["bn"]:
        flow.train()
        density = flow.log_prob(truth["x_seq"], truth["cond_seq"])
        torch.testing.assert_close(density, truth["train_log_prob_seq"], **close)
        for index, layer in enumerate(flow.batchnorm):
            for kind in ("mean", "var"):
                found = getattr(layer, f"running_{kind}")
                torch.testing.assert_close(found, truth[f"train_running_{kind}_{index}"], **close)


@pytest.mark.parametrize("name", ["rollout_a", "rollout_b"])
def test_gru_nf_reproduces_the_reference(shared: Path, name: str) -> None:
    folder = shared / "forecast"
    facts = json.loads((folder / "grunf" / f"{name}.json").read_text())
    truth = {
        key: torch.as_tensor(value)
        for key, value in np.load(folder / "grunf" / f"{name}.npz").items()
    }
    sizes = facts["flow"]
    config = GRUNFConfig(
        hidden=facts["hidden"],
        gru_layers=facts["layers"],
        condition=facts["condition"],
        blocks=sizes["n_blocks"],
        flow_hidden=sizes["hidden"],
        flow_layers=sizes["n_hidden"] + 2,
        batch_norm=sizes["bn"],
        target="positions",
    )
    model = GRUNFForecaster(facts["dim"], config).double()
    fill = _fill(folder).fill_value
    state = {
        f"flow.{key}": torch.as_tensor(fill(key, shape, facts["seed"], facts["last_layer"]))
        for key, shape in facts["flow_keys"].items()
    }
    for key, shape in (facts["gru_keys"] | facts["condition_keys"]).items():
        state[key] = torch.as_tensor(fill(key, shape, facts["seed"]))
    model.load_state_dict(state | {"step_scale": torch.ones(facts["dim"])}, strict=True)
    model.eval()
    drawn = model.roll_out(truth["context"], truth["noise"])
    torch.testing.assert_close(drawn, truth["samples"], rtol=1e-9, atol=1e-9)
    density = model.log_prob(torch.cat([truth["context"], truth["future"]], dim=1))
    wanted = truth["log_prob_teacher_forced"]
    torch.testing.assert_close(density, wanted, rtol=1e-9, atol=1e-9)


# The predictor, in raw units.


def drifting(count: int, length: int = 12) -> list[torch.Tensor]:
    """Series that go on as they began: straight lines of random speed, plus a little noise."""
    generator = seeded(1)
    speed = 0.1 * torch.randn(count, 1, D, generator=generator)
    time = torch.arange(length)[None, :, None]
    start = torch.randn(count, 1, D, generator=generator)
    noise = 0.002 * torch.randn(count, length, D, generator=generator)
    return list(start + speed * time + noise)


@pytest.fixture(scope="module")
def fitted() -> KeypointPredictor:
    predictor = KeypointPredictor("gru_nf", D, {"hidden": 32, "blocks": 2, "flow_hidden": 32})
    predictor.fit(drifting(300), 6, 6, validation=drifting(330)[300:], epochs=25)
    return predictor


def test_best_future_beats_repeating_the_last_frame(fitted: KeypointPredictor) -> None:
    ours, hold = [], []
    for series in drifting(380)[340:]:
        past, truth = series[:6], series[6:]
        ours.append((fitted.predict(past, 6) - truth).abs().mean())
        hold.append((past[-1] - truth).abs().mean())
    assert torch.stack(ours).mean() < 0.5 * torch.stack(hold).mean()


def test_samples_move_as_much_as_the_truth(fitted: KeypointPredictor) -> None:
    moved, truly = [], []
    for series in drifting(380)[340:]:
        drawn = fitted.sample(series[:6], 6, 50, seeded())
        moved.append(drawn.diff(dim=1).abs().mean())
        truly.append(series[6:].diff(dim=0).abs().mean())
    assert 0.8 < torch.stack(moved).mean() / torch.stack(truly).mean() < 1.25


def test_no_forecast_sees_the_future(fitted: KeypointPredictor) -> None:
    series = drifting(1)[0]
    other = series.clone()
    other[6:] = torch.randn(6, D)
    draws = [fitted.sample(track[:6], 6, 5, seeded()) for track in (series, other)]
    assert torch.equal(*draws)


def test_futures_move_with_the_clip(fitted: KeypointPredictor) -> None:
    """Windows are centred on the last observed frame: a shifted past gives shifted futures."""
    past = drifting(1)[0][:6]
    shifted = fitted.sample(past + 3, 6, 5, seeded())
    torch.testing.assert_close(
        shifted, fitted.sample(past, 6, 5, seeded()) + 3, atol=1e-4, rtol=1e-4
    )


def test_equal_seeds_fit_equal_weights() -> None:
    fits = []
    for _ in range(2):
        predictor = KeypointPredictor("gru_nf", D, SMALL["gru_nf"])
        predictor.fit(drifting(20), 6, 6, seed=5, epochs=2)
        fits.append(predictor.predict(drifting(1)[0][:6], 6))
    assert torch.equal(*fits)


def test_saved_and_loaded_predictor_draws_the_same(
    fitted: KeypointPredictor, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    past = drifting(1)[0][:6]
    loaded = KeypointPredictor.load(tmp_path)
    assert torch.equal(fitted.sample(past, 6, 5, seeded()), loaded.sample(past, 6, 5, seeded()))


def test_a_dimension_that_stands_still_does_not_explode() -> None:
    series = drifting(40)
    for track in series:
        track[:, 0] = 1.0
    predictor = KeypointPredictor("gru_nf", D, SMALL["gru_nf"])
    predictor.fit(series, 6, 6, epochs=3)
    drawn = predictor.sample(series[0][:6], 6, 20, seeded())
    assert (drawn[..., 0] - 1).abs().max() < 0.1


def test_coordinates_go_back_and_forth() -> None:
    coordinates = Coordinates(D)
    series = drifting(5)
    coordinates.fit(series, past=6)
    origin = series[0][5]
    there = coordinates(series[0], origin)
    assert there[5].abs().max() == 0
    torch.testing.assert_close(coordinates.inverse(there, origin), series[0])


def test_another_length_is_refused(fitted: KeypointPredictor) -> None:
    with pytest.raises(ModelError, match="length D = 6, got 9"):
        fitted.predict(torch.zeros(6, 9), 6)


def test_too_short_series_are_refused() -> None:
    with pytest.raises(ClipError, match=r"at least past \+ future = 40 frames"):
        KeypointPredictor("gru_nf", D, SMALL["gru_nf"]).fit(drifting(2), 20, 20)


def test_series_with_nan_end_the_fit_with_advice() -> None:
    series = drifting(10)
    series[0][3] = torch.nan
    with pytest.raises(ModelError, match="not finite; check the clips"):
        KeypointPredictor("gru_nf", D, SMALL["gru_nf"]).fit(series, 6, 6, epochs=1)


def test_unknown_forecaster_names_those_that_exist() -> None:
    with pytest.raises(SettingsError, match="expected one of gru_nf, hold; got 'lstm'"):
        KeypointPredictor("lstm", D)
