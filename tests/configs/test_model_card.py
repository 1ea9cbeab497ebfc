"""A model's card is a typed record; the file is what it always was."""

import json
from pathlib import Path
from typing import Any

import pytest

from flawcast.configs.errors import ModelError
from flawcast.configs.model_card import CARD, Card, Imported, Versions, read_card
from flawcast.configs.settings import TrainSettings

VERSIONS = {"flawcast": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu"}
HEAD = {"format": "flawcast-model", "version": 1}


def _write(folder: Path, values: dict[str, Any]) -> None:
    """Write plain values as earlier versions did."""
    (folder / CARD).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


@pytest.mark.parametrize("settings", [TrainSettings(), TrainSettings(held_out=0.25, seed=7)])
def test_the_file_is_that_of_before(settings: TrainSettings, tmp_path: Path) -> None:
    trained = {
        "settings": settings.model_dump(mode="json"),
        "clips": {"a": "clip-1"},
        "held_out": {"b": "clip-2"},
        "metrics": {"reconstruction_mae": 0.024562, "forecast_mae": 0.0532},
        "seconds": 252.6,
        "versions": VERSIONS,
    }
    fitted = trained | {
        "motion_clips": {},
        "imported": {"file": "vox.pth", "sha256": "00", "configuration": "vox-256"},
    }
    imported = fitted | {"clips": {}, "held_out": {}, "metrics": {}}
    del imported["seconds"], imported["motion_clips"]
    for values in (trained, fitted, imported):
        _write(tmp_path, HEAD | values)
        before = (tmp_path / CARD).read_bytes()
        read_card(tmp_path).write(tmp_path)
        assert (tmp_path / CARD).read_bytes() == before


def test_what_is_read_has_types(tmp_path: Path) -> None:
    source = Imported(file="vox.pth", sha256="00", configuration="vox-256")
    card = Card(settings=TrainSettings(), versions=Versions(**VERSIONS), imported=source)
    card.write(tmp_path)
    found = read_card(tmp_path)
    assert found == card
    assert found.settings.forecast.past == 12
    assert found.imported == source


def test_the_motion_model_learnt_from_the_clips_unless_the_card_says_others(tmp_path: Path) -> None:
    card = Card(settings=TrainSettings(), clips={"a": "clip-1"})
    assert card.learnt_by_motion_model == {"a": "clip-1"}
    assert card.model_copy(update={"motion_clips": {}}).learnt_by_motion_model == {}


def test_an_old_card_and_one_that_says_more_are_read(tmp_path: Path) -> None:
    _write(tmp_path, HEAD | {"settings": {}, "mood": "good"})
    assert read_card(tmp_path) == Card(settings=TrainSettings())


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "x"}, {"settings": 3}, {"clips": 1}])
def test_what_is_no_card_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    _write(tmp_path, HEAD | {"settings": {}} | change)
    with pytest.raises(ModelError, match=r"card\.json"):
        read_card(tmp_path)
