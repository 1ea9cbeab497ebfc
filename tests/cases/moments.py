"""A run that is ended at a chosen moment, in one of five ways, and what it leaves."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flawcast.flows.running.guard import processes_of
from flawcast.storage import SampleStore
from tests.places import fill

FLAWCAST = (sys.executable, "-c", "from flawcast.flows.cli import main; main()")
SIGNALS = {name: getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")}
TERMINAL, DISK = "closed terminal", "full disk"
LONGEST_WAIT = 120.0


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Args:
        code: Its exit code.
        errors: What it wrote to standard error; empty if that was a terminal.
        seconds: From the request to its end; 0 if it had ended by itself.
    """

    code: int
    errors: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return [line for line in self.errors.splitlines() if line.strip()]


def end_by(kind: str, seconds: float, arguments: Sequence[str], scratch: Path) -> Ended:
    """Start a command, end it, and wait.

    Args:
        kind: A signal's name, `TERMINAL`, or `DISK`: the folder must be a file system of its own.
        seconds: When it is ended.
        arguments: The command's.
        scratch: The folder for temporary files.
    """
    command = [*FLAWCAST, *arguments]
    environment = os.environ | {"TMPDIR": str(scratch)}
    if kind == TERMINAL:
        return _in_terminal(command, environment, seconds)
    run = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=hear_hangups,
        text=True,
    )
    if kind == DISK:
        return _ended(run, seconds, lambda: fill(scratch / "filler"))
    return _ended(run, seconds, lambda: run.send_signal(SIGNALS[kind]))


def hear_hangups() -> None:
    """Do not ignore SIGHUP, though the tests may run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _ended(run: "subprocess.Popen[str]", seconds: float, end: Callable[[], object]) -> Ended:
    """End a process after some time, unless it has ended before."""
    try:
        _, errors = run.communicate(timeout=seconds)
        return Ended(run.returncode, errors or "", 0.0)
    except subprocess.TimeoutExpired:
        end()
    began = time.monotonic()
    try:
        _, errors = run.communicate(timeout=LONGEST_WAIT)
    except subprocess.TimeoutExpired:
        run.kill()
        _, errors = run.communicate()
        errors = f"{errors or ''}\nit was killed: it had not ended by itself"
    return Ended(run.returncode, errors or "", time.monotonic() - began)


def _in_terminal(command: Sequence[str], environment: dict[str, str], seconds: float) -> Ended:
    """Run in a terminal of its own, which is closed."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        hear_hangups()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    run = subprocess.Popen(
        command,
        env=environment | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
        text=True,
    )
    os.close(theirs)
    closing = threading.Event()

    def show() -> None:
        """What a terminal does with what is written, until it is closed."""
        with suppress(OSError):
            while not closing.is_set():
                if select.select([ours], [], [], 0.05)[0]:
                    os.read(ours, 4096)

    terminal = threading.Thread(target=show)
    terminal.start()

    def close() -> None:
        if not closing.is_set():
            closing.set()
            terminal.join()
            os.close(ours)

    ended = _ended(run, seconds, close)
    close()
    return ended


def left_behind(scratch: Path) -> list[str]:
    """Processes, and temporary files and folders, that a run left."""
    files = [path.name for path in scratch.iterdir() if path.name not in ("store", "filler")]
    return files + [
        f"process {process.pid}: {process.name()}" for process in processes_of(scratch, os.getpid())
    ]


def problems_of(store: Path) -> list[object]:
    """What `verify` finds in a store; nothing where there is none yet."""
    is_store = (store / "store.json").is_file()  # a full disk may leave a folder without one
    return list(SampleStore.open(store).verify()) if is_store else []
