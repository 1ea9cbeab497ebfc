"""Keypoint series in raw units: coordinates, training, saving; no forecast sees the future."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.errors import ClipError, ModelError, SettingsError
from flawcast.generators.forecasters import FORECASTERS, KeypointPredictor
from flawcast.generators.forecasters.coordinates import Coordinates, Kind
from flawcast.generators.forecasters.training import Recipe
from tests.generators.forecasters.test_forecasters import SMALL, D, seeded


def drifting(count: int, length: int = 12) -> list[torch.Tensor]:
    """Series that go on as they began: straight lines of random speed, plus a little noise."""
    generator = seeded(1)
    speed = 0.1 * torch.randn(count, 1, D, generator=generator)
    time = torch.arange(length)[None, :, None]
    start = torch.randn(count, 1, D, generator=generator)
    noise = 0.002 * torch.randn(count, length, D, generator=generator)
    return list(start + speed * time + noise)


@pytest.fixture(scope="module")
def every() -> dict[str, KeypointPredictor]:
    """One small fit of each forecaster."""
    fits = {}
    for name in FORECASTERS.names():
        config = SMALL[name] | ({"horizon": 6} if name == "linear" else {})
        fits[name] = KeypointPredictor(name, D, config)
        plan = Recipe(epochs=2, epoch_windows=100)
        fits[name].fit(drifting(100), 6, 6, validation=drifting(120)[100:], recipe=plan)
    return fits


def _outputs(predictor: KeypointPredictor, past: torch.Tensor) -> list[torch.Tensor]:
    """The single future, and samples where there are any."""
    single = [predictor.predict(past, 6)]
    if predictor.forecaster.stochastic:
        single.append(predictor.sample(past, 6, 5, seeded()))
    return single


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


@pytest.mark.parametrize("name", FORECASTERS.names())
def test_no_forecast_sees_the_future(every: dict[str, KeypointPredictor], name: str) -> None:
    """A clip whose future is noise gives the same futures, frame for frame."""
    predictor, series = every[name], drifting(1)[0]
    other = series.clone()
    other[6:] = torch.randn(6, D, generator=seeded(9))
    ours, theirs = (_outputs(predictor, track[:6]) for track in (series, other))
    for one, another in zip(ours, theirs, strict=True):
        assert torch.equal(one, another)


@pytest.mark.parametrize("name", FORECASTERS.names())
def test_every_forecaster_fits_and_comes_back_from_disk(
    every: dict[str, KeypointPredictor], name: str, tmp_path: Path
) -> None:
    predictor, past = every[name], drifting(1)[0][:6]
    predictor.save(tmp_path)
    loaded = KeypointPredictor.load(tmp_path)
    assert loaded.forecaster.config == predictor.forecaster.config
    for one, another in zip(_outputs(predictor, past), _outputs(loaded, past), strict=True):
        assert one.isfinite().all()
        assert torch.equal(one, another)


@pytest.mark.parametrize("name", ["gru", "linear", "vrnn"])
def test_others_also_find_straight_lines(name: str) -> None:
    config = {"gru": {}, "linear": {"horizon": 6}, "vrnn": {"hidden": 64, "latent": 4}}[name]
    predictor = KeypointPredictor(name, D, config)
    plan = Recipe(epochs=25, learning_rate=5e-3)
    predictor.fit(drifting(150), 6, 6, validation=drifting(180)[150:], recipe=plan)
    tracks = drifting(380)[340:]
    ours = [(predictor.predict(track[:6], 6) - track[6:]).abs().mean() for track in tracks]
    hold = [(track[5] - track[6:]).abs().mean() for track in tracks]
    assert torch.stack(ours).mean() < 0.6 * torch.stack(hold).mean()


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


@pytest.mark.parametrize("horizon", [(6, 6), (12, 12)], ids=["6-6", "12-12"])
def test_an_analog_is_fitted_to_one_short_clip(horizon: tuple[int, int], tmp_path: Path) -> None:
    past, future = horizon
    (clip,) = drifting(1, 40)
    predictor = KeypointPredictor("analog", D)
    predictor.fit([clip], past, future)
    predictor.save(tmp_path)
    drawn = KeypointPredictor.load(tmp_path).sample(clip[-past:], 2 * future, 20, seeded())
    assert drawn.shape == (20, 2 * future, D)
    assert drawn.isfinite().all()
    hold = (clip[past - 1] - clip[past : past + future]).abs().mean()
    assert (predictor.predict(clip[:past], future) - clip[past : past + future]).abs().mean() < hold


def test_what_needs_no_held_out_clips_learns_from_them_only_if_they_are_spare() -> None:
    """Held-out clips may be those of a test."""
    clips, other = drifting(20), drifting(30)[20:]
    fits = {}
    for spare in (False, True):
        for held_out in (other, [3 * clip for clip in other]):
            predictor = KeypointPredictor("dressed_hold", D)
            predictor.fit(clips, 6, 6, validation=held_out, spare=spare)
            fits.setdefault(spare, []).append(predictor.forecaster.get_buffer("pool"))
    assert torch.equal(*fits[False])
    assert not torch.equal(*fits[True])


def test_a_dimension_that_stands_still_does_not_explode() -> None:
    series = drifting(40)
    for track in series:
        track[:, 0] = 1.0
    predictor = KeypointPredictor("gru_nf", D, SMALL["gru_nf"])
    predictor.fit(series, 6, 6, epochs=3)
    drawn = predictor.sample(series[0][:6], 6, 20, seeded())
    assert (drawn[..., 0] - 1).abs().max() < 0.1


@pytest.mark.parametrize("kind", ["centred", "raw", "past_range"])
def test_coordinates_go_back_and_forth_and_know_the_past_alone(kind: Kind) -> None:
    coordinates = Coordinates(D, kind)
    series = drifting(5)
    coordinates.fit(series, past=6)
    scaling = coordinates.scaling(series[0][:6])
    there = scaling.standardise(series[0])
    torch.testing.assert_close(scaling.restore(there), series[0])
    if kind == "centred":
        assert there[5].abs().max() == 0
    if kind == "past_range":
        assert there[:6].amin(dim=0).abs().max() < 1e-6
        assert (there[:6].amax(dim=0) - 1).abs().max() < 1e-5


def test_the_range_of_a_past_that_stands_still_has_a_floor() -> None:
    scaling = Coordinates(D, "past_range").scaling(torch.ones(6, D))
    assert scaling.standardise(torch.full((1, D), 1.01)).abs().max() < 1


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
    with pytest.raises(SettingsError, match=r"expected one of .*gru_nf, .*hold, .*; got 'lstm'"):
        KeypointPredictor("lstm", D)
