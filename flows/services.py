"""Starts what a run needs and is not there: a Prefect server and a Ray; stops both at the end.

Tasks on Ray workers that find no Prefect server start one each, which loses records; so a run
without `PREFECT_API_URL` has a server of its own, on loopback, in a folder that goes with it.
"""

import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from configs.errors import FlawcastError

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Logs go to the Prefect server; on the terminal our own lines say it, without tracebacks.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray looks for accelerators by itself; without any it must not hide them from torch either.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
START_SECONDS = 300.0  # it takes 5 on an idle machine
RAY_TRIES = 3
CONNECT_SECONDS = 10.0
STOP_SECONDS = 10.0
LONGEST_BASE = 16  # leaves room for what Ray adds to the folder
SERVER = (sys.executable, "-m", "prefect", "server", "start")


def silence_telemetry() -> None:
    """Switch telemetry off in this process and all it starts; the user's own choice stands."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Of the local cluster's token, which is Ray's own affair.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)


def log_to_terminal() -> None:
    """Let Prefect print its logs, in a process that serves runs; call before importing Prefect."""
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that a stopped run cleans up as well.

    In a thread, where Prefect may run a flow, signals are not ours to handle.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def run_folder() -> Iterator[Path]:
    """A temporary folder for what a run's services write; removed at the end.

    Ray keeps sockets in it, whose paths may have 107 bytes: a long TMPDIR is not used.
    """
    base = tempfile.gettempdir()
    base = base if len(base) <= LONGEST_BASE or os.name != "posix" else "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="flawcast-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prefect_api(folder: Path) -> Iterator[str]:
    """Point Prefect at the configured server, or at one that lives as long as this context.

    Args:
        folder: Where a server of our own keeps its records.

    Yields:
        The API's address. Must be entered before Ray starts, whose workers inherit it.

    Raises:
        FlawcastError: If a server of our own does not answer in time.
    """
    configured = configured_api()
    if configured:
        os.environ["PREFECT_API_URL"] = configured
        yield configured
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    environment.pop("PREFECT_API_URL", None)
    log = folder / "server.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
            [*SERVER, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we stop it after the workers
            preexec_fn=_die_with_parent,
        )
    before = {name: os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME")}
    try:
        _wait_until_healthy(server, url, log)
        os.environ["PREFECT_API_URL"] = url
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: folder / "prefect"}):
            yield url
    finally:
        _send_what_waits()
        _restore(before)
        _stop(server)


@contextmanager
def ray_workers(address: str | None, workers: int, folder: Path) -> Iterator[None]:
    """Ray for as long as this context: a local one of `workers` processes, or a running cluster.

    Ray gives its own processes 30 seconds to start, too few for a busy machine: it is tried again.

    Raises:
        FlawcastError: If it does not start, or no cluster answers at the address.
    """
    import ray

    local: dict[str, Any] = {
        "num_cpus": workers,
        "include_dashboard": False,
        "configure_logging": False,
        "object_store_memory": 128 * 2**20,  # sets travel through the store, not through Ray
    }
    try:
        if address:
            _join_cluster(address)
        else:
            _start_ray(local, folder)
        yield
    finally:
        ray.shutdown()


def _join_cluster(address: str) -> None:
    """Connect to a cluster; Ray itself would wait for minutes where nobody listens."""
    import ray

    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        ray.init(address, log_to_driver=False)
    except Exception as error:  # of many kinds
        raise FlawcastError(
            f"ray address: expected a cluster at {address}, got: {_short(error)}; "
            "start one with `ray start --head`, or leave the address out"
        ) from error


def _start_ray(options: dict[str, Any], folder: Path) -> None:
    """Start a local Ray, at the third try if need be."""
    import ray

    for attempt in range(1, RAY_TRIES + 1):
        place = folder / f"ray{attempt}"
        try:
            ray.init("local", log_to_driver=False, _temp_dir=str(place), **options)
            return
        except Exception as error:  # of many kinds
            ray.shutdown()
            _end_children_in(place)
            if attempt == RAY_TRIES:
                raise FlawcastError(
                    f"Ray: expected workers to start, {RAY_TRIES} times got: {_short(error)}; "
                    "see `flawcast doctor`, or name a running cluster with --ray-address"
                ) from error


def _short(error: Exception) -> str:
    """An error as a part of a line."""
    return " ".join(str(error).split())[:200]


def _end_children_in(folder: Path) -> None:
    """Kill those of our children that keep their files in a folder."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(str(folder) in word for word in child.cmdline()):
                child.kill()


def configured_api() -> str | None:
    """Address of the Prefect server that the environment or the active profile names."""
    from prefect.settings import PREFECT_API_URL

    return os.environ.get("PREFECT_API_URL") or PREFECT_API_URL.value()


def _free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait for the server to answer."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=20):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    if server.poll() is None:
        raise FlawcastError(
            f"Prefect server: expected an answer within {START_SECONDS:.0f} seconds, it is still "
            f"starting; the machine is busy (load {os.getloadavg()[0]:.0f}), try again when it is "
            "less so, or start a server yourself and set PREFECT_API_URL"
        )
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing was printed"]
    raise FlawcastError(
        f"Prefect server: expected an answer, it ended ({last[0]}); start one yourself and set "
        "PREFECT_API_URL"
    )


def _send_what_waits() -> None:
    """Let Prefect send its last logs and events while the server still listens."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=STOP_SECONDS)


def _restore(before: dict[str, str | None]) -> None:
    """Put environment variables back."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and all it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is not None:
            break
        os.killpg(server.pid, number)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
