"""A command that is asked to end does, at every moment: 130, one line, nothing left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flawcast.flows.running import ending
from flawcast.storage import SampleStore

FLAWCAST = (sys.executable, "-c", "from flawcast.flows.cli import main; main()")
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
G = ("--model", "demo", "--past", "4", "--future", "4", "--samples", "8", "--keep", "2", "--quiet")
EARLIEST = 0.3  # seconds until the interpreter itself has started
WHOLE_RUN = 45.0  # seconds of a run with services on a busy machine


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files, with a name short enough for Ray."""
    folder = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def stop_after(
    seconds: float, number: signal.Signals, clips: Path, scratch: Path, workers: int
) -> tuple[int, str, float]:
    """Start a run, ask it to end, and wait; exit code, standard error, and how long it took."""
    command = [*FLAWCAST, "generate", str(clips), *G, "--workers", str(workers)]
    environment = os.environ | {"TMPDIR": str(scratch)}
    run = subprocess.Popen(
        [*command, "--store", str(scratch / "store")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        run.communicate(timeout=seconds)
        return run.returncode, "", 0.0
    except subprocess.TimeoutExpired:
        run.send_signal(number)
        began = time.monotonic()
        _, errors = run.communicate(timeout=120)
        return run.returncode, errors, time.monotonic() - began


def check(answer: tuple[int, str, float], scratch: Path, most: float) -> None:
    """Exit code 130 (or 0 for a run that was done), one line, and nothing left."""
    code, errors, seconds = answer
    assert code in (0, 130), errors
    lines = [line for line in errors.splitlines() if line.strip()]
    assert len(lines) == (code == 130), errors
    assert all("interrupted" in line for line in lines)
    assert seconds < most
    left = [path.name for path in scratch.iterdir() if path.name.startswith("flawcast-")]
    assert left == []
    alive = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(scratch / "flawcast-") in word for word in process.info["cmdline"] or ())
    ]
    assert alive == []
    if (scratch / "store").exists():
        assert SampleStore.open(scratch / "store").verify() == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_in_this_process_ends_at_any_moment(
    number: signal.Signals, line_folder: Path, scratch: Path
) -> None:
    moment = random.Random(number.value).uniform(EARLIEST, 4)  # noqa: S311
    check(stop_after(moment, number, line_folder, scratch, 0), scratch, 30)


def test_a_run_with_services_ends_while_they_start(line_folder: Path, scratch: Path) -> None:
    moment = random.uniform(6, 14)  # noqa: S311
    check(stop_after(moment, signal.SIGTERM, line_folder, scratch, 1), scratch, 60)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(50))
def test_a_run_with_services_ends_at_any_moment_on_a_busy_machine(
    seed: int, line_folder: Path, scratch: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        moment, number = chance.uniform(EARLIEST, WHOLE_RUN), chance.choice(SIGNALS)
        check(stop_after(moment, number, line_folder, scratch, 1), scratch, 10)
    finally:
        for process in busy:
            process.kill()


def test_what_is_being_put_away_is_put_away() -> None:
    steps = []
    with ending.interruptible_process():
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the moment is the point
            with ending.deferred():
                signal.raise_signal(signal.SIGTERM)
                steps.append("first")
            steps.append("never")
        signal.raise_signal(signal.SIGINT)  # a second request changes nothing
        steps.append("second")
    assert steps == ["first", "second"]


def test_a_signal_that_the_process_was_told_to_ignore_stays_ignored() -> None:
    """As by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending.interruptible_process():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
