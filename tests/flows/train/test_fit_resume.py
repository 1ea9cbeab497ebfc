"""A fit that is interrupted goes on from its last epoch, and leaves nothing behind at its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from flawcast.configs.errors import ModelError
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.running.display import Display
from flawcast.flows.train.run import fit
from flawcast.generators.model import load_model

EPOCHS = 4


class Watched(Display):
    """Notes the epochs that it is shown, and may stop the work at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(Console(quiet=True))
        self.stop_at = stop_at
        self.epochs: list[int] = []

    @contextmanager
    def training(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Take the epochs."""
        assert (what, total) == ("forecaster", EPOCHS)

        def on_epoch(epoch: int, losses: str) -> None:
            assert "held out" in losses
            self.epochs.append(epoch)
            if epoch == self.stop_at:
                raise KeyboardInterrupt

        yield on_epoch


def test_an_interrupted_fit_goes_on(line_folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    changes = {"forecast.epochs": EPOCHS}
    fit(line_folder, tiny_model, changes, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(line_folder, tiny_model, changes, tmp_path / "cut", Watched(stop_at=3))
    assert not (tmp_path / "cut").exists()
    second = Watched()
    fit(line_folder, tiny_model, changes, tmp_path / "cut", second)
    assert second.epochs == [3, 4]  # the third was interrupted before it was kept
    whole, cut = (
        load_model(tmp_path / name).predictor.forecaster.state_dict() for name in ("whole", "cut")
    )
    assert all(value.equal(cut[key]) for key, value in whole.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


def test_a_forecaster_of_a_single_future_is_fitted_but_makes_no_sets(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    changes = {"forecaster.name": "gru", "forecast.epochs": 1}
    metrics = fit(line_folder, tiny_model, changes, tmp_path / "gru").metrics
    assert {"forecast_mae", "forecast_hold_mae"} < set(metrics)
    assert "forecast_best_of_100_mae" not in metrics
    request = GenerateRequest(clips=line_folder, model=tmp_path / "gru", store=str(tmp_path / "s"))
    with pytest.raises(ModelError, match="expected one that draws samples"):
        generate(request)
    assert not (tmp_path / "s").exists()
