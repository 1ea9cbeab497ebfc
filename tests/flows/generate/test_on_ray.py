"""Journeys through the whole job on real Prefect and Ray, and how both are started."""

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
import psutil
import pytest
import ray

from flawcast.configs.errors import FlawcastError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.running.services import ray_workers, run_folder, services_environment
from flawcast.storage import SampleStore

FLAWCAST = Path(sys.executable).with_name("flawcast")


def asked(clips: Path, model: Path, store: Path, workers: int) -> GenerateRequest:
    return GenerateRequest(
        clips=clips,
        model=model,
        store=str(store),
        modes=("reconstruction", "transfer"),
        settings=GenerateSettings(past=4, future=4, samples=12, keep=5),
        workers=workers,
        task_cpus=3,  # more than two workers have, but they are for clusters
    )


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
        return generate(asked(line_folder, tiny_model, store, workers=2))


def test_two_workers_make_what_this_process_makes(
    run: RunSummary, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    generate(asked(line_folder, tiny_model, tmp_path / "s", workers=0))
    ours, other = SampleStore.open(run.store), SampleStore.open(tmp_path / "s")
    assert (run.written, run.kept) == (6, 30)
    assert other.set_ids() == ours.set_ids()
    for made in map(ours.load, ours.set_ids()):
        alone = other.load(made.id)
        assert np.array_equal(made.mae, alone.mae)
        assert np.array_equal(made.videos, alone.videos)
        assert made.apd == alone.apd


@pytest.mark.usefixtures("run")
def test_nothing_is_left_running_or_lying_about(scratch: Path) -> None:
    assert processes_of(scratch) == []
    assert list(scratch.iterdir()) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name a folder; Ray's and Prefect's name a run's."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if str(folder) in line]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_cleans_up_and_is_finished_by_the_next(
    number: signal.Signals, line_folder: Path, tiny_model: Path, tmp_path: Path, scratch: Path
) -> None:
    """Stopped while sets are being made: what was committed stays, nothing is left running."""
    store = tmp_path / "store"
    command = [str(FLAWCAST), "generate", str(line_folder)]
    command += ["--model", str(tiny_model), "--store", str(store), "--workers", "1"]
    command += ["--mode", "both", "--past", "2", "--future", "2"]  # 12 sets: enough to be caught
    command += ["--samples", "800", "--keep", "5", "--json"]
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
    """As on a machine so busy that Ray gives up on its own processes; what they left is killed."""
    tries, left = [], []

    def late(*arguments: object, **options: object) -> None:
        tries.append(options["_temp_dir"])
        if len(tries) == 1:
            command = [sys.executable, "-c", "import time; time.sleep(600)", str(tries[0])]
            left.append(subprocess.Popen(command))
            raise RuntimeError("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", late)
    with run_folder() as folder, ray_workers(None, 1, folder):
        assert len(tries) == 2
    left[0].wait(60)  # its code is 0 where whoever killed it has waited for it, too
    assert not psutil.pid_exists(left[0].pid)


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


@pytest.mark.slow
def test_ray_starts_again_in_the_same_process() -> None:
    """As in a notebook: each run has a HOME of its own, and Ray's token lies there."""
    for _ in range(2):
        with services_environment(None) as folder, ray_workers(None, 1, folder):
            assert ray.is_initialized()
