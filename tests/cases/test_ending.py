"""A command that is asked to end does, at every moment: 130, one line, nothing left."""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running import ending
from flawcast.flows.running.services import run_folder, stop_on_sigterm
from tests.cases.moments import (
    DISK,
    SIGNALS,
    TERMINAL,
    Ended,
    end_by,
    left_behind,
    problems_of,
)
from tests.places import fill, mounted

KINDS = (*SIGNALS, TERMINAL, DISK)
G = ("--model", "demo", "--past", "4", "--future", "4", "--samples", "8", "--keep", "2")
EARLIEST = 0.3  # seconds until the interpreter itself has started
MOMENTS = 50
DISK_MEGABYTES = 256
REASON = 1  # the exit code of a run that ends for a reason of its own


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files, with a name short enough for Ray."""
    folder = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def busy() -> Iterator[None]:
    """Two processes that take what they can get."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for process in processes:
        process.kill()
        process.wait()


def run_of(clips: Path, scratch: Path, workers: int) -> list[str]:
    """A run's words."""
    store = str(scratch / "store")
    return ["generate", str(clips), *G, "--store", store, "--workers", str(workers)]


def check(ended: Ended, kind: str, scratch: Path, most: float) -> None:
    """The exit code, one line, and nothing left."""
    codes = {0: 0, REASON: 1} if kind == DISK else {0: 0, ending.INTERRUPTED: 1}
    assert ended.code in codes, ended.errors
    said = [line for line in ended.lines if line.startswith("flawcast:")]
    if kind != TERMINAL:  # of which nothing can be read any more
        word = "space" if kind == DISK else "interrupted"
        assert len(ended.lines) == len(said), ended.errors
        assert len(said) == codes[ended.code] or "all sets are in the store" in ended.errors
        assert all(word in line for line in said) or ended.code == 0, ended.errors
    assert ended.seconds < most
    assert left_behind(scratch) == []
    assert problems_of(scratch / "store") == []


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_run_in_this_process_ends_at_any_moment(
    kind: str, line_folder: Path, scratch: Path
) -> None:
    moment = random.Random(kind).uniform(EARLIEST, 4)  # noqa: S311
    words = [*run_of(line_folder, scratch, 0), "--quiet"]
    check(end_by(kind, moment, words, scratch), kind, scratch, 30)


def test_a_run_with_services_ends_while_they_start(line_folder: Path, scratch: Path) -> None:
    moment = random.uniform(6, 14)  # noqa: S311
    words = [*run_of(line_folder, scratch, 1), "--quiet"]
    check(end_by("SIGTERM", moment, words, scratch), "SIGTERM", scratch, 60)


@pytest.fixture(scope="module")
def whole_run(line_folder: Path) -> float:
    """Seconds of a run with services that nobody ends, on a busy machine."""
    folder = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    began = time.monotonic()
    try:
        ended = end_by("SIGTERM", 600, run_of(line_folder, folder, 1), folder)
        assert ended.code == 0, ended.errors
        return time.monotonic() - began
    finally:
        for process in busy:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_run_with_services_ends_at_any_moment_on_a_busy_machine(
    number: int, whole_run: float, line_folder: Path, scratch: Path
) -> None:
    """`pytest -m slow tests/cases/test_ending.py -k any_moment -rA` shows every moment."""
    kind, chance = KINDS[number % len(KINDS)], random.Random(number)  # noqa: S311
    moment = chance.uniform(EARLIEST, whole_run)
    quiet = [] if kind == TERMINAL else ["--quiet"]
    with ExitStack() as stack:
        if kind == DISK:
            stack.enter_context(mounted(scratch, DISK_MEGABYTES))
        ended = end_by(kind, moment, [*run_of(line_folder, scratch, 1), *quiet], scratch)
        print(
            f"{kind} at {moment:.1f} of {whole_run:.1f} s: exit code {ended.code} after "
            f"{ended.seconds:.1f} s, {ended.errors[-300:]!r}"
        )
        # What does not fit is tried twice more, with pauses: a disk may be full for a moment.
        check(ended, kind, scratch, 60 if kind == DISK else 10)


def test_what_is_written_below_python_is_dropped_after_a_request() -> None:
    """As by Ray's core; our own line is still shown."""
    script = (
        "import os, signal, sys\n"
        "from flawcast.flows.running import ending\n"
        "with ending.interruptible_process():\n"
        "    os.write(2, b'before\\n')\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n"
        "        os.write(2, b'Failed to push error to driver\\n')\n"
        "        ending.leave()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == ending.INTERRUPTED
    assert done.stderr.splitlines() == ["before", f"flawcast: {ending.LINE}"]


def test_a_full_disk_is_the_reason_that_is_given(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    full = r"no space is left on the disk of .* \(it ended\)"
    with mounted(scratch, 4):
        with pytest.raises(FlawcastError, match=full), run_folder():  # noqa: PT012 - the fault
            fill(scratch / "filler")
            raise RuntimeError("it ended")
        assert left_behind(scratch) == []


def test_a_request_while_a_thread_is_being_started_ends_too() -> None:
    """The interrupted code may hold a lock of `threading`."""
    script = (
        "import signal, threading, time\n"
        "from flawcast.flows.running import ending\n"
        "ending.LONGEST_SECONDS = 0.2\n"
        "with ending.interruptible_process():\n"
        "    with threading._active_limbo_lock, ending.deferred():\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=50, check=False
    )
    assert done.returncode == ending.INTERRUPTED


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
        with ending.interruptible_process(), stop_on_sigterm():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
