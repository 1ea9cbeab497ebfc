"""Cross-validation: no group on both sides, every window once, the same for any order of work."""

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError, ModelError
from flawcast.generators.forecasters.cross_validation import (
    Candidate,
    Fold,
    Track,
    WindowForecast,
    fold_without,
    folds,
    forecast_windows,
    watched,
)
from flawcast.generators.forecasters.predictor import KeypointPredictor
from flawcast.generators.forecasters.training import Recipe
from tests.generators.forecasters.cross_validation import cross_validate
from tests.generators.forecasters.test_forecasters import SMALL

D, PAST, FUTURE = 4, 5, 4
QUICK = Recipe(epochs=2, epoch_windows=64)


def tracks() -> list[Track]:
    generator = torch.Generator().manual_seed(0)
    lengths = {"a": (30, 25), "b": (40,), "c": (20, 22, 21)}
    return [
        Track(f"{group}{index}", group, torch.randn(length, D, generator=generator).cumsum(0))
        for group, all_lengths in lengths.items()
        for index, length in enumerate(all_lengths)
    ]


def candidates(*names: str) -> list[Candidate]:
    return [Candidate(name, name, SMALL[name]) for name in names]


def test_no_group_is_on_both_sides() -> None:
    found = folds(tracks())
    assert sorted(fold.name for fold in found) == ["a", "b", "c"]
    for fold in found:
        sides = [{track.group for track in side} for side in (fold.test, fold.train + fold.watch)]
        assert not sides[0] & sides[1]
        ids = [track.clip_id for track in (*fold.train, *fold.watch, *fold.test)]
        assert sorted(ids) == sorted(track.clip_id for track in tracks())
        assert fold.train
        assert fold.watch


def test_what_watches_is_of_other_groups_than_what_trains() -> None:
    fold = fold_without("c", tracks(), {"c"})
    assert {track.group for track in fold.watch} == {"b"}  # the group of the fewest clips
    assert {track.group for track in fold.train} == {"a"}
    alone = [Track(f"clip{n:02}", f"clip{n:02}", torch.zeros(10, D)) for n in range(12)]
    assert [track.clip_id for track in watched(alone)] == ["clip00", "clip05", "clip10"]
    single = [Track(f"clip{n:02}", "one", torch.zeros(10, D)) for n in range(3)]
    assert [track.clip_id for track in watched(single)] == ["clip00"]
    assert watched(single[:1]) == []


def test_many_groups_are_dealt_to_few_folds() -> None:
    many = [Track(f"clip{n}", f"group{n}", torch.zeros(10 + n, D)) for n in range(12)]
    found = folds(many, most=3)
    assert len(found) == 3
    frames = [sum(len(track.series) for track in fold.test) for fold in found]
    assert max(frames) - min(frames) <= 20
    assert sum(frames) == sum(len(track.series) for track in many)


def test_one_group_is_refused() -> None:
    with pytest.raises(ClipError, match="at least two groups, got 1"):
        folds([Track("a", "x", torch.zeros(9, D)), Track("b", "x", torch.zeros(9, D))])


def run(*names: str, seeds: tuple[int, ...] = (0,)) -> list[WindowForecast]:
    found = cross_validate(
        tracks(), candidates(*names), PAST, FUTURE, seeds=seeds, samples=6, recipe=QUICK
    )
    return list(found)


def test_every_window_is_forecast_once_by_each() -> None:
    found = run("hold", "linear", "gru_nf", "gru_snf", "vrnn", seeds=(0, 1))
    wanted = {
        (track.clip_id, start)
        for track in tracks()
        for start in range(0, len(track.series) - PAST - FUTURE + 1, PAST + FUTURE)
    }
    for label, trains in (("hold", False), ("linear", False), ("gru_nf", True), ("vrnn", True)):
        for seed in (0, 1) if trains else (0,):
            ours = [one for one in found if one.label == label and one.seed == seed]
            assert {(one.clip_id, one.start) for one in ours} == wanted
            assert len(ours) == len(wanted)
    series = {track.clip_id: track.series for track in tracks()}
    for one in found:
        assert one.samples.shape == (6 if one.label in ("gru_nf", "gru_snf", "vrnn") else 1, 4, D)
        if one.label == "hold":
            last = series[one.clip_id][one.start + PAST - 1]
            np.testing.assert_allclose(one.single, np.broadcast_to(last, (4, D)), atol=1e-5)


def test_the_truth_is_the_clips_own() -> None:
    series = {track.clip_id: track.series for track in tracks()}
    for one in run("hold"):
        future = series[one.clip_id][one.start + PAST : one.start + PAST + FUTURE]
        np.testing.assert_array_equal(one.truth, future.numpy())


def test_seeds_differ_and_repeat() -> None:
    first, again = run("gru_nf", seeds=(0, 1)), run("gru_nf", seeds=(1,))
    by_seed = {
        seed: np.stack([one.samples for one in first if one.seed == seed and one.fold == "a"])
        for seed in (0, 1)
    }
    repeated = np.stack([one.samples for one in again if one.fold == "a"])
    np.testing.assert_array_equal(by_seed[1], repeated)
    assert not np.allclose(by_seed[0], by_seed[1])


def test_windows_do_not_depend_on_each_other() -> None:
    """A fold whose test clips come in another order gives the same futures."""
    fold = folds(tracks())[0]
    predictor = KeypointPredictor("gru_nf", D, SMALL["gru_nf"])
    predictor.fit([track.series for track in fold.train], PAST, FUTURE, recipe=QUICK)
    (candidate,) = candidates("gru_nf")
    turned = type(fold)(fold.name, fold.train, fold.watch, fold.test[::-1])
    both = [
        {(one.clip_id, one.start): one.samples for one in windows}
        for windows in (
            forecast_windows(predictor, candidate, way, PAST, FUTURE, samples=3)
            for way in (fold, turned)
        )
    ]
    assert both[0].keys() == both[1].keys()
    for key, samples in both[0].items():
        np.testing.assert_array_equal(samples, both[1][key])


def test_what_differs_in_inference_alone_shares_its_weights() -> None:
    fits: list[tuple[str, str, torch.Tensor]] = []
    small = SMALL["gru_nf"]
    several = [
        Candidate("own", "gru_nf", small),
        Candidate("mean", "gru_nf", small | {"feedback": "mean"}),
        Candidate("refined", "gru_snf", small | {"metropolis_steps": 3}),
        Candidate("wider", "gru_nf", small | {"hidden": 20}),
    ]

    def note(candidate: Candidate, fold: Fold, predictor: KeypointPredictor) -> None:
        weight = predictor.forecaster.state_dict()["condition.weight"]
        fits.append((fold.name, candidate.label, weight))
        if candidate.label == "refined":
            assert predictor.forecaster.config.model_dump()["metropolis_steps"] == 3

    found = list(
        cross_validate(tracks(), several, PAST, FUTURE, samples=4, recipe=QUICK, on_fit=note)
    )
    for fold in ("a", "b", "c"):
        own, mean, refined, wider = (weight for name, _, weight in fits if name == fold)
        assert torch.equal(own, mean)
        assert torch.equal(own, refined)
        assert wider.shape != own.shape
    first = {one.label: one.samples for one in found if (one.fold, one.start) == ("b", 0)}
    assert not np.allclose(first["own"], first["mean"])
    assert not np.allclose(first["own"], first["refined"])


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="forecaster of gru_snf: the file lacks key"):
        KeypointPredictor("vae", D, SMALL["vae"]).varied("gru_snf")
