"""What benchmarks compute and write; how long things take is asserted nowhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.flows.benchmarks import BENCHMARKS, BenchmarkRequest, Report, kept_layers
from flawcast.flows.benchmarks.base import subjects_of_all
from flawcast.flows.benchmarks.containers import CONTAINERS
from flawcast.flows.benchmarks.realtime import PUBLISHED, kilobits, saving, tera_operations
from flawcast.flows.benchmarks.timing import Timing, alternately, compared
from flawcast.generators.line.clips import draw_line, write_line
from tests.flows.commands.running import mistake, run
from tests.flows.generate.test_own_model import write_clips
from tests.generators.backbones.layers.drawn_clips import draw_clip


def test_all_has_every_subject_that_is_not_marked() -> None:
    found = set(subjects_of_all())
    assert {"render", "sample", "metrics", "store", "loader", "pipeline", "bucket"} <= found
    assert set(BENCHMARKS.names()) - found == {
        *("budget", "masks", "kept-masks", "kept-layers"),
        *("detail", "defects", "defect-cost", "paste-edges", "adapt", "watch"),
    }


@pytest.mark.parametrize(
    ("length", "sent", "saved"), [(60, 28.8, 17.36), (100, 48.0, 10.42), (51, 24.48, 20.42)]
)
def test_bandwidth_is_that_of_the_published_table(length: int, sent: float, saved: float) -> None:
    assert kilobits(length, forecasting=True) == pytest.approx(sent)
    assert kilobits(length, forecasting=False) == pytest.approx(2 * sent)
    assert round(saving(length), 2) == saved


def test_compute_of_fomm_is_that_of_the_published_table() -> None:
    assert f"{tera_operations(PUBLISHED['fomm']):.4f}" == "2.6883"


def test_ways_are_timed_alternately_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    rounds: list[tuple[int, int]] = []
    ways = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = alternately(ways, 3, lambda *done: rounds.append(done))
    assert order == ["a", "b"] * 4
    assert rounds[-1] == (4, 4)
    assert len(found["a"].clock) == len(found["a"].cpu) == 3


def test_costs_are_compared_per_piece_of_work() -> None:
    timings = {"slow": Timing((4.0,) * 3, (2.0,) * 3), "quick": Timing((1.0,) * 3, (1.0,) * 3)}
    slow, quick = compared(timings, "slow", {"slow": 1.0, "quick": 2.0}, "frame")
    assert slow["cost"] == slow["times as fast"] == 1
    assert (quick["cost"], quick["times as fast"]) == (0.25, 4)  # half the time, twice the frames
    assert quick["cost by the clock"] == 0.125
    assert quick["frames/s"] == 2


@pytest.mark.parametrize("name", CONTAINERS)
def test_compared_containers_lose_nothing(
    name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    videos = rng.integers(0, 256, (3, 4, 16, 16, 3), np.uint8)
    container = CONTAINERS[name](tmp_path / "videos")
    container.write(videos)
    for index in (2, 0, 1):
        assert np.array_equal(container.read(index), videos[index])
    assert container.size() > 0


def test_store_benchmark_writes_json_and_markdown(tmp_path: Path) -> None:
    options = ("--model", "demo", "--clips-per-state", "1", "--repeats", "1", "--json")
    answer = json.loads(run("benchmark", "loader", *options, "--out", tmp_path).stdout)
    assert json.loads((tmp_path / "loader.json").read_text()) == answer
    page = (tmp_path / "loader.md").read_text()
    assert all(str(row["way"]) in page for row in answer["rows"])
    assert {row["way"] for row in answer["rows"]} == set(CONTAINERS)


def test_a_plot_of_what_has_no_curves_costs_no_results(tmp_path: Path) -> None:
    clips = write_line(tmp_path / "clips", draw_line(1, seed=3, states=("normal", "jam")))
    options = ("--clips", clips, "--repeats", "1", "--out", tmp_path)
    assert "plot" in mistake("benchmark", "loader", *options, "--plot", tmp_path / "loader.svg")
    assert (tmp_path / "loader.json").is_file()


@pytest.mark.slow
def test_memory_is_bounded_by_the_kept_videos_and_a_batch() -> None:
    answer = json.loads(run("benchmark", "memory", "--samples", "21", "--json").stdout)
    by_stage = {row["up to"]: row["MiB"] for row in answer["rows"]}
    assert by_stage["all futures drawn, the closest kept"] < 2048


def test_one_subject_or_all_is_asked() -> None:
    assert "expected one subject or --all" in mistake("benchmark")
    assert "expected one of" in mistake("benchmark", "speed")


def test_a_table_is_written_for_documents() -> None:
    page = Report("title", ({"way": "ours", "ms": 1.23456, "frames/s": 5432.1},), "note").markdown()
    wanted = ["### title", "| way | ms | frames/s |", "| ours | 1.235 | 5432 |", "note"]
    assert [line for line in page.splitlines() if line and "---" not in line] == wanted


def test_kept_layers_benchmark_compares_layers_with_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_layers, "SIDES", (64, 128))
    clips = write_clips(tmp_path / "clips", draw_clip(24, 2)[0])
    report = BENCHMARKS["kept-layers"](BenchmarkRequest(clips=clips), lambda done, total: None)
    assert [row["size"] for row in report.rows] == ["96x64", "192x128"]
    for row in report.rows:
        assert float(row["video as layers, kB"]) < 0.5 * float(row["as pixels, kB"])
    empty = tmp_path / "still"
    write_clips(empty, np.repeat(draw_clip(1)[0], 24, 0))
    with pytest.raises(ClipError, match="a part that can be followed, found none"):
        BENCHMARKS["kept-layers"](BenchmarkRequest(clips=empty), lambda done, total: None)
