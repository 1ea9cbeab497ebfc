"""Early warning: good clips calibrate it, a part that leaves its futures raises an alarm."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, ModelError
from flawcast.flows.evaluation.watch.calibration import Calibration, WatchSettings, read_calibration
from flawcast.flows.evaluation.watch.events import Event
from flawcast.flows.evaluation.watch.fitting import calibrate_watch, fit_watch, load_watch
from flawcast.flows.evaluation.watch.good import good_clips, truth_of
from flawcast.flows.evaluation.watch.run import watch
from flawcast.flows.evaluation.watch.scoring import divided, fused, score_stream
from flawcast.flows.evaluation.watch.sights import LearnedSight, sight_of
from flawcast.flows.evaluation.watch.watcher import Moment, Watcher
from flawcast.generators.backbones import build_backbone
from flawcast.generators.clips import list_clips
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.forecasters import KeypointPredictor
from tests.flows.commands.running import mistake, run
from tests.flows.evaluation.moving_squares import FPS, moving_square, write_good
from tests.generators.backbones.tiny_backbones import TINY

JUMP = 28


def silent(line: str) -> None:
    del line


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_good(tmp_path_factory.mktemp("good"), 4)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose part jumps aside, and one that is good."""
    folder = tmp_path_factory.mktemp("bad")
    write_ffv1(folder / "jump.mkv", moving_square(20, JUMP), FPS)
    write_ffv1(folder / "calm.mkv", moving_square(21), FPS)
    rows = "file,label,onset\njump.mkv,jump,28\ncalm.mkv,normal,\n"
    (folder / "labels.csv").write_text(rows)
    return folder


@pytest.fixture(scope="module")
def model(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    entries = good_clips(good, silent)
    fitted = fit_watch(entries, folder, WatchSettings(past=8, future=6), True, 0, silent)
    assert len(fitted.scored) == 2
    assert {piece.name for piece in fitted.pieces} == {f"good_{n}.mkv" for n in (1, 3)}
    return folder


def moments_of(model: Path, frames: np.ndarray) -> list[Moment]:
    loaded, calibration = load_watch(model)
    sight = sight_of(loaded, calibration.settings)
    watcher = Watcher(sight, loaded.predictor, calibration.settings, calibration)
    return [
        moment
        for number, frame in enumerate(frames)
        for moment in watcher.see(number, sight.shape(frame))
    ]


def test_frames_after_t_change_no_score_up_to_t(model: Path) -> None:
    video = moving_square(7)
    changed = video.copy()
    changed[30:] = changed[30:, ::-1]
    before, after = moments_of(model, video[:40]), moments_of(model, changed[:40])
    for one, other in zip(before[:30], after[:30], strict=True):
        assert one.score == other.score
        assert one.kinds == pytest.approx(other.kinds, nan_ok=True, abs=0)
        assert one.coverage == pytest.approx(other.coverage, nan_ok=True, abs=0)
    assert before[39].score != after[39].score


def test_after_a_pause_of_a_camera_the_next_frame_is_watched_at_once(model: Path) -> None:
    loaded, calibration = load_watch(model)
    sight = sight_of(loaded, calibration.settings)
    watcher = Watcher(sight, loaded.predictor, calibration.settings, calibration)
    video = moving_square(8)
    for number in range(14):
        watcher.see(number, video[number])
    said = [watcher.see(number, video[number]) for number in range(26, 30)]
    assert [(len(one), one[0].followed, one[0].score) for one in said] == [(1, 1, 0.0)] * 4


def test_a_watch_gives_the_scores_that_were_calibrated(model: Path, good: Path) -> None:
    loaded, calibration = load_watch(model)
    video = moving_square(1)
    sight = sight_of(loaded, calibration.settings)
    watcher = Watcher(sight, loaded.predictor, calibration.settings, pace=calibration.pace)
    scored = score_stream(iter(enumerate(video)), FPS, "good_1.mkv", watcher)
    streamed = [moment.score for moment in moments_of(model, video)]
    assert streamed == pytest.approx(list(fused(scored.kinds, calibration)))
    assert calibration.hours == pytest.approx(2 * (len(video) - 8) / FPS / 3600)


def test_the_journey_of_a_jump(model: Path, bad: Path, tmp_path: Path) -> None:
    out = tmp_path / "watched"
    result = run(
        "watch", bad, "--model", model, "--out", out, "--false-alarms-per-hour", 60, "--json"
    )
    assert result.returncode == 0, result.stderr
    *events, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert summary["streams"] == 2
    assert summary["frames"] == 88
    assert summary["dropped"] == 0
    assert summary["followed"] > 70
    assert "extrapolated" in summary["threshold"]["words"]
    jumps = [event for event in events if event["stream"] == "jump.mkv"]
    assert jumps
    assert JUMP <= jumps[0]["start"] <= JUMP + 6
    assert jumps[0]["start_seconds"] == pytest.approx(jumps[0]["start"] / FPS, abs=1e-3)
    assert not [event for event in events if event["stream"] == "calm.mkv"]
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert lines == events == pq.read_table(out / "events.parquet").to_pylist()
    with np.load(out / jumps[0]["keypoints"]) as arrays:
        assert arrays["expected"].shape == (64, 6, 60)
        assert len(arrays["happened"]) == len(arrays["happened_frames"]) > 1
        assert int(arrays["expected_from"]) < jumps[0]["start"]
    page = (out / "index.html").read_text()
    assert "jump.mkv" in page
    assert page.count("data:image/png") == len(events)
    assert "http" not in page.split("</style>")[1]


def test_labelled_clips_give_auroc_delay_and_lead(model: Path, bad: Path) -> None:
    result = run("watch", "--score", bad, "--model", model, "--false-alarms-per-hour", 60, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    whole = report["rows"][0]
    assert whole["frame AUROC"] > 0.9
    assert whole["clip AUROC"] == 1.0
    assert whole["found"] == "1 of 1"
    assert float(whole["delay s"]) < 0.3
    assert report["rows"][1]["detector"].endswith("alone")


def test_a_model_is_calibrated_on_clips_that_it_has_not_seen(
    model: Path, good: Path, tmp_path: Path
) -> None:
    more = write_good(tmp_path / "more", 2, seed=30)
    entries = [*good_clips(good, silent), *good_clips(more, silent)]
    lines: list[str] = []
    before = read_calibration(model)
    try:
        fitted = calibrate_watch(entries, model, before.settings, 0, lines.append)
        assert any("2 clips are left out" in line for line in lines)
        learnt = {good / f"good_{n}.mkv" for n in (0, 2)}
        assert not {piece.entry.path for piece in fitted.pieces} & learnt
        with pytest.raises(ClipError, match="was not fitted to"):
            calibrate_watch(entries[:3:2], model, before.settings, 0, silent)
    finally:
        before.write(model)


def test_very_few_good_clips_are_halved(good: Path) -> None:
    first, second = divided(list_clips(good)[:1], silent)
    assert (first[0].first, first[0].last) == (0, 22)
    assert (second[0].first, second[0].last) == (22, None)


def test_keypoints_of_a_learned_model_are_one_part_that_is_always_there() -> None:
    sight = LearnedSight(build_backbone("fomm", TINY["fomm"]).eval(), ClipSettings(size=32))
    settings = WatchSettings(past=6, future=4, samples=8)
    length = sight.start(np.zeros((1, 32, 32, 3), np.uint8))[0][0].keypoints.size
    predictor = KeypointPredictor("rigid_ridge", length, {"horizon": 4})
    series = torch.randn(30, length, generator=torch.Generator().manual_seed(0)).cumsum(0)
    predictor.fit([0.01 * series], 6, 4)
    watcher = Watcher(sight, predictor, settings)
    scored = score_stream(iter(enumerate(moving_square(3, frames=20))), FPS, "clip", watcher)
    assert (scored.followed == 1).all()
    assert np.isfinite(scored.kinds["energy"][10:]).all()
    assert not np.isfinite(scored.kinds["picture"]).any()


def test_an_interruption_leaves_events_and_their_page(
    model: Path, bad: Path, tmp_path: Path
) -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(str(bad / "jump.mkv"), model, tmp_path / "out", 60, on_event=interrupt)
    assert len((tmp_path / "out" / "events.jsonl").read_text().splitlines()) == 1
    assert "jump.mkv" in (tmp_path / "out" / "index.html").read_text()


def test_truth_comes_from_onset_and_label(bad: Path) -> None:
    calm, jump = list_clips(bad)
    assert np.flatnonzero(truth_of(jump, 44).wrong)[0] == JUMP
    assert not truth_of(calm, 44).wrong.any()


def test_what_cannot_be_followed_says_so(model: Path, tmp_path: Path) -> None:
    still = np.repeat(moving_square(2)[:1], 30, axis=0)
    write_ffv1(tmp_path / "still.mkv", still, FPS)
    result = run("watch", tmp_path / "still.mkv", "--model", model, "--out", tmp_path / "out")
    assert result.returncode == 0
    assert "no part could be followed" in result.stdout
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 48, 3)).astype(np.uint8)
    write_ffv1(tmp_path / "noise.mkv", noise, FPS)
    said = mistake("watch", tmp_path / "noise.mkv", "--model", model, "--out", tmp_path / "out")
    assert "the whole picture changes" in said


