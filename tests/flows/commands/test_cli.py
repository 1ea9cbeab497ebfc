"""The command line as a user meets it: help, answers, and one clear line for every mistake."""

import csv
import importlib.metadata
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from PIL import Image

from flawcast.generators.line.clips import draw_line, write_line
from tests.flows.commands.running import mistake, run

FLAWCAST = Path(sys.executable).with_name("flawcast")


@pytest.fixture(scope="module")
def generated(
    line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], str]:
    """What `flawcast generate` says of clips of which one is broken, and the store it makes."""
    folder = tmp_path_factory.mktemp("cli")
    clips = folder / "clips"
    shutil.copytree(line_folder, clips)
    (clips / "broken.mp4").write_text("not a video")
    options = ("--past", "4", "--future", "4", "--samples", "12", "--keep", "5", "--workers", "0")
    store = folder / "store"
    return run("generate", clips, "--model", tiny_model, "--store", store, *options), str(store)


@pytest.fixture(scope="module")
def store(generated: tuple[subprocess.CompletedProcess[str], str]) -> str:
    """A store with three sets."""
    return generated[1]


def test_the_installed_command_answers() -> None:
    done = subprocess.run([FLAWCAST, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == importlib.metadata.version("flawcast")


COMMANDS = (
    "demo",
    "generate",
    "animate",
    "augment",
    "schedule",
    "train",
    "import",
    "fit",
    "query",
    "verify",
    "gc",
    "compact",
    "runs",
    "benchmark",
    "uplift",
    "uplift-images",
    "evaluate",
    "export",
    "regenerate",
    "doctor",
    "report",
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_query_answers_in_every_format(store: str, tmp_path: Path) -> None:
    where = ("query", store, "--where", "apd >= 0 and label = 'jam'", "--order-by", "apd")
    assert "jam" in run(*where).stdout
    (row,) = json.loads(run(*where, "--json").stdout)
    assert row["label"] == "jam"
    (line,) = csv.DictReader(io.StringIO(run(*where, "--format", "csv").stdout))
    assert line["set_id"] == row["set_id"]
    out = tmp_path / "answer.parquet"
    assert run(*where, "--format", "parquet", "--out", out).returncode == 0
    assert pyarrow.parquet.read_table(out)["set_id"].to_pylist() == [row["set_id"]]


def test_query_by_sample_orders_and_limits(store: str) -> None:
    options = ("--rows", "samples", "--order-by", "mae", "--limit", "4", "--json")
    rows = json.loads(run("query", store, *options).stdout)
    errors = [row["mae"] for row in rows]
    assert len(errors) == 4
    assert errors == sorted(errors)


def test_verify_finds_a_whole_store_whole(store: str) -> None:
    done = run("verify", store)
    assert (done.returncode, done.stdout) == (0, "3 sets, 0 problems\n")


def test_verify_finds_a_damaged_array(store: str, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    shard = max((copy / "arrays").rglob("*"), key=lambda path: path.is_file() * path.stat().st_size)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(bytes(data))
    done = run("verify", copy)
    assert done.returncode == 1
    assert "3 sets, 1 problems" in done.stdout


def test_a_typo_in_where_lists_the_columns(store: str) -> None:
    line = mistake("query", store, "--where", "apdd > 0.02")
    assert "apdd" in line
    assert "apd" in line.replace("apdd", "")


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert "flawcast generate" in mistake("query", tmp_path / "none")


def test_an_empty_folder(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    line = mistake("generate", tmp_path / "clips", "--model", tiny_model, "--store", tmp_path / "s")
    assert "expected mp4" in line
    assert "found none" in line
    assert not (tmp_path / "s").exists()


def test_a_text_file_named_mp4_and_a_cut_gif(tiny_model: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.mp4").write_text("not a video")
    frames = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in range(0, 240, 20)]
    frames[0].save(clips / "b.gif", save_all=True, append_images=frames[1:])
    (clips / "b.gif").write_bytes((clips / "b.gif").read_bytes()[:-300])
    line = mistake("generate", clips, "--model", tiny_model, "--store", tmp_path / "s")
    assert "a.mp4: not a readable video" in line
    assert "b.gif: damaged" in line


def test_a_clip_shorter_than_past_and_future(tiny_model: Path, tmp_path: Path) -> None:
    write_line(tmp_path / "clips", draw_line(1, seed=1, frames=5, states=("normal",)))
    line = mistake("generate", tmp_path / "clips", "--model", tiny_model, "--store", tmp_path / "s")
    assert "too short: expected at least 8 frames, got 5" in line


def test_broken_clips_are_listed_at_the_end_and_the_run_goes_on(
    generated: tuple[subprocess.CompletedProcess[str], str],
) -> None:
    done, _ = generated
    assert done.returncode == 0, done.stderr
    assert "left out: broken.mp4: not a readable video" in done.stdout
    assert "3 sets written" in done.stdout


def test_keep_more_than_samples(line_folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    options = ("--model", tiny_model, "--store", tmp_path / "s", "--keep", "200")
    assert "at most samples = 100, got 200; lower keep" in mistake(
        "generate", line_folder, *options
    )


def test_a_model_of_another_keypoint_length(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from flawcast.generators.forecasters import KeypointPredictor

    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    (model / "forecaster.safetensors").unlink()
    KeypointPredictor("hold", 60).save(model)
    line = mistake("generate", line_folder, "--model", model, "--store", tmp_path / "s")
    assert "length D = 18, found one for 60" in line


def test_a_folder_that_is_no_model(line_folder: Path, tmp_path: Path) -> None:
    line = mistake("generate", line_folder, "--model", tmp_path, "--store", tmp_path / "s")
    assert "expected a folder written by flawcast train" in line


def test_a_model_folder_is_not_overwritten(line_folder: Path, tiny_model: Path) -> None:
    line = mistake("train", line_folder, "--preset", "tiny", "--out", tiny_model)
    assert "new or empty" in line


def test_an_unknown_preset_lists_those_that_exist(line_folder: Path, tmp_path: Path) -> None:
    line = mistake("train", line_folder, "--preset", "tinny", "--out", tmp_path / "m")
    assert "expected one of demo, fomm/bair-256, " in line


def test_a_wrong_value_in_a_preset_names_its_place(line_folder: Path, tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("motion: {learning_rte: 0.1}\n")
    line = mistake("train", line_folder, "--preset", preset, "--out", tmp_path / "m")
    assert "motion.learning_rte" in line


def test_verbose_shows_the_traceback_and_the_line(tmp_path: Path) -> None:
    done = run("--verbose", "query", tmp_path / "none")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("flawcast: store ")


def test_shells_can_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FLAWCAST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "flawcast doc")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = subprocess.run([FLAWCAST], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["doctor"]
