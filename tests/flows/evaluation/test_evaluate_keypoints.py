"""Forecasters compared on keypoint files: every window once, nothing twice, `hold` beside all."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import SettingsError
from flawcast.flows.evaluation.by_rendering.split import group_of
from flawcast.flows.evaluation.candidates import candidates
from flawcast.flows.evaluation.horizon import horizons
from flawcast.flows.evaluation.on_keypoints.run import KeypointRequest, evaluate_keypoints
from flawcast.flows.evaluation.tables import read_rows
from flawcast.generators.clips.keypoint_files import read_keypoint_folder
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.forecasters.cross_validation import Track
from flawcast.generators.forecasters.training import Recipe
from flawcast.selection.forecast_scores import forecast_scores
from tests.flows.commands.running import mistake, run
from tests.flows.generate.test_own_model import moving, write_clips
from tests.generators.forecasters.cross_validation import cross_validate

QUICK = Recipe(epochs=1, epoch_windows=32)
LENGTHS = {"a_1": 26, "a_2": 18, "b_1": 33}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of two groups: two keypoints that wander."""
    folder = tmp_path_factory.mktemp("keypoints")
    rng = np.random.default_rng(0)
    for name, length in LENGTHS.items():
        steps = rng.normal(size=(length, 2, 6)).cumsum(axis=0).astype(np.float32)
        np.savez(
            folder / f"{name}.npz",
            value=steps[..., :2],
            jacobian=steps[..., 2:].reshape(length, 2, 2, 2),
        )
    return folder


BASELINES = ("hold", "dressed_hold", "dressed_ridge")


def asked(folder: Path, out: Path, **changes: object) -> KeypointRequest:
    values = {
        "keypoints": folder,
        "out": out,
        "horizons": horizons("5-4"),
        "forecasters": "linear,gru_nf,gru",
        "seeds": 2,
        "samples": 6,
        "keep": 3,
        "recipe": QUICK,
        "group": r"^(\w)_",
        "workers": 1,
    }
    return KeypointRequest.model_validate(values | changes)


