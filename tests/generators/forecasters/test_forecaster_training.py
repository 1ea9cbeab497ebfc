"""Training holds: it resumes, stops, keeps the best, and says what to change when it cannot."""

import contextlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flawcast.configs.errors import ModelError
from flawcast.generators.forecasters import KeypointPredictor, build_forecaster
from flawcast.generators.forecasters.training import Epoch, Recipe, Training
from tests.generators.forecasters.test_forecasters import PAST, SMALL, D, windows


def training(seed: int = 0, **plan: object) -> Training:
    torch.manual_seed(0)
    forecaster = build_forecaster("gru_nf", D, SMALL["gru_nf"])
    forecaster.prepare(windows(), PAST)
    recipe = Recipe(**{"epochs": 6, "batch": 16} | plan)  # type: ignore[arg-type]
    return Training(forecaster, windows(), windows(60)[40:], PAST, seed, recipe)


def quiet(epoch: int, train: float, held_out: float) -> None:
    """No progress."""


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = training()
    history = whole.run(quiet)

    def kill(epoch: int, train: float, held_out: float) -> None:
        if epoch == 4:
            raise KilledError  # after three epochs were saved

    with pytest.raises(KilledError):
        training().run(kill, tmp_path / "state.safetensors")
    numbers: list[int] = []
    again = training()
    resumed = again.run(lambda n, *losses: numbers.append(n), tmp_path / "state.safetensors")
    assert numbers == [4, 5, 6]
    assert resumed == history
    for name, value in whole.forecaster.state_dict().items():
        torch.testing.assert_close(again.forecaster.state_dict()[name], value, rtol=0, atol=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch": 8}], ids=["seed", "recipe"])
def test_a_checkpoint_of_another_training_is_not_used(
    tmp_path: Path, change: dict[str, int]
) -> None:
    def kill(epoch: int, train: float, held_out: float) -> None:
        if epoch == 3:
            raise KilledError

    with pytest.raises(KilledError):
        training().run(kill, tmp_path / "state.safetensors")
    numbers: list[int] = []
    other = training(**change)  # type: ignore[arg-type]
    other.run(lambda n, *losses: numbers.append(n), tmp_path / "state.safetensors")
    assert numbers[0] == 1


def test_a_damaged_checkpoint_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"broken")
    numbers: list[int] = []
    training().run(lambda n, *losses: numbers.append(n), tmp_path / "state.safetensors")
    assert numbers[0] == 1


def test_the_best_epoch_is_kept() -> None:
    """Scripted held-out losses: the second of five is the best, three later ones end it."""
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 0.0])
    ours = training(patience=3, epochs=50)
    ours._held_out_loss = lambda: next(losses)  # type: ignore[method-assign]
    states: list[dict[str, Tensor]] = []
    ours.run(
        lambda *parts: states.append(
            {name: value.clone() for name, value in ours.average.state_dict().items()}
        )
    )
    assert len(ours.history) == 5
    for name, value in ours.forecaster.state_dict().items():
        assert torch.equal(value, states[1][name])


def test_no_epoch_begins_after_the_time_is_up() -> None:
    assert len(training(epochs=50, seconds=0.0).run(quiet)) == 1


def test_the_average_lags_behind_the_weights() -> None:
    ours = training()
    before = ours.average.state_dict()["condition.weight"].clone()
    ours._pass()
    average = ours.average.state_dict()["condition.weight"]
    present = ours.forecaster.state_dict()["condition.weight"]
    assert 0 < (average - before).norm() < (present - before).norm()


def test_gradients_are_clipped() -> None:
    norms: list[float] = []
    ours = training()
    step = ours.optimiser.step

    def watched(*args: object) -> None:
        gradients = [p.grad.norm() for p in ours.forecaster.parameters() if p.grad is not None]
        norms.append(float(torch.stack(gradients).norm()))
        step()

    ours.optimiser.step = watched  # type: ignore[method-assign, assignment]
    ours.train = 50 * ours.train  # windows far off what it was prepared for
    ours._pass()
    assert max(norms) <= 1.001


def test_a_loss_that_is_not_finite_says_what_to_change() -> None:
    ours = training()
    with torch.no_grad():
        next(ours.forecaster.parameters()).fill_(torch.nan)
    with pytest.raises(ModelError, match=r"not finite; check the clips .* lower the learning rate"):
        ours.run(quiet)


def test_a_runaway_says_what_to_change() -> None:
    ours = training()
    ours.history.append(Epoch(train=0.0, held_out=0.0))
    with pytest.raises(ModelError, match=r"ran away, from 0\.00 to 50\.00 .* use a smaller model"):
        ours._judge(Epoch(train=50.0, held_out=1.0))


@pytest.mark.parametrize("rate", [1e3, 1e8])
def test_a_learning_rate_far_too_high_leaves_an_error_or_finite_weights(rate: float) -> None:
    ours = training(learning_rate=rate)
    with contextlib.suppress(ModelError):
        ours.run(quiet)
        assert all(value.isfinite().all() for value in ours.forecaster.state_dict().values())


def test_log_scales_are_bounded() -> None:
    """However wild the weights, a coupling scales by no more than e."""
    forecaster = build_forecaster("gru_nf", D, SMALL["gru_nf"]).eval()
    coupling = forecaster.flow.coupling[0]
    with torch.no_grad():
        for value in coupling.parameters():
            value.mul_(1e4)
        _, change = coupling(torch.randn(50, D), torch.randn(50, 8))
    assert change.abs().max() <= D / 2 + 1e-5


def test_the_initial_weights_follow_the_seed() -> None:
    fits = []
    for seed in (0, 0, 1):
        predictor = KeypointPredictor("gru_nf", D, SMALL["gru_nf"])
        plan = Recipe(epochs=1, learning_rate=1e-12, epoch_windows=4)
        predictor.fit(list(windows(3)), PAST, 4, seed=seed, recipe=plan)
        fits.append(predictor.forecaster.state_dict()["condition.weight"])
    assert torch.equal(fits[0], fits[1])
    assert not torch.allclose(fits[0], fits[2], atol=1e-3)
