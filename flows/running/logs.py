"""Logs for programs: `--log-json` writes one JSON object a line, what workers say among them.

All of flawcast's records go through the logger "flawcast" of the standard library. Workers send
theirs to the run, which writes them, so there is one file however many machines took part.
"""

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flawcast.configs.errors import SettingsError, one_line

VARIABLE = "FLAWCAST_LOG_JSON"  # processes that a schedule starts find the target in it
STANDARD_ERROR = "-"
ALWAYS = ("run_id", "set_id", "stage")  # null where a record is about none

_LOG = logging.getLogger("flawcast")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # whoever reads our lines on a terminal gets them from the display
_ABOUT: ContextVar[Mapping[str, Any]] = ContextVar("ABOUT", default=MappingProxyType({}))


@dataclass(frozen=True)
class Logged:
    """A record on its way from a worker to the run.

    Args:
        created: When, in seconds since 1970.
        level: As in `logging`.
        message: The text.
        about: What it is about: run, set, stage, worker and the like.
    """

    created: float
    level: int
    message: str
    about: Mapping[str, Any]


def log(message: str, level: int = logging.INFO, **about: Any) -> None:
    """Log a line.

    Args:
        message: The text.
        level: As in `logging`.
        about: `set_id`, `stage` and whatever else a program may filter by, as plain values.
    """
    _LOG.log(level, "%s", message, extra={"about": {**_ABOUT.get(), **about}})


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Say of all lines that are logged in this context what they are about: `run_id`, `stage`."""
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, run, set, stage and message come first; the rest depends on the record."""
        told = {"worker": _here(), **getattr(record, "about", {})}
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **{name: told.pop(name, None) for name in ALWAYS},
            "message": record.getMessage(),
            **told,
        }
        return json.dumps(values, default=str, ensure_ascii=False)


def write_to(target: str | None) -> None:
    """Write all lines from now on to a file, which grows, or to standard error.

    Args:
        target: The file; "-" for standard error; None for nowhere.

    Raises:
        SettingsError: If the file cannot be written.
    """
    for handler in [one for one in _LOG.handlers if isinstance(one.formatter, JsonLines)]:
        _LOG.removeHandler(handler)
        handler.close()
    if target is None:
        os.environ.pop(VARIABLE, None)
        return
    handler = logging.StreamHandler(sys.stderr)
    if target != STANDARD_ERROR:
        target = str(Path(target).absolute())
        try:
            handler = logging.FileHandler(target, encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                f"log-json: expected a file that can be written, got {target}: {one_line(error)}; "
                'name another, or "-" for standard error'
            ) from error
    handler.setFormatter(JsonLines())
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    os.environ[VARIABLE] = target


def is_on() -> bool:
    """Whether lines are written anywhere."""
    return VARIABLE in os.environ


def has_standard_error() -> bool:
    """Whether standard error is for JSON, so that nothing else should be printed there."""
    return os.environ.get(VARIABLE) == STANDARD_ERROR


@contextmanager
def forwarded(send: Callable[[Logged], None], wanted: bool) -> Iterator[None]:
    """In a worker: send what is logged in this context to the run.

    Args:
        send: Takes the records.
        wanted: Whether the run writes them.
    """
    if not wanted:
        yield
        return
    handler, level = _Forwarder(send), _LOG.level
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        _LOG.setLevel(level)
        _LOG.removeHandler(handler)


class _Forwarder(logging.Handler):
    """Hands records on."""

    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on, with the name of this worker."""
        told = {"worker": _here(), **getattr(record, "about", {})}
        self._send(Logged(record.created, record.levelno, record.getMessage(), told))


def replay(logged: Logged) -> None:
    """In the run: write what a worker logged."""
    values = {"name": _LOG.name, "levelno": logged.level, "msg": logged.message}
    values |= {"levelname": logging.getLevelName(logged.level), "created": logged.created}
    _LOG.handle(logging.makeLogRecord({**values, "about": dict(logged.about)}))


def _here() -> str:
    """The name of this process: host and number."""
    return f"{socket.gethostname()}:{os.getpid()}"
