"""`flawcast import`, `fit` and `animate`, as a user of published weights goes about it."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from flawcast.configs.settings import Transfer
from flawcast.flows.animate import animate, nearest_pose
from flawcast.generators.backbones import build_backbone, load_backbone
from flawcast.generators.clips.video_files import write_video
from flawcast.generators.model import load_model, shipped_model
from tests.conftest import TINY_FOMM
from tests.flows.commands.running import mistake, run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file, with its official configuration beside it."""
    folder = tmp_path_factory.mktemp("published")
    model = build_backbone("fomm", TINY_FOMM, seed=5)
    networks = {name: network.state_dict() for name, network in model.named_children()}
    torch.save({**networks, "epoch": 1}, folder / "tiny.pth.tar")
    official = {
        "dataset_params": {"frame_shape": [32, 32, 3]},
        "model_params": TINY_FOMM,
        "train_params": {"num_epochs": 10, "batch_size": 4},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(official))
    return folder / "tiny.pth.tar"


def test_from_published_weights_to_sample_sets(
    checkpoint: Path, line_folder: Path, tmp_path: Path
) -> None:
    model, store = tmp_path / "model", tmp_path / "store"
    config = checkpoint.with_name("tiny.yaml")
    done = run("import", checkpoint, "--backbone", "fomm", "--config", config, "--out", model)
    assert "D = 18" in done.stdout
    assert "flawcast fit" in done.stdout
    line = mistake("generate", line_folder, "--model", model, "--store", store)
    assert f"fit one: flawcast fit CLIPS --model {model}" in line
    options = ("--past", 4, "--future", 4, "--epochs", 2, "--quiet")
    done = run("fit", line_folder, "--model", model, *options)
    assert done.returncode == 0, done.stderr
    card = load_model(model).card
    assert card.imported is not None
    assert card.imported.file == "tiny.pth.tar"
    assert card.metrics["forecast_mae"] > 0
    assert "name a new folder with --out" in mistake("fit", line_folder, "--model", model)
    done = run("fit", line_folder, "--model", model, *options, "--out", tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "other").card.imported == card.imported


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_animate_writes_as_many_frames_as_the_driving_clip(
    suffix: str, line_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"moved{suffix}"
    source, driving = line_folder / "jam_000.mkv", line_folder / "normal_000.mkv"
    done = run("animate", source, driving, "--model", "demo", "--out", out, "--best-frame")
    assert done.returncode == 0, done.stderr
    assert "8 frames, from frame" in done.stdout
    with av.open(str(out)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 8
    assert frames[0].shape == (64, 64, 3)
    assert not list(tmp_path.glob(".*"))


def test_relative_motion_keeps_the_sources_shape(line_folder: Path, tmp_path: Path) -> None:
    """A still driving clip leaves the source as it is, wherever the driving part stands."""
    with av.open(str(line_folder / "jam_000.mkv")) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    Image.fromarray(first).save(tmp_path / "source.png")
    with av.open(str(line_folder / "normal_000.mkv")) as container:
        other = next(container.decode(video=0)).to_ndarray(format="rgb24")
    write_video(tmp_path / "still.mkv", np.repeat(other[None], 4, axis=0), 10)
    errors = {}
    for mode in ("relative", "absolute"):
        out = tmp_path / f"{mode}.mkv"
        animate(
            tmp_path / "source.png",
            tmp_path / "still.mkv",
            "demo",
            out,
            Transfer(mode=mode, adapt_movement_scale=True),
        )
        with av.open(str(out)) as container:
            drawn = next(container.decode(video=0)).to_ndarray(format="rgb24")
        errors[mode] = np.abs(drawn.astype(float) - first).mean() / 255
    assert errors["relative"] < 0.03 < errors["absolute"]


@torch.no_grad()
def test_the_nearest_pose_is_found_wherever_and_however_large() -> None:
    backbone = load_backbone(shipped_model())
    keypoints = torch.randn(6, 60, generator=torch.Generator().manual_seed(0))
    source = keypoints[4].clone().view(10, 6)
    source[:, :2] = 0.5 * source[:, :2] + 0.3
    assert nearest_pose(backbone, source.flatten(), keypoints) == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "none.png"}, "no such file; name a picture or a clip"),
        ({"model": "none"}, "expected a model folder or one of demo"),
        ({"out": "a.avi"}, "expected a file ending in .mp4, .mkv, .gif, got 'a.avi'"),
        ({"out": "none/a.mp4"}, "expected an existing folder"),
        ({"motion": "avd"}, "avd needs a TPS model with an AVD network"),
        ({"device": "moon"}, "expected auto, cpu or a GPU of this machine, got 'moon'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes_are_one_clear_line(
    changes: dict[str, str],
    reason: str,
    line_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = {"source": line_folder / "jam_000.mkv", "model": "demo", "out": "a.mp4", **changes}
    source = chosen.pop("source")
    options = [part for name, value in chosen.items() for part in (f"--{name}", value)]
    assert reason in mistake("animate", source, line_folder / "normal_000.mkv", *options)
    assert not list(tmp_path.iterdir())
