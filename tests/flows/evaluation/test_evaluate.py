"""Forecasters compared by what they render: the paper's tables on drawn clips."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.datasets import dataset_names, load_dataset
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.evaluation.by_rendering.pieces import TRUTH, UNFORECAST, movement
from flawcast.flows.evaluation.by_rendering.run import (
    RenderRequest,
    evaluate_rendering,
    plan_rendering,
)
from flawcast.flows.evaluation.by_rendering.scores import diverse_figures, single_figures
from flawcast.flows.evaluation.by_rendering.split import split_entries
from flawcast.flows.evaluation.horizon import horizons
from flawcast.flows.evaluation.tables import read_rows
from flawcast.flows.generate.sampled import observe, sample_futures
from flawcast.flows.train.run import fit
from flawcast.generators.backbones import load_backbone
from flawcast.generators.clips import ClipEntry
from flawcast.generators.forecasters.training import Recipe
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.selection.metrics import mae, standardised_ratio
from tests.configs.test_registry import install
from tests.flows.commands.running import mistake, run

QUICK = Recipe(epochs=1, epoch_windows=16)


BASELINES = ("hold", "dressed_hold", "dressed_ridge")


def asked(clips: Path, model: Path, out: Path, **changes: object) -> RenderRequest:
    values = {
        "clips": clips,
        "model": model,
        "out": out,
        "horizons": horizons("4-4"),
        "forecasters": "gru,vrnn,gru_nf",
        "samples": 6,
        "keep": 3,
        "recipe": QUICK,
        "workers": 1,
    }
    return RenderRequest.model_validate(values | changes)


@pytest.fixture(scope="module")
def out(line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished evaluation in both modes."""
    out = tmp_path_factory.mktemp("evaluation")
    evaluate_rendering(asked(line_folder, tiny_model, out))
    return out


def cells(out: Path) -> list[dict[str, object]]:
    return [row for path in sorted((out / "cells").iterdir()) for row in read_rows(path)]


def test_all_are_scored_beside_hold_and_the_motion_model_itself(out: Path) -> None:
    rows = read_rows(out / "single.parquet")
    for mode in ("reconstruction", "transfer"):
        ours = {row["forecaster"]: row for row in rows if row["mode"] == mode}
        assert list(ours) == [UNFORECAST, *BASELINES, "gru", "vrnn", "gru_nf"]
        assert {row["n"] for row in ours.values()} == {1}
    assert ours[UNFORECAST]["mae"] == 0  # transfer: it is the reference
    assert ours[UNFORECAST]["distance"] == pytest.approx(0, abs=1e-9)


def test_holding_is_rendering_the_last_observed_keypoints(
    out: Path, line_folder: Path, tiny_model: Path
) -> None:
    piece = plan_rendering(asked(line_folder, tiny_model, out)).windows[0]
    settings = GenerateSettings(past=4, future=4, samples=6, keep=3)
    seen = observe(piece.plan, load_backbone(tiny_model), settings, piece.clips)
    still = seen.scene.render(seen.keypoints[3:4])
    wanted = mae(np.repeat(still, 4, axis=0)[None], seen.truth)[0]
    (found,) = (
        row["mae"]
        for row in read_rows(piece.cell)
        if (row["forecaster"], row["kind"]) == ("hold", "single")
    )
    assert found == pytest.approx(wanted, abs=1e-3)


def test_kept_samples_are_the_closest_of_all(
    out: Path, line_folder: Path, tiny_model: Path
) -> None:
    piece = plan_rendering(asked(line_folder, tiny_model, out)).windows[1]
    seen = observe(piece.plan, load_backbone(tiny_model), piece.settings, piece.clips)
    (one,) = (one for one in piece.fitted if one.candidate.label == "vrnn")
    futures = sample_futures(piece.plan, one.predictor(), seen.keypoints[:4], piece.settings)
    reference = seen.scene.render(seen.keypoints[4:])  # the second piece is a transfer
    errors = np.sort(mae(seen.scene.render_all(futures), reference))
    (found,) = (
        row
        for row in read_rows(piece.cell)
        if (row["forecaster"], row["kind"]) == ("vrnn", "diverse")
    )
    assert (found["best"], found["mode"]) == (pytest.approx(errors[0], abs=1e-3), "transfer")
    assert found["mae"] == pytest.approx(errors[:3].mean(), abs=1e-3)


def test_the_report_names_the_features_and_counts_videos(out: Path) -> None:
    text = (out / "report.md").read_text()
    assert "this is no JEDi" in text
    assert "### JEDi" not in text
    assert "### MMD on fixed random filters (frames and changes), transfer" in text
    names = " | ".join([*BASELINES, "gru", "vrnn", "gru_nf"])
    assert f"| horizon | n | no forecasting | {names} |" in text
    assert "reconstruction, 4-4, vrnn" in text
    assert "trained on" in text


