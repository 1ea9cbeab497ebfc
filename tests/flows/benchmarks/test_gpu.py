"""The script for machines with a GPU runs on a CPU, with tiny sizes."""

import json
from pathlib import Path

import pytest
import torch

from flawcast.flows.benchmarks import BenchmarkRequest, gpu, on_device
from flawcast.flows.benchmarks.layers import layers

SUBJECTS = ("equality", "render", "sample", "realtime", "pipeline", "layers")


def test_equality_and_sampling_are_measured_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu"
    assert gpu.main(["--device", "cpu", "--out", str(out), "--only", "equality", "sample"]) == 0
    rows = json.loads((out / "equality.json").read_text())["rows"]
    assert [row["precision"] for row in rows] == ["fp32", "bf16"]
    assert rows[0]["mean difference"] == 0
    assert rows[0]["kept alike"] == "4 of 4"
    assert all(row["within"] == "yes" for row in rows)
    assert "futures/s" in (out / "sample.md").read_text()
    assert "equality" in capsys.readouterr().out


def test_a_subject_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(on_device, "render", fails)
    out = tmp_path / "gpu"
    assert gpu.main(["--device", "cpu", "--out", str(out), "--only", "render", "sample"]) == 1
    assert "out of memory" in (out / "render.md").read_text()
    assert (out / "sample.md").is_file()
    assert "failed: render" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--out", str(tmp_path / "gpu")]) == 1
    assert capsys.readouterr().err.startswith("device: expected auto, cpu or a GPU")
    assert not (tmp_path / "gpu").exists()


@pytest.mark.slow
def test_every_subject_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu"
    assert gpu.main(["--device", "cpu", "--out", str(out), "--only", *SUBJECTS]) == 0
    assert {path.stem for path in out.glob("*.json")} == set(SUBJECTS)


@pytest.mark.slow
def test_training_stops_after_its_minutes_and_goes_on(tmp_path: Path) -> None:
    options = ["--device", "cpu", "--out", str(tmp_path), "--only", "train", "--preset", "tiny"]
    assert gpu.main([*options, "--train-minutes", "0.5"]) == 0
    assert "stopped after 0.5 minutes" in (tmp_path / "train.md").read_text()
    assert gpu.main([*options, "--train-minutes", "0.2"]) == 0


@pytest.mark.slow
def test_layers_are_measured() -> None:
    report = layers(BenchmarkRequest(samples=10, repeats=1), lambda done, total: None)
    assert [row["stage"] for row in report.rows][4] == "the set"
    assert all(row["s per set"] > 0 for row in report.rows)
