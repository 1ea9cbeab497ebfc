"""The models that ship do what the README says, on clips of the line that they have never seen."""

import numpy as np
import pytest
import torch

from flawcast.configs.preset_files import load_preset
from flawcast.flows.train.forecaster import forecast_metrics
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import STATES, draw_line
from flawcast.generators.model import Model, load_model, shipped_model, shipped_models
from flawcast.generators.training.motion import reconstruction_error

SEED = 424242  # neither the training line's (1) nor the demo's (1000)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(shipped_model())


@pytest.fixture(scope="module")
def videos() -> list[np.ndarray]:
    return [clip.frames for clip in draw_line(1, SEED)]


@pytest.mark.parametrize("name", shipped_models())
def test_it_is_small_and_says_how_it_was_made(name: str) -> None:
    folder = shipped_model(name)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25 * 2**20
    card = load_model(folder).card
    assert card.settings.line is not None
    assert card.settings.line.seed != SEED
    assert card.metrics["reconstruction_mae"] > 0


def test_reconstruction_halves_the_error_of_copying(model: Model, videos: list[np.ndarray]) -> None:
    error = reconstruction_error(model.backbone, videos)
    assert error.model <= 0.5 * error.copy


@pytest.mark.parametrize("name", shipped_models())
def test_futures_beat_holding_still_and_move_as_the_truth(name: str) -> None:
    model = load_model(shipped_model(name))
    clips = list(draw_line(2, SEED, size=model.clip_settings().size))
    assert len(clips) == 2 * len(STATES)
    with torch.no_grad():
        series = [model.backbone.keypoints(to_tensor(clip.frames)) for clip in clips]
    found = forecast_metrics(model.predictor, series, load_preset(name))
    assert found["forecast_mae"] < 0.9 * found["forecast_hold_mae"]
    assert found["forecast_best_of_100_mae"] < 0.65 * found["forecast_hold_mae"]
    assert 0.8 < found["forecast_coherence"] < 1.25
