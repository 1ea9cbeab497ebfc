"""`train` on self-made pairs: a model that `generate` takes, made the same way after a stop."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.model_card import read_card
from flawcast.configs.settings import TrainSettings
from flawcast.flows.train.options import train_settings
from flawcast.flows.train.run import train
from flawcast.generators.backbones import load_backbone
from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.model import load_model, shipped_model
from tests.flows.commands.running import run
from tests.generators.backbones.layers.drawn_clips import draw_clip

NOTHING = {"steps": None, "minutes": None, "start": None}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of a part that moves, as folders of frames."""
    folder = tmp_path_factory.mktemp("clips")
    for name, start in (("first", 4), ("second", -8)):
        (folder / name).mkdir()
        for index, frame in enumerate(draw_clip(start=start)[0]):
            cv2.imwrite(str(folder / name / f"{index:04}.png"), np.asarray(frame[..., ::-1]))
    return folder


def _settings(changes: dict[str, object]) -> TrainSettings:
    few = {"adapt.batch": 2, "adapt.held_out": 2, "steps": 2, "minutes": None}
    return train_settings(None, "layers", False, {**few, **changes})


def test_a_detector_is_trained_for_layers(clips: Path, tmp_path: Path) -> None:
    summary = train(clips, _settings({}), tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert isinstance(model.backbone, LayersBackbone)
    assert model.backbone.detector is not None
    assert summary.metrics["steps"] == 2
    assert {"pairs_error", "pairs_error_before", "reconstruction_mae"} <= set(summary.metrics)
    assert read_card(tmp_path / "model").settings.adapt is not None
    assert model.predictor.features == model.backbone.layout.length
    assert (tmp_path / "model" / "reconstruction.png").is_file()
    again = train(clips, _settings({}), tmp_path / "again")
    assert again.metrics == summary.metrics
    assert load_model(tmp_path / "again").weights_id == model.weights_id
    further = _settings({"start": str(tmp_path / "model"), "steps": 1})
    assert train(clips, further, tmp_path / "further").metrics["steps"] == 1


def test_clips_in_which_nothing_moves_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clips" / "still").mkdir(parents=True)
    for index in range(14):
        picture = np.full((64, 96, 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / "clips" / "still" / f"{index:04}.png"), picture)
    with pytest.raises(ClipError, match="expected a part that can be cut out, found none"):
        train(tmp_path / "clips", _settings({}), tmp_path / "model")


def test_a_fomm_is_adapted_with_its_own_sizes(clips: Path, tmp_path: Path) -> None:
    settings = train_settings(None, "fomm", True, {**NOTHING, "start": "demo", "steps": 1})
    settings = settings.overridden(
        {
            "adapt.batch": 1,
            "adapt.held_out": 1,
            "forecast.epochs": 1,
            "forecast.past": 4,
            "forecast.future": 4,
        }
    )
    train(clips, settings, tmp_path / "model")
    ours = load_backbone(tmp_path / "model").state_dict()
    before = load_backbone(shipped_model("demo")).state_dict()
    changed = {name.split(".")[1] for name in before if not torch.equal(ours[name], before[name])}
    assert "dense_motion_network" in changed
    assert changed.isdisjoint({"first", "up_blocks", "bottleneck", "final"})  # the decoder


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(SettingsError, match="minutes: expected --adapt or --backbone layers"):
        train_settings("tiny", None, False, {**NOTHING, "minutes": 1.0})
    steps = train_settings(None, "layers", False, {**NOTHING, "steps": 7})
    assert steps.adapt is not None
    assert steps.adapt.steps == 7
    assert train_settings("tiny", None, False, {**NOTHING, "steps": 7}).motion.steps == 7


def test_the_preset_without_clips_is_drawn() -> None:
    settings = train_settings("parts-128", None, False, {**NOTHING, "minutes": 2.0})
    assert settings.adapt is not None
    assert settings.adapt.drawn
    assert settings.adapt.minutes == 2
    assert settings.line is not None


def test_the_command_prints_what_it_made(clips: Path, tmp_path: Path) -> None:
    options = ("--backbone", "layers", "--steps", 1, "--json", "--out", tmp_path / "model")
    done = run("train", clips, *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["steps"] == 1
