"""Journeys through the real flow, on real Prefect and Ray."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import ray
import torch

from flawcast.configs.errors import ClipError, FlawcastError, ModelError, SettingsError, StoreError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.running.services import ray_workers, run_folder
from flawcast.generators.clips import list_clips, read_entry
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import load_model
from flawcast.generators.rendering.scene import Scene
from flawcast.storage import SampleSet, SampleStore
from tests.flows.making import make_store

FLAWCAST = Path(sys.executable).with_name("flawcast")
MODES = ("reconstruction", "transfer")
SETTINGS = GenerateSettings(past=4, future=4, samples=12, keep=5)


def asked(clips: Path, model: Path, store: Path, **changes: object) -> GenerateRequest:
    values = {
        "clips": clips,
        "model": model,
        "store": str(store),
        "settings": SETTINGS,
        "workers": 2,
        "task_cpus": 3,  # more than two workers have, but they are for clusters
    }
    return GenerateRequest.model_validate(values | changes)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder for what runs keep while they run, with a name short enough for Ray."""
    folder = Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def run(
    line_folder: Path, tiny_model: Path, scratch: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunSummary:
    """One run in both modes with two workers."""
    store = tmp_path_factory.mktemp("run") / "store"
    with mock.patch.object(tempfile, "tempdir", str(scratch)):
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


def test_two_workers_make_what_one_makes(
    run: RunSummary, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    other = make_store(line_folder, tiny_model, tmp_path / "s", SETTINGS, MODES)
    assert other.set_ids() == SampleStore.open(run.store).set_ids()
    for made in sets(run):
        alone = other.load(made.id)
        assert np.array_equal(made.mae, alone.mae)
        assert np.array_equal(made.videos, alone.videos)
        assert made.apd == alone.apd


def test_contact_sheet_is_written(run: RunSummary) -> None:
    assert run.sheet is not None
    assert run.sheet.stat().st_size > 5_000


@pytest.mark.usefixtures("run")
def test_nothing_is_left_running_or_lying_about(scratch: Path) -> None:
    assert processes_of(scratch) == []
    assert list(scratch.iterdir()) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name a folder; Ray's and Prefect's name a run's."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if str(folder) in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_cleans_up_and_is_finished_by_the_next(
    number: signal.Signals, line_folder: Path, tiny_model: Path, tmp_path: Path, scratch: Path
) -> None:
    """Stopped while sets are being made: what was committed stays, nothing is left running."""
    store = tmp_path / "store"
    command = [str(FLAWCAST), "generate", str(line_folder)]
    command += ["--model", str(tiny_model), "--store", str(store), "--workers", "1"]
    command += ["--mode", "both", "--past", "2", "--future", "2"]  # 12 sets: enough to be caught
    command += ["--samples", "2000", "--keep", "5", "--json"]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if (store / "sets").exists() and SampleStore.open(str(store)).set_ids():
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert processes_of(scratch) == []
    assert list(scratch.iterdir()) == []
    done = SampleStore.open(str(store)).set_ids()
    assert 1 <= len(done) < 12
    assert SampleStore.open(str(store)).verify() == []


def test_keep_more_than_samples_is_refused(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"keep": 200})
    with pytest.raises(SettingsError, match="at most samples = 12, got 200; lower keep"):
        generate(asked(line_folder, tiny_model, tmp_path / "s", settings=settings))
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1"])
def test_a_cluster_that_is_not_there_is_one_clear_line(address: str, tmp_path: Path) -> None:
    with (
        pytest.raises(FlawcastError, match=r"expected a cluster at .*, got: .*refused"),
        ray_workers(address, 1, tmp_path),
    ):
        pass


def test_ray_that_starts_late_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine so busy that Ray gives up on its own processes."""
    begin, tries, left = ray.init, [], []

    def late(*arguments: object, **options: object) -> None:
        tries.append(options["_temp_dir"])
        if len(tries) == 1:
            command = [sys.executable, "-c", "import time; time.sleep(600)", str(tries[0])]
            left.append(subprocess.Popen(command))
            raise RuntimeError("The current node timed out during startup.")
        begin(*arguments, **options)

    monkeypatch.setattr(ray, "init", late)
    with run_folder() as folder, ray_workers(None, 1, folder):
        assert ray.is_initialized()
    assert len(tries) == 2
    assert left[0].wait(60) == -signal.SIGKILL


def test_ray_that_never_starts_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise RuntimeError("timed out\nduring startup")

    monkeypatch.setattr(ray, "init", never)
    with (
        pytest.raises(FlawcastError, match=r"3 times got: timed out during startup; see `flaw"),
        ray_workers(None, 1, tmp_path),
    ):
        pass