def test_pictures_are_drawn(out: Path) -> None:
    shown = [line for line in (out / "report.md").read_text().splitlines() if "](" in line]
    assert len(shown) == 3  # the ratios, a strip of each mode
    for line in shown:
        picture = out / line.split("](")[1].rstrip(")")
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_is_finished_is_not_done_again(out: Path, line_folder: Path, tiny_model: Path) -> None:
    def stamps() -> dict[str, int]:
        parts = ("keypoints", "fits", "cells", "strips")
        files = (path for part in parts for path in (out / part).rglob("*"))
        return {str(path): path.stat().st_mtime_ns for path in files}

    before, report = stamps(), (out / "report.md").read_text()
    told: list[object] = []
    evaluate_rendering(asked(line_folder, tiny_model, out), lambda *parts: told.append(parts))
    assert stamps() == before
    assert told == []
    assert (out / "report.md").read_text() == report


def test_a_lost_window_is_scored_as_before(out: Path, line_folder: Path, tiny_model: Path) -> None:
    cell = sorted((out / "cells").iterdir())[0]
    rows = read_rows(cell)
    cell.unlink()
    told: list[object] = []
    evaluate_rendering(asked(line_folder, tiny_model, out), lambda *parts: told.append(parts))
    assert told[-2:] == [("test windows", 0, 1), ("test windows", 1, 1)]
    assert read_rows(cell) == rows


