"""Training each backbone: better than copying the first frame, and the same after a kill."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from flawcast.configs.errors import ClipError
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import GenerateSettings, TrainSettings, Transfer
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.running.display import Display
from flawcast.flows.train.clips import read_clips, split_clips
from flawcast.flows.train.run import train
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import load_model
from tests.flows.commands.running import mistake, run
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

FLAWCAST = Path(sys.executable).with_name("flawcast")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of the built-in line, the second of each state for testing."""
    folder = tmp_path_factory.mktemp("train") / "clips"
    return write_line(folder, draw_line(2, seed=9, frames=10, states=("normal", "jam", "slip")))


def tiny(backbone: str, **motion: Any) -> TrainSettings:
    """Settings of a training that takes seconds."""
    weights = {"perceptual": [10, 10, 10, 10, 10]}
    return TrainSettings.model_validate(
        {
            "clips": {"size": 32},
            "backbone": {"name": backbone, "config": TINY[backbone]},
            "motion": {"batch": 4, "scales": [1, 0.5], "loss_weights": weights, **motion},
            "forecaster": {
                "name": "gru_nf",
                "config": {"hidden": 16, "gru_layers": 1, "blocks": 2, "flow_hidden": 16},
            },
            "forecast": {"past": 4, "future": 4, "epochs": 2},
        }
    )


@pytest.mark.parametrize(
    "backbone",
    [pytest.param(name, marks=[] if name == "fomm" else pytest.mark.slow) for name in LEARNED],
)
def test_killed_and_resumed_it_ends_with_the_same_weights(
    backbone: str, clips: Path, tmp_path: Path
) -> None:
    """SIGKILL after the first checkpoint; the same command goes on from there."""
    settings = tiny(backbone, steps=20, learning_rate=1e-3, checkpoint_every=5)
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    train(clips, settings, tmp_path / "whole")
    cut = tmp_path / "cut"
    command = [FLAWCAST, "train", clips, "--preset", preset, "--out", cut, "--quiet"]
    process = subprocess.Popen(list(map(str, command)))
    checkpoint = tmp_path / ".cut.training" / "checkpoint.safetensors"
    try:
        while not checkpoint.is_file() and process.poll() is None:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not cut.exists(), "the training ended before it could be killed"
    assert run(*command[1:]).returncode == 0
    whole, resumed = (
        load_file(tmp_path / name / "backbone.safetensors") for name in ("whole", "cut")
    )
    for key, value in whole.items():
        assert value.equal(resumed[key]), key
    logs = [(tmp_path / name / "motion_losses.csv").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
    steps = [int(row["step"]) for row in csv.DictReader(logs[0].splitlines())]
    assert steps == [1, 10, 20]


def test_folders_say_what_is_learnt_from_watched_and_held_out(tmp_path: Path) -> None:
    drawn = draw_line(1, seed=9, frames=10, states=("normal", "jam", "slip", "bend"))
    for clip, split in zip(drawn, ("train", "train", "test", "val"), strict=True):
        (tmp_path / split).mkdir(exist_ok=True)
        write_ffv1(tmp_path / split / f"{clip.label}.mkv", clip.frames, 10)
    settings = tiny("fomm")
    clips = read_clips(tmp_path, settings, [], Display.silent())
    sides = split_clips(clips, settings)
    assert [[clip.name for clip in side] for side in sides] == [
        ["train/jam.mkv", "train/normal.mkv"],
        ["val/bend.mkv"],
        ["test/slip.mkv"],
    ]
    with pytest.raises(ClipError, match="some to learn from, got 2, all of test or val"):
        split_clips([*sides[1], *sides[2]], settings)


@pytest.mark.parametrize("backbone", LEARNED)
def test_every_backbone_makes_sets(backbone: str, clips: Path, tmp_path: Path) -> None:
    """Trained for a moment, loaded again, and used as `generate` does in both modes."""
    train(clips, tiny(backbone, steps=3), tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert model.card.settings.motion.features == "random"
    settings = GenerateSettings(
        past=4,
        future=4,
        samples=6,
        keep=3,
        transfer=Transfer(
            mode="avd" if model.backbone.disentangles else "relative", adapt_movement_scale=True
        ),
    )
    modes, read = ("reconstruction", "transfer"), model.clip_settings()
    plan = plan_sets(clips, None, modes, settings, read, model.weights_id, windows=1)
    request = SetRequest(settings, read, "run", "0")
    for planned in (plan.sets[0], plan.sets[-1]):
        made = make_set(planned, model, request)
        assert made.videos.shape == (3, 4, 32, 32, 3)
        assert made.keypoints.shape == (6, 4, model.backbone.layout.length)
        assert made.provenance.backbone == backbone
    assert {item.mode for item in (plan.sets[0], plan.sets[-1])} == set(modes)


def test_adversarial_accumulated_and_frozen(clips: Path, tmp_path: Path) -> None:
    settings = tiny(
        "fomm",
        steps=4,
        accumulate=2,
        rates={"kp_detector": 0},
        loss_weights={"generator_gan": 1, "feature_matching": [1, 1]},
        discriminator={"block_expansion": 4, "max_features": 8, "num_blocks": 2, "use_kp": True},
    )
    train(clips, settings, tmp_path / "base")
    again = settings.model_copy(update={"start": str(tmp_path / "base"), "seed": 5})
    train(clips, again, tmp_path / "further")
    base, further = (
        load_file(tmp_path / name / "backbone.safetensors") for name in ("base", "further")
    )
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for key, value in base.items():
        if not key.endswith((*statistics, "down.weight")):
            assert value.equal(further[key]) == key.startswith("kp_detector"), key
    with (tmp_path / "base" / "motion_losses.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert {"generator_gan", "feature_matching", "discriminator_gan"} <= row.keys()


def test_epochs_count_clips(clips: Path) -> None:
    settings = tiny("fomm", steps=None, epochs=3, repeats=2)
    assert settings.motion.total_steps(clips=4) == 6
    assert load_preset("bair-256").motion.total_steps(clips=360) == 200


def test_starting_from_another_architecture_is_refused(clips: Path, tmp_path: Path) -> None:
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(tiny("fomm", steps=2).model_dump(mode="json")))
    line = mistake(
        "train", clips, "--preset", preset, "--start", "demo", "--out", tmp_path / "model"
    )
    assert "start" in line
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)  # six minutes of one quiet core for FOMM, more for the others
@pytest.mark.parametrize(
    ("preset", "steps"), [("small", 300), ("tps/small", 300), ("vid2vid/small", 600)]
)
def test_a_short_training_beats_copying_the_first_frame(
    preset: str, steps: int, tmp_path: Path
) -> None:
    folder = write_line(tmp_path / "clips", draw_line(20, seed=1, frames=24))
    changes = {"motion.steps": steps, "forecast.epochs": 2}
    summary = train(folder, load_preset(preset).overridden(changes), tmp_path / "model")
    assert summary.metrics["reconstruction_mae"] < 0.9 * summary.metrics["copy_first_frame_mae"]
