"""A folder of drawn clips and a model trained on them for a moment, shared by the journeys."""

from pathlib import Path

import pytest

from flawcast.configs.settings import TrainSettings
from flawcast.flows.train.run import train
from flawcast.generators.line.clips import draw_line, write_line
from tests.conftest import TINY_FOMM

TINY_TRAINING = TrainSettings.model_validate(
    {
        "clips": {"size": 32},
        "backbone": {"name": "fomm", "config": TINY_FOMM},
        "motion": {"steps": 20, "batch": 4, "learning_rate": 2e-3, "scales": [1, 0.5]},
        "forecaster": {
            "name": "gru_nf",
            "config": {"hidden": 16, "gru_layers": 1, "blocks": 2, "flow_hidden": 16},
        },
        "forecast": {"past": 4, "future": 4, "epochs": 2},
        "held_out": 0.3,
    }
)


@pytest.fixture(scope="session")
def line_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of the built-in line with 8 frames each."""
    folder = tmp_path_factory.mktemp("line") / "clips"
    write_line(folder, draw_line(1, seed=5, frames=8, states=("normal", "jam", "slip")))
    return folder


@pytest.fixture(scope="session")
def tiny_model(line_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with next to no training."""
    out = tmp_path_factory.mktemp("model") / "tiny"
    train(line_folder, TINY_TRAINING, out)
    return out
