"""How a command ends when it is asked to: by Ctrl-C, SIGTERM, or a terminal that closes.

The first request becomes a KeyboardInterrupt, whatever the signal; those after it change nothing,
so that what is being put away is put away. Imports nothing heavy: it comes before all else.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit code
STDERR = 2
LONGEST_SECONDS = 4.0  # for services to end by themselves; on a busy machine they take longer
LINE = "interrupted; finished work stays, the same command makes the rest"


class _Request:
    """Whether this process was asked to end, and whether that waits for a moment."""

    listening = False
    asked = False
    told = False
    waiting = False
    depth = 0
    limit: object | None = None
    hushes = False


def interrupt(number: int, frame: FrameType | None) -> None:
    """The handler of all three signals."""
    del number, frame
    if _Request.asked:
        return
    _Request.asked = True
    if _Request.listening:
        _Request.limit = object()
        # Starting a `threading.Thread` takes locks that the interrupted code may hold.
        _thread.start_new_thread(_leave_later, (_Request.limit,))
        sys.unraisablehook = _ignore  # Python may have to swallow the one below, and says so
        _hush()
    if _Request.depth:
        _Request.waiting = True
        return
    raise KeyboardInterrupt


def _leave_later(limit: object) -> None:
    """End this process if its request to end is still open after the longest time."""
    time.sleep(LONGEST_SECONDS)
    if _Request.limit is limit:
        leave()


def _hush() -> None:
    """Drop what is written below Python from now on.

    Ray's core tells of tasks and connections that it loses while it ends, beside our one line.
    """
    if _Request.hushes:
        with suppress(OSError):  # no file is left to be opened
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)


@contextmanager
def _own_stderr() -> Iterator[None]:
    """Give Python's standard error a number of its own, beside that of code below Python."""
    before = sys.stderr
    try:
        if before.fileno() != STDERR:
            raise ValueError
        own = os.fdopen(
            os.dup(STDERR), "w", buffering=1, encoding=before.encoding, errors=before.errors
        )
    except (AttributeError, OSError, ValueError):  # closed, or not the process's
        yield
        return
    before.flush()
    sys.stderr, _Request.hushes = own, True
    try:
        yield
    finally:
        _Request.hushes = False
        with suppress(OSError):
            os.dup2(own.fileno(), STDERR)
        if sys.stderr is own:
            sys.stderr = before
        with suppress(OSError):
            own.close()


def _ignore(problem: object) -> None:
    """Say nothing of an interruption that came where Python cannot pass it on."""
    del problem


def is_listening() -> bool:
    """Whether this process is a command that handles its signals."""
    return _Request.listening


def was_asked() -> bool:
    """Whether this process was asked to end."""
    return _Request.asked


def told() -> None:
    """Remember that the user has the line about the interruption."""
    _Request.told = True


@contextmanager
def interruptible_process() -> Iterator[None]:
    """Handle the signals in this context; a thread that is not the main one cannot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _Request.asked = _Request.told = False
    _Request.listening = True
    listen()
    try:
        with _own_stderr():
            yield
    finally:
        _Request.listening = _Request.asked = False
        _Request.limit = None
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """Handle the signals from now on; Ray and Prefect put handlers of their own in their place.

    One that this process was told to ignore, as by `nohup`, stays ignored.
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, interrupt)


@contextmanager
def deferred() -> Iterator[None]:
    """Let a request to end wait until this context is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Request.depth += 1
    try:
        yield
    finally:
        _Request.depth -= 1
        if _Request.waiting and not _Request.depth:
            _Request.waiting = False
            raise KeyboardInterrupt


def leave() -> NoReturn:
    """End this process after a request to end: one line, nothing left, no threads waited for."""
    guard = sys.modules.get("flawcast.flows.running.guard")
    if guard is not None:
        with suppress(Exception):
            guard.finish()
    with suppress(OSError, ValueError):  # the terminal may be gone
        if not _Request.told:
            sys.stderr.write(f"flawcast: {LINE}\n")
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(INTERRUPTED)
