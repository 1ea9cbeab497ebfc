"""Journeys through the whole job, in this process."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ClipError, ModelError, SettingsError, StoreError
from flawcast.configs.settings import GenerateSettings, validated
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.generators.clips import list_clips, read_entry
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import load_model
from flawcast.generators.rendering.scene import Scene
from flawcast.storage import SampleSet, SampleStore

MODES = ("reconstruction", "transfer")
SETTINGS = GenerateSettings(past=4, future=4, samples=12, keep=5)


def asked(clips: Path, model: Path, store: Path, **changes: object) -> GenerateRequest:
    values = {
        "clips": clips,
        "model": model,
        "store": str(store),
        "settings": SETTINGS,
        "workers": 0,
    }
    return GenerateRequest.model_validate(values | changes)


@pytest.fixture(scope="module")
def run(
    line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunSummary:
    """One run in both modes."""
    store = tmp_path_factory.mktemp("run") / "store"
    return generate(asked(line_folder, tiny_model, store, modes=MODES))


def sets(run: RunSummary) -> list[SampleSet]:
    store = SampleStore.open(run.store)
    return [store.load(set_id) for set_id in store.set_ids()]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """All files but the ledger's, where each run leaves a trace."""
    paths = (path for path in folder.rglob("*") if "ledger" not in path.parts)
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_every_clip_has_a_set_in_each_mode(run: RunSummary) -> None:
    found = {(item.provenance.clip_name, item.provenance.mode) for item in sets(run)}
    assert len(found) == 6
    assert run.written == 6
    assert run.kept == 30
    assert {group.label for group in run.groups} == {"normal", "jam", "slip"}


@pytest.mark.parametrize("mode", ["reconstruction", "transfer"])
def test_a_sample_is_made_again_from_its_row(run: RunSummary, mode: str, tmp_path: Path) -> None:
    rows = SampleStore.open(run.store).query(f"mode = '{mode}'", rows="samples").to_pylist()
    out = tmp_path / "again.mkv"
    again = regenerate(run.store, rows[-1]["sample_id"], out=out)
    assert again.equal
    assert again.largest == 0
    assert out.is_file()


def test_a_sample_is_made_again_of_its_own_clip_and_model_alone(
    run: RunSummary, tmp_path: Path
) -> None:
    (row, *_) = SampleStore.open(run.store).query(rows="samples").to_pylist()
    with pytest.raises(StoreError, match="has no 'set-0'; see `flawcast query --rows samples`"):
        regenerate(run.store, "set-0")
    with pytest.raises(ModelError, match="name the folder of that model with --model"):
        regenerate(run.store, row["sample_id"], model="demo")
    other = write_line(tmp_path / "other", draw_line(1, seed=6, frames=8, states=("normal",)))
    with pytest.raises(ClipError, match="has no clip of its bytes"):
        regenerate(run.store, row["sample_id"], clips=other)


def test_kept_videos_are_the_closest(run: RunSummary, line_folder: Path, tiny_model: Path) -> None:
    """Render all futures again and compare with a MAE written out here."""
    backbone = load_model(tiny_model).backbone
    for made in sets(run):
        if made.provenance.mode == "transfer":
            continue
        scene = Scene.encode(backbone, made.source, None)
        videos = [scene.render(future) for future in torch.from_numpy(made.keypoints)]
        errors = [np.abs(video - made.reference.astype(float)).mean() / 255 for video in videos]
        lowest = np.argsort(errors, kind="stable")[: SETTINGS.keep]
        assert made.indices == lowest.tolist()
        assert np.array_equal(made.videos, np.stack(videos)[lowest])
        np.testing.assert_allclose(made.mae[lowest], np.array(errors)[lowest], atol=1e-6)
        assert (made.mae <= np.array(errors) + 1e-6).all()  # exact, or a lower bound of the others
        assert made.mae.argsort(kind="stable")[: SETTINGS.keep].tolist() == made.indices


def test_reference_of_reconstruction_is_what_really_happened(
    run: RunSummary, line_folder: Path, tiny_model: Path
) -> None:
    entries = {entry.name: entry for entry in list_clips(line_folder)}
    clips = load_model(tiny_model).clip_settings()
    for made in sets(run):
        if made.provenance.mode == "reconstruction":
            frames = read_entry(entries[made.provenance.clip_name], clips).frames
            start = made.provenance.window_start
            assert np.array_equal(made.past, frames[start : start + 4])
            assert np.array_equal(made.reference, frames[start + 4 : start + 8])
            assert np.array_equal(made.source, frames[start])


def test_transfer_animates_another_clip(run: RunSummary) -> None:
    transfers = [made for made in sets(run) if made.provenance.mode == "transfer"]
    assert transfers
    for made in transfers:
        assert made.provenance.source_clip_id != made.provenance.clip_id


def test_second_run_finds_everything_done(
    run: RunSummary, line_folder: Path, tiny_model: Path
) -> None:
    before = snapshot(Path(run.store))
    again = generate(asked(line_folder, tiny_model, Path(run.store), modes=MODES))
    assert (again.written, again.present) == (0, 6)
    assert snapshot(Path(run.store)) == before


def test_contact_sheet_is_written(run: RunSummary) -> None:
    assert run.sheet is not None
    assert run.sheet.stat().st_size > 5_000


def test_keep_more_than_samples_is_refused() -> None:
    wanted = "keep: expected at most samples = 12, got 200; lower keep or draw more samples"
    with pytest.raises(SettingsError) as caught:
        validated(GenerateSettings, {"samples": 12, "keep": 200}, "options")
    assert str(caught.value) == wanted
    with pytest.raises(ValueError, match=wanted):
        GenerateSettings(samples=12, keep=200)


def test_a_cluster_for_no_workers_is_refused(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="workers: expected at least 1 on the Ray cluster at"):
        generate(asked(line_folder, tiny_model, tmp_path / "s", ray_address="127.0.0.1:1"))
    assert not (tmp_path / "s").exists()


def test_forgotten_sets_are_made_again_only_if_asked(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    request = asked(line_folder, tiny_model, tmp_path / "store")
    first = generate(request)
    store = SampleStore.open(tmp_path / "store", "a")
    forgotten = store.forget(where="label <> 'normal'")
    made = store.snapshot().set_ids()
    run = generate(request)
    assert (run.written, run.present, run.forgotten) == (0, first.written - 2, tuple(forgotten))
    assert store.set_ids() == made
    (_, row) = store.query(rows="runs", order_by="started").to_pylist()
    assert (row["made"], row["skipped"], row["failed"]) == (0, first.written - 2, 0)
    again = generate(asked(line_folder, tiny_model, tmp_path / "store", again=True))
    assert (again.written, again.forgotten) == (2, ())
    assert set(again.fresh) == set(forgotten)
    assert generate(request).present == first.written
    assert store.verify(ids=True) == []
