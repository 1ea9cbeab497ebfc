"""A small process beside a run: it ends what the run started if the run itself was killed.

The run holds the other end of its standard input. However the run ends, that end closes; what still
names the run's folder in its command line or as its HOME is then of the run, and is ended.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

OWN_FILE = Path(__file__).resolve()
_WATCHERS: set[subprocess.Popen[bytes]] = set()
LOOKS, PAUSE = 25, 0.1  # a process may start another one while it is being ended
WAIT_SECONDS = 5.0


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Have a process watch over what is started with a folder's name, until this context ends."""
    watcher = subprocess.Popen(  # noqa: S603 - our own interpreter and file
        [sys.executable, "-P", str(OWN_FILE), str(folder), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/" if os.name == "posix" else None,
        start_new_session=True,
    )
    _WATCHERS.add(watcher)
    try:
        yield
    finally:
        end_all_of(folder)
        _finish(watcher)


def finish() -> None:
    """Let all guards do their work now, because this process is about to end."""
    for watcher in list(_WATCHERS):
        _finish(watcher)


def _finish(watcher: subprocess.Popen[bytes]) -> None:
    """Close a guard's input, and wait until it has ended what was left."""
    _WATCHERS.discard(watcher)
    if watcher.stdin is not None:
        watcher.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        watcher.wait(WAIT_SECONDS)


def end_all_of(folder: Path, run: int | None = None) -> None:
    """Kill the processes that name a folder, and those that they start meanwhile.

    Args:
        folder: The folder, or the beginning of its name.
        run: The process whose run it is, which stays; None for this one.
    """
    for _ in range(LOOKS):
        found = list(processes_of(folder, run or os.getpid()))
        if not found:
            return
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=PAUSE)


def processes_of(folder: Path, run: int) -> Iterator[psutil.Process]:
    """The processes that name a folder in their command line, as their HOME, or by an open file.

    Ray's processes rewrite their command line, and some their environment with it; but each has
    its log open. The process of the run, and the guard, are none of them.
    """
    name = str(folder)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = process.cmdline()
            if process.pid in (run, os.getpid()) or str(OWN_FILE) in words:
                continue
            named = any(name in word for word in words)
            named = named or name in process.environ().get("HOME", "")
            named = named or any(path.startswith(name) for path in _outputs(process))
            if named and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _outputs(process: psutil.Process) -> list[str]:
    """Files that a process writes its output to; of Ray's agents, all that it has open."""
    streams = [Path(f"/proc/{process.pid}/fd/{number}") for number in (1, 2)]
    is_of_ray = any(word.startswith("ray::") for word in process.cmdline()[:1])
    if streams[0].is_symlink() and not is_of_ray:  # listing all files of all takes seconds
        return [str(stream.readlink()) for stream in streams]
    return [file.path for file in process.open_files()]


def main() -> None:
    """Wait until the run has ended, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, run = Path(sys.argv[1]), int(sys.argv[2])
    sys.stdin.buffer.read()
    end_all_of(folder, run)
    for _ in range(LOOKS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
