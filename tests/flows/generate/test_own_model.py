"""`generate` without a model: parts of the clips themselves, and a forecaster of their tracks."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError, FlawcastError, ModelError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.own_model import model_beside
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.sampled import observe
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.running.display import Display
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.model import load_model
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run
from tests.generators.backbones.layers.drawn_clips import Image, draw_clip


def write_clips(folder: Path, *clips: Image) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frames in enumerate(clips):
        write_ffv1(folder / f"{number}.mkv", frames, 25.0)
    return folder


def moving(start: int, count: int = 14) -> Image:
    return draw_clip(count, start)[0]


def standing(count: int = 14) -> Image:
    return np.repeat(moving(30)[:1], count, 0)


def request(clips: Path, store: Path, **values: object) -> GenerateRequest:
    settings = values.pop("settings", {})
    return GenerateRequest.model_validate(
        {
            "clips": clips,
            "store": str(store),
            "workers": 0,
            "settings": {"samples": 12, "keep": 3, **settings},  # type: ignore[dict-item]
            **values,
        }
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of one line, 96x64."""
    return write_clips(tmp_path_factory.mktemp("line") / "clips", *map(moving, (2, 6, 10)))


@pytest.fixture(scope="module")
def first_night(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    """A store of those clips, and what its first run said."""
    store = tmp_path_factory.mktemp("night") / "s"
    return store, generate(request(clips, store))


def test_a_folder_of_clips_becomes_a_store_of_her_parts(
    first_night: tuple[Path, RunSummary],
) -> None:
    folder, summary = first_night
    store = SampleStore.open(folder)
    assert summary.written == 3
    for row in store.query().to_pylist():
        made = store.load(row["set_id"])
        assert row["backbone"] == "layers"
        assert made.videos.shape == (3, 6, 64, 96, 3)  # 14 frames allow 6 and 6
        assert row["mae"] < 0.5 * row["hold_mae"]
    assert summary.sheet is not None
    assert summary.sheet.is_file()


def test_the_next_night_uses_the_same_model(
    first_night: tuple[Path, RunSummary], tmp_path: Path
) -> None:
    for name in ("s", "s.model"):
        shutil.copytree(first_night[0].with_name(name), tmp_path / name)
    more = write_clips(tmp_path / "more", *map(moving, (2, 6, 10, 14)))
    before = load_model(tmp_path / "s.model").weights_id
    second = generate(request(more, tmp_path / "s"))
    assert (second.written, second.present) == (1, 3)
    assert load_model(tmp_path / "s.model").weights_id == before


def test_no_clip_has_taught_the_forecaster_of_its_own_futures(
    first_night: tuple[Path, RunSummary],
) -> None:
    model = load_model(model_beside(str(first_night[0])))
    assert model.card.left_out is not None
    assert sorted(model.folds) == sorted(model.card.clips.values())
    for left_out in model.card.left_out.values():
        assert len(left_out) == 1


def test_a_forecast_knows_nothing_after_its_past(
    clips: Path, first_night: tuple[Path, RunSummary], tmp_path: Path
) -> None:
    """Noise in place of every later frame changes no keypoint of the past, no plate, no part."""
    model = load_model(model_beside(str(first_night[0])))
    noisy = moving(2)
    noisy[6:] = np.random.default_rng(0).integers(0, 256, noisy[6:].shape, np.uint8)
    blinded = write_clips(tmp_path / "blinded", noisy)
    settings, read = GenerateSettings(past=6, future=6), model.clip_settings()
    pasts, futures, drawn = [], [], []
    for folder in (clips, blinded):
        plan = plan_sets(folder, None, ["reconstruction"], settings, read, model.weights_id)
        seen = observe(plan.sets[0], model.backbone, settings, read)
        pasts.append(seen.keypoints[:6])
        seed = torch.Generator().manual_seed(0)
        futures.append(model.predictor.sample(pasts[-1], 6, 8, seed))
        drawn.append(seen.scene.render_all(futures[-1]))
    assert torch.equal(*pasts)
    assert torch.equal(*futures)
    assert np.array_equal(*drawn)


def test_windows_that_show_no_motion_are_left_out_with_the_reason(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", moving(2), moving(6), standing())
    summary = generate(request(clips, tmp_path / "s"))
    assert summary.written == 2
    (reject,) = summary.rejects
    assert reject.name == "2.mkv @ 0"
    assert "nothing moves" in reject.reason
    rows = SampleStore.open(tmp_path / "s").query(rows="rejects").to_pylist()
    assert [row["clip"] for row in rows] == ["2.mkv @ 0"]


def test_clips_that_never_move_are_refused(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", standing(), standing(20))
    with pytest.raises(ClipError, match=r"found none in 2 clips, for instance 0\.mkv: nothing mov"):
        generate(request(clips, tmp_path / "s"))
    assert not model_beside(str(tmp_path / "s")).exists()


def test_test_clips_teach_nothing(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips" / "train", moving(2), moving(6))
    write_clips(tmp_path / "clips" / "test", moving(10), moving(14))
    generate(request(tmp_path / "clips", tmp_path / "s"))
    model = load_model(tmp_path / "s.model")
    assert set(model.card.clips) == {"train/0.mkv", "train/1.mkv"}
    with pytest.raises(ClipError, match=r"all of .* are of the split test"):
        generate(request(write_clips(tmp_path / "t" / "test", moving(2)).parent, tmp_path / "t.s"))


def test_a_single_clip_is_said_to_be_no_test(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", moving(2))
    few = ("--samples", 8, "--keep", 2, "--workers", 0)
    done = run("generate", clips, "--store", tmp_path / "s", *few)
    assert done.returncode == 0, done.stderr
    assert "windows are no test" in done.stderr


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 48}, "size: .* was fitted with 512, got 48; leave out --size"),
        ({"settings": {"past": 4, "future": 4}}, "past: .* was fitted with 6, got 4"),
    ],
)
def test_other_options_than_the_fitted_ones_are_refused(
    values: dict[str, object],
    message: str,
    clips: Path,
    first_night: tuple[Path, RunSummary],
) -> None:
    with pytest.raises(ModelError, match=message):
        generate(request(clips, first_night[0], **values))


def test_size_and_horizon_are_as_asked(clips: Path, tmp_path: Path) -> None:
    asked = {"past": 4, "future": 5}
    generate(request(clips, tmp_path / "s", size=40, settings=asked))
    store = SampleStore.open(tmp_path / "s")
    made = store.load(store.query().to_pylist()[0]["set_id"])
    assert made.videos.shape == (3, 5, 40, 60, 3)
    with pytest.raises(FlawcastError, match="give both --past and --future, or neither"):
        generate(request(clips, tmp_path / "other", settings={"past": 4}))


def test_transfer_moves_a_part_as_another_one_moves(clips: Path, tmp_path: Path) -> None:
    summary = generate(request(clips, tmp_path / "s", modes=("transfer",)))
    assert summary.written == 3
    assert all(group.mae < group.hold_mae for group in summary.groups)


def test_a_model_of_a_bucket_is_kept_in_this_folder() -> None:
    assert model_beside("s3://bucket/nightly/") == Path.cwd() / "nightly.model"
    assert model_beside("store/") == Path.cwd() / "store.model"


def test_size_is_pixels_or_native(tmp_path: Path) -> None:
    said = mistake("generate", tmp_path, "--store", tmp_path / "s", "--size", "big")
    assert "size: expected a number of pixels or native, got 'big'" in said


def test_a_forecaster_is_of_a_model(clips: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    said = mistake("generate", clips, "--store", store, "--forecaster", "gru_nf")
    assert "forecaster: without --model it is fitted to the clips, got gru_nf; leave it" in said
    assert not store.exists()


def test_a_display_is_told_what_was_fitted(clips: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    display = Display.silent()
    display.say = lines.append  # type: ignore[method-assign]
    generate(request(clips, tmp_path / "s"), display)
    assert "following the parts of 3 clips" in lines[0]
    assert "fitted to 3 of 3 clips" in lines[-1]
