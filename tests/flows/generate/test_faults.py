"""Whole runs on full disks and in buckets, beside each other, killed and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flawcast.storage import SampleStore
from tests.places import fill

FLAWCAST = Path(sys.executable).with_name("flawcast")
OPTIONS = ("--mode", "both", "--past", "2", "--future", "2", "--samples", "30", "--keep", "3")


@pytest.fixture(scope="module")
def command(line_folder: Path, tiny_model: Path) -> tuple[str, ...]:
    """`flawcast generate`, but for the store."""
    words = (FLAWCAST, "generate", line_folder, "--model", tiny_model, *OPTIONS, "--quiet")
    return tuple(map(str, words))


@pytest.fixture(scope="module")
def whole(command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted run makes."""
    store = tmp_path_factory.mktemp("whole") / "store"
    subprocess.run([*command, "--store", str(store)], check=True)
    return store


def check_equal(store: str | Path, whole: Path) -> None:
    """Ids, scores and bytes are those of the whole store, and nothing is damaged."""
    ours, theirs = SampleStore.open(str(store)), SampleStore.open(whole)
    assert ours.set_ids() == theirs.set_ids()
    for set_id in ours.set_ids():
        one, other = ours.load(set_id), theirs.load(set_id)
        assert (one.videos == other.videos).all()
        assert (one.mae == other.mae).all()
        assert one.apd == other.apd
    assert ours.verify() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("bucket_url")
def test_a_run_killed_at_random_moments(
    store_url: str, command: tuple[str, ...], whole: Path
) -> None:
    """The command itself, with its server and workers, killed five times and started again."""
    draw = random.Random(0)  # noqa: S311 - moments, no secrets
    run = [*command, "--store", store_url]
    began = time.monotonic()
    subprocess.run([*command, "--store", store_url.removesuffix("store") + "timed"], check=True)
    once = time.monotonic() - began
    for _ in range(5):
        process = subprocess.Popen(run, start_new_session=True)
        time.sleep(draw.uniform(0.3, 1.0) * once)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(run, check=True)
    check_equal(store_url, whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("small_disk", [16], indirect=True)
def test_a_full_disk_ends_a_run_with_a_line_and_keeps_what_was_committed(
    small_disk: Path, command: tuple[str, ...], whole: Path
) -> None:
    run = [*command, "--store", str(small_disk / "store")]
    fill(small_disk / "filler", spare=800 * 1024)
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    store = SampleStore.open(small_disk / "store")
    assert 0 < len(store.set_ids()) < 12
    assert store.verify() == []
    (small_disk / "filler").unlink()
    subprocess.run(run, check=True)
    check_equal(small_disk / "store", whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("small_disk", [16], indirect=True)
def test_a_disk_that_is_full_for_a_while_ends_no_run(
    small_disk: Path, command: tuple[str, ...], whole: Path
) -> None:
    store = small_disk / "store"
    fill(small_disk / "filler", spare=800 * 1024)
    process = subprocess.Popen([*command, "--store", str(store)])
    while process.poll() is None and not (store / "store.json").is_file():
        time.sleep(0.1)
    before, now = 0, 0
    while process.poll() is None and (now == 0 or now > before):  # until no set comes any more
        time.sleep(1.5)
        before, now = now, len(SampleStore.open(store).set_ids())
    assert 0 < before < 12
    (small_disk / "filler").unlink()
    assert process.wait(300) == 0
    check_equal(store, whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("bucket_url")
def test_two_runs_at_once_make_every_set_once(
    store_url: str, command: tuple[str, ...], whole: Path
) -> None:
    run = [*command, "--store", store_url]
    together = [subprocess.Popen(run) for _ in range(2)]
    assert [process.wait(300) for process in together] == [0, 0]
    check_equal(store_url, whole)
    rows = SampleStore.open(store_url).query().column("set_id").to_pylist()
    assert len(rows) == len(set(rows)) == 12