def test_a_lost_camera_is_one_line_and_its_events_stay(
    model: Path, bad: Path, tmp_path: Path
) -> None:
    address = f"file://{bad / 'jump.mkv'}"
    said = mistake("watch", address, "--model", model, "--out", tmp_path / "out")
    assert "check its cable or network" in said
    assert (tmp_path / "out" / "index.html").is_file()


def test_mistakes_are_one_line(model: Path, good: Path, tmp_path: Path) -> None:
    assert "one of a source, --fit" in mistake("watch", "--model", model)
    assert "both or neither" in mistake("watch", "--fit", good, "--model", "m", "--past", 6)
    assert "one of a source" in mistake("watch", "x.mkv", "--score", good, "--model", model)
    gone = mistake("watch", "gone.mkv", "--model", model, "--out", tmp_path / "out")
    assert "gone.mkv" in gone
    assert not (tmp_path / "out").exists()
    assert "above 0" in mistake("watch", "x.mkv", "--model", model, "--false-alarms-per-hour", 0)
    assert "--calibrate GOOD_CLIPS" in mistake("watch", "x.mkv", "--model", "line-128")
    shipped = mistake("watch", "--calibrate", good, "--model", "line-128")
    assert "ships with flawcast" in shipped
    assert "new or empty" in mistake("watch", "--fit", good, "--model", model)


def test_a_damaged_calibration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "watch.json").write_text("{")
    with pytest.raises(ModelError, match="calibrate it again"):
        read_calibration(tmp_path)
    settings = WatchSettings()
    Calibration(settings=settings, pace=None, tails={}, level=0, peaks=(), hours=0).write(tmp_path)
    assert read_calibration(tmp_path).settings == settings