@pytest.fixture(scope="module")
def compared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison."""
    out = tmp_path_factory.mktemp("compared")
    evaluate_keypoints(asked(folder, out))
    return out


def test_every_window_is_scored_as_cross_validation_says(compared: Path, folder: Path) -> None:
    clips = read_keypoint_folder(folder)
    tracks = [Track(clip.name, clip.name[0], clip.series) for clip in clips]
    wanted = {}
    for one in cross_validate(
        tracks,
        candidates("gru_nf,gru"),
        5,
        4,
        seeds=(1,),
        samples=6,
        recipe=QUICK,
    ):
        chosen = clips[0].positions
        scores = forecast_scores(
            one.samples[..., chosen],
            one.truth[..., chosen],
            one.single[..., chosen],
            min(3, len(one.samples)),
        )
        wanted[one.label, one.seed, one.clip_id, one.start] = (scores.energy, scores.kept)
    found = {
        (row["forecaster"], row["seed"], row["clip"], row["start"]): (row["energy"], row["kept"])
        for row in read_rows(compared / "windows.parquet")
        if row["part"] == "positions"
    }
    for (label, seed, clip, start), scores in wanted.items():
        key = (label, 0 if label == "hold" else seed, clip, start)  # it neither trains nor draws
        assert found[key] == pytest.approx(scores, rel=1e-5)


def test_hold_is_the_measure_of_all_errors(compared: Path) -> None:
    rows = read_rows(compared / "summary.parquet")
    names = {row["forecaster"] for row in rows}
    assert names == set(BASELINES) | {"linear", "gru_nf", "gru_nf, mean feedback", "gru"}
    base = next(
        row
        for row in rows
        if (row["forecaster"], row["part"], row["fold"]) == ("hold", "positions", "all")
    )
    assert (base["one_to_hold"], base["apd"], base["moved"]) == (1, 0, 0)
    for row in rows:
        if (row["part"], row["fold"]) == ("positions", "all"):
            assert row["kept_to_hold"] == pytest.approx(row["kept"] / base["kept"])
            assert row["windows"] == sum(length // 9 for length in LENGTHS.values())
            assert row["seeds"] == (1 if row["forecaster"] in ("hold", "linear") else 2)


def test_the_report_shows_shares_units_folds_and_a_picture(compared: Path) -> None:
    text = (compared / "report.md").read_text()
    assert "## 5-4 (7 windows)" in text
    assert "| hold | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in text
    assert "N = 6 futures" in text
    assert "a is 57% of all figures" in text
    assert "b (3): one" in text
    assert (compared / "keypoints-5-4.png").stat().st_size > 10_000


def test_what_is_finished_is_not_done_again(compared: Path, folder: Path) -> None:
    def stamps() -> dict[str, int]:
        kept = (path for part in ("cells", "fits") for path in (compared / part).rglob("*"))
        return {str(path): path.stat().st_mtime_ns for path in kept}

    before = stamps()
    report = (compared / "report.md").read_text()
    told: list[tuple[str, int, int]] = []
    evaluate_keypoints(asked(folder, compared), lambda *parts: told.append(parts))
    assert stamps() == before
    assert told[-1] == ("trainings", 20, 20)
    assert (compared / "report.md").read_text() == report


def test_the_dressed_ridge_is_what_others_are_compared_with(compared: Path) -> None:
    report = json.loads((compared / "report.json").read_text())
    (ours,) = (
        row
        for row in report["against"]
        if (row["forecaster"], row["part"]) == ("gru_nf", "positions")
    )
    figures = {
        row["forecaster"]: row
        for row in report["rows"]
        if (row["part"], row["fold"]) == ("positions", "all")
    }
    apart = figures["gru_nf"]["energy_to_hold"] - figures["dressed_ridge"]["energy_to_hold"]
    assert ours["energy"] == pytest.approx(apart, abs=1e-6)
    assert ours["energy_low"] <= ours["energy"] <= ours["energy_high"]
    assert (
        "### Positions, against the dressed ridge regression"
        in (compared / "report.md").read_text()
    )


def test_a_mixture_takes_the_weights_of_its_parts(
    compared: Path, folder: Path, tmp_path: Path
) -> None:
    """Parts that were fitted alike are not trained again, and nothing is different."""
    fitted: dict[bool, list[float]] = {}
    for reused in (True, False):
        out = tmp_path / str(reused)
        if reused:
            shutil.copytree(compared, out)
        evaluate_keypoints(asked(folder, out, forecasters="mixture", seeds=1))
        rows = list(read_rows(out / "windows.parquet"))
        fitted[reused] = [row["energy"] for row in rows if row["forecaster"] == "mixture"]
    assert len(fitted[True]) == 14
    assert fitted[True] == fitted[False]


def test_a_lost_cell_is_made_again_from_the_weights(
    compared: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = sorted((compared / "cells").iterdir())[0]
    rows = read_rows(cell)
    cell.unlink()
    monkeypatch.setattr(
        "flawcast.flows.evaluation.fitting.fit_candidate", None
    )  # would be called to train
    evaluate_keypoints(asked(folder, compared))
    assert read_rows(cell) == rows


@pytest.mark.slow
def test_workers_give_what_one_process_gives(compared: Path, folder: Path, tmp_path: Path) -> None:
    evaluate_keypoints(asked(folder, tmp_path / "out", workers=2))
    assert torch.tensor(
        [row["energy"] for row in read_rows(tmp_path / "out" / "windows.parquet")]
    ).allclose(torch.tensor([row["energy"] for row in read_rows(compared / "windows.parquet")]))


def test_the_command_prints_the_report(compared: Path, folder: Path, tmp_path: Path) -> None:
    out = shutil.copytree(compared, tmp_path / "out")
    done = run(
        *("evaluate", folder, "--out", out, "--horizons", "5-4", "--forecasters", "linear"),
        *("--seeds", 1, "--group", r"^(\w)_", "--workers", 1, "--quiet", "--fold", "b"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Forecasters on keypoints")
    assert "| linear |" in done.stdout
    assert "## 5-4 (3 windows)" in done.stdout


def test_the_authors_weights_run_free_from_the_command_line(shared: Path, tmp_path: Path) -> None:
    """A clip of each of two speakers; without the truth they are worse than `hold`."""
    folder = tmp_path / "kp"
    folder.mkdir()
    for name in ("vox_id10284_Rzpm9hlXV6I_008487_008631", "vox_id10287_RfDogGJ-UnM_000900_000988"):
        (folder / f"{name}.npz").symlink_to((shared / "clips/kp" / f"{name}.npz").resolve())
    weights = shared / "forecast/authors"
    done = run(
        *("evaluate", folder, "--out", tmp_path / "out", "--workers", 1, "--quiet", "--json"),
        *("--horizons", "12-12", "--forecasters", "hold", "--samples", 10, "--keep", 2),
        *("--published", f"vrnn={weights / 'VRNN_3883videos_vox_12-12_pytorch_T3.pth'}"),
        *("--published", f"vae={weights / 'VAE_3883videos_vox_12-12.pth'}"),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    errors = {
        row["forecaster"]: row["one_to_hold"]
        for row in rows
        if (row["part"], row["fold"]) == ("positions", "all")
    }
    assert list(errors) == [*BASELINES, "vrnn (authors' weights)", "vae (authors' weights)"]
    assert errors["vrnn (authors' weights)"] > 1


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--quiet", "--workers", 1)
    assert "expected PAST-FUTURE" in mistake("evaluate", folder, *out, "--horizons", "12")
    assert "expected one of analog, dressed_hold" in mistake(
        "evaluate", folder, *out, "--forecasters", "oracle"
    )
    assert "expected at most samples = 5" in mistake(
        "evaluate", folder, *out, "--samples", 5, "--keep", 6
    )
    assert "vrnn=FILE" in mistake("evaluate", folder, *out, "--published", "gru=x")
    assert "expected one of a, b" in mistake(
        "evaluate", folder, *out, "--group", r"^(\w)_", "--fold", "c"
    )
    assert "found none at" in mistake("evaluate", folder, *out, "--published", "vae=x")
    assert "regular expression" in mistake("evaluate", folder, *out, "--group", "(")
    assert "at least two groups" in mistake("evaluate", folder, *out, "--group", "_")
    assert "for 20-20" in mistake("evaluate", folder, *out, "--horizons", "20-20")
    assert not (tmp_path / "out").exists()


def test_a_name_without_the_pattern_is_its_own_group() -> None:
    assert group_of("id10286_x", r"id\d+") == "id10286"
    assert group_of("other", r"id\d+") == "other"


def test_presets_and_means_are_candidates() -> None:
    found = candidates("vrnn:authors,gru")
    assert [one.label for one in found] == [
        *BASELINES,
        "vrnn (authors)",
        "vrnn (authors), mean feedback",
        "gru",
    ]
    with pytest.raises(SettingsError, match="preset: expected one of authors, paper"):
        candidates("vrnn:huge")


def test_horizons_are_read_once_each() -> None:
    assert [str(one) for one in horizons("12-12,6-24,12-12")] == ["12-12", "6-24"]


def test_keypoints_that_stand_still_leave_a_report(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        shutil.copy(path, tmp_path / path.name)
    still = read_keypoint_folder(folder)[0].name
    arrays = dict(np.load(tmp_path / f"{still}.npz"))
    frozen = {name: np.repeat(value[:1], len(value), axis=0) for name, value in arrays.items()}
    for path in tmp_path.glob(f"{still[0]}*.npz"):  # all of its group
        np.savez(path, **frozen)
    request = asked(tmp_path, tmp_path / "out", forecasters="linear,gru", seeds=1)
    report = evaluate_keypoints(request)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_clips_are_compared_by_the_parts_that_they_show(tmp_path: Path) -> None:
    """Clips of a part that goes on at one speed: the rigid ridge knows where, `hold` does not."""
    clips = write_clips(tmp_path / "clips", *(moving(start, 15) for start in (2, 6, 10, 14)))
    still = np.repeat(moving(30)[:1], 15, 0)
    write_ffv1(clips / "still.mkv", still, 25.0)
    options = ("--forecasters", "rigid_ridge", "--horizons", "4-4", "--seeds", "1", "--json")
    command = ("evaluate", clips, "--out", tmp_path / "out", "--workers", "0", *options)
    answer = json.loads(run(*command).stdout)
    assert len(list((tmp_path / "out/keypoints").glob("*.npz"))) == 4  # nothing moves in the fifth
    rows = {
        row["forecaster"]: row
        for row in answer["rows"]
        if row["fold"] == "all" and row["part"] == "positions"
    }
    assert rows["rigid_ridge"]["kept_to_hold"] < 0.3
    files = mistake("evaluate", tmp_path / "out/keypoints", "--size", 64, "--out", tmp_path / "b")
    assert files == "flawcast: size: goes with clips, found keypoint files; leave it out"