@pytest.mark.slow
def test_workers_give_what_one_process_gives(
    out: Path, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    evaluate_rendering(asked(line_folder, tiny_model, tmp_path / "out", workers=2))
    assert cells(tmp_path / "out") == cells(out)


def row(name: str, kind: str = "diverse", **values: object) -> dict[str, object]:
    about = {"mode": "transfer", "horizon": "4-4", "forecaster": name, "kind": kind, "start": 0}
    scores = {"best": 0.1, "ssim": 0.5, "coherence": None, "features": None}
    return about | scores | values


def test_ratios_are_standardised_over_all_forecasters() -> None:
    rows = [
        row("vrnn", clip="a", apd=0.0, mae=0.1),
        row("vrnn", clip="b", apd=0.2, mae=0.3),
        row("gru_nf", clip="a", apd=0.4, mae=0.5),
        row("gru_nf", clip="b", apd=0.1, mae=0.2),
    ]
    summary, videos = diverse_figures(rows)
    whole = standardised_ratio([0.0, 0.2, 0.4, 0.1], [0.1, 0.3, 0.5, 0.2])
    assert [video["ratio"] for video in videos] == pytest.approx(list(whole.ratios))
    assert [one["left_out"] for one in summary] == [1, 0]
    assert summary[1]["ratio_median"] == pytest.approx(np.median(whole.ratios[2:]))


def test_where_the_truth_stands_still_movement_has_no_ratio(rng: np.random.Generator) -> None:
    videos = rng.integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    assert movement(videos, videos[0]) is not None
    assert movement(videos, np.repeat(videos[0, :1], 3, axis=0)) is None


def test_the_distance_is_called_jedi_on_its_own_features_only() -> None:
    rows = [
        row(name, "single", clip=str(clip), apd=None, mae=0.1, features=[float(clip), 1.0])
        for name in (TRUTH, "hold")
        for clip in range(3)
    ]
    (other,) = single_figures(rows, "frame means")
    (jedi,) = single_figures(rows, "v-jepa vit-h/16, attentive probe")
    assert (other["distance_name"], jedi["distance_name"]) == ("MMD on frame means", "JEDi")
    assert (jedi["n"], jedi["distance"]) == (3, 0)


def entries(*names: str) -> list[ClipEntry]:
    return [ClipEntry(name, Path(name)) for name in names]


def test_what_clips_say_of_their_split_goes_before_chance() -> None:
    clips = entries("a.mp4", "b.mp4", "c.mp4")
    said = [replace(clips[0], split="test"), replace(clips[1], split="train"), clips[2]]
    split = split_entries(said, 0.5, "x", 0)
    assert [entry.name for entry in split.test] == ["a.mp4"]
    assert [entry.name for entry in split.train] == ["b.mp4"]
    assert split.how == "labels.csv or the folders train and test"


def test_chance_leaves_no_group_on_both_sides() -> None:
    clips = entries(*(f"id1000{n}#{take}.mp4" for n in range(6) for take in range(3)))
    for seed in range(5):
        split = split_entries(clips, 0.3, r"(id\d{5})", seed)
        speakers = [{entry.name[:7] for entry in side} for side in (split.train, split.test)]
        assert not speakers[0] & speakers[1]
        assert len(speakers[1]) == 2


def test_one_clip_cannot_be_split() -> None:
    with pytest.raises(ClipError, match="some to train and some to test on"):
        split_entries(entries("a.mp4"), 0.3, "x", 0)


def test_the_papers_data_sets_bring_its_horizons() -> None:
    assert dataset_names() == ["bair", "mgif", "vox"]
    found = {name: load_dataset(name).horizons for name in dataset_names()}
    assert found["bair"] == "5-5,5-20,15-15"
    assert found["mgif"] == found["vox"] == "6-6,6-24,12-12"
    with pytest.raises(SettingsError, match="expected one of bair, mgif, vox"):
        load_dataset("ucf")


def test_published_figures_are_marked(
    out: Path, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "line.yaml"
    dataset.write_text(
        "title: The line\nlayout: any\nhorizons: 4-4\npublished:\n"
        "- {mode: transfer, horizon: 4-4, forecaster: vrnn, score: mae, value: 0.125, source: x}\n"
        "- {mode: transfer, horizon: 4-4, forecaster: vrnn, score: apd, value: 0.25, source: x}\n"
    )
    copy = shutil.copytree(out, tmp_path / "out")
    evaluate_rendering(asked(line_folder, tiny_model, copy, dataset=str(dataset), horizons=None))
    text = (copy / "report.md").read_text()
    assert "| 4-4, published, not ours |  |  |  |  |  |  | 0.125 |  |" in text
    assert "| transfer, 4-4, vrnn: published, not ours | 0.25 |" in text


def test_the_command_prints_the_report(
    out: Path, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(out, tmp_path / "out")
    done = run(
        *("evaluate", line_folder, "--model", tiny_model, "--out", copy, "--horizons", "4-4"),
        *("--forecasters", "gru", "--samples", 6, "--keep", 3, "--epochs", 1),
        *("--windows", 1, "--workers", 1, "--quiet", "--diverse", "", "--modes", "transfer"),
    )
    assert done.returncode == 0, done.stderr
    assert "## One future" in done.stdout
    assert "## Many futures" not in done.stdout


PLUGIN = """
import numpy as np
from flawcast.selection.metrics.base import METRICS

@METRICS.register("halves")
def halves(videos, reference):
    return np.full(len(videos), 0.5)

@METRICS.register("nothing")
def nothing(videos, reference):
    return np.full(len(videos), np.nan)
"""


def test_a_metric_of_a_plugin_is_a_column(
    out: Path, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(out, tmp_path / "out")
    arguments = (
        *("evaluate", line_folder, "--model", tiny_model, "--out", copy, "--horizons", "4-4"),
        *("--forecasters", "gru,vrnn,gru_nf", "--samples", 6, "--keep", 3, "--epochs", 1),
        *("--windows", 1, "--workers", 0, "--quiet", "--modes", "transfer"),
        *("--metric", "halves", "--metric", "nothing"),
    )
    found = install(tmp_path, "factory_metrics", PLUGIN)
    code = "from flawcast.flows.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=found,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| movement | halves | nothing | n |" in done.stdout
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("| transfer, 4-4, vrnn |"))
    assert "| 0.5 |  | 1 (" in line


def test_a_clip_under_two_names_is_not_tested_on(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    clips = Path(shutil.copytree(line_folder, tmp_path / "clips"))
    (clips / "labels.csv").write_text("file,split\ncopy {0} [x].mkv,test\n")
    clip = next(clips.glob("*.mkv"))
    shutil.copy(clip, clips / "copy {0} [x].mkv")
    request = asked(clips, tiny_model, tmp_path / "out")
    with pytest.raises(ClipError, match="hold the same bytes"):
        plan_rendering(request)
    clip.unlink()
    assert plan_rendering(request).about.test == 1


def test_a_model_says_which_clips_its_motion_was_learnt_from(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Also where frames have another size, and after its forecaster was fitted to other clips."""
    known = plan_rendering(asked(line_folder, tiny_model, tmp_path / "a")).about.known
    larger = asked(line_folder, tiny_model, tmp_path / "b", size=96)
    assert plan_rendering(larger).about.known == known
    other = write_line(tmp_path / "line", draw_line(1, 99, 12, 64, ("jam", "slip")))
    fit(other, tiny_model, {"forecast.epochs": 1}, tmp_path / "fitted")
    again = asked(line_folder, tmp_path / "fitted", tmp_path / "c")
    assert plan_rendering(again).about.known == known


def test_mistakes_are_one_line(line_folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    start = ("evaluate", line_folder, "--out", tmp_path / "out", "--workers", 1)
    assert "goes with --model" in mistake(*start, "--dataset", "vox")
    assert "metric: goes with --model" in mistake(*start, "--metric", "mae")
    start = (*start, "--model", tiny_model, "--quiet")
    assert "expected one of coherence, mae, ssim" in mistake(*start, "--metric", "fvd")
    assert "modes" in mistake(*start, "--modes", "sideways")
    assert "probe" in mistake(*start, "--encoder", tmp_path / "vit.pth")
    assert "expected one of bair" in mistake(*start, "--dataset", "ucf")
    assert "at least 40 frames" in mistake(*start, "--horizons", "20-20")
    assert "got 'gru-nf'; mend it" in mistake(*start, "--diverse", "gru-nf")
    assert not (tmp_path / "out").exists()
