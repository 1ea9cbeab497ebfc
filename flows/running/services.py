"""Starts Prefect and Ray side by side for a run that has none; stops both at the end."""

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from flawcast.configs.errors import FlawcastError, one_line
from flawcast.flows.running import ending
from flawcast.flows.running.configured_api import configured_api
from flawcast.flows.running.environment import LOG_LEVEL, QUIET, clean_environment, working_in
from flawcast.flows.running.guard import end_all_of, guarded
from flawcast.flows.running.prefect_server import UNUSED_BY_A_RUN, prefect_server

RAY_TRIES = 3
RAY = "ray"  # beginning of the name of its folders
VITAL = ("gcs_server", "raylet")  # the agents end with the raylet
SHUTDOWN_SECONDS = 10.0
CONNECT_SECONDS = 10.0
LEAST_SPACE = 2**20
LONGEST_BASE = 16  # leaves room for what Ray adds to the folder


def silence_telemetry() -> None:
    """Switch telemetry off in this process and its children, unless the user has set it."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Ray's messages about the local cluster's token do not concern the user.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)


def log_to_terminal() -> None:
    """Let Prefect print its logs, in a process that serves runs; call before importing Prefect."""
    os.environ[LOG_LEVEL] = "INFO"


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that a stopped run cleans up as well.

    Prefect may run a flow in a thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if ending.is_listening():
            ending.interrupt(number, frame)
        else:
            raise KeyboardInterrupt

    numbers = [  # one that is ignored, as by `nohup`, stays ignored
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def run_folder() -> Iterator[Path]:
    """A temporary folder for the files of a run's services; removed at the end.

    All processes that were started with its name end with it, also if this process is killed.
    Ray keeps sockets in it, whose paths may have 107 bytes: a long TMPDIR is not used.
    """
    base = tempfile.gettempdir()
    base = base if len(base) <= LONGEST_BASE or os.name != "posix" else "/tmp"  # noqa: S108
    with ExitStack() as stack:
        with ending.deferred():
            folder = Path(tempfile.mkdtemp(prefix="flawcast-", dir=base))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(guarded(folder))
        try:
            yield folder
        except Exception as error:
            if not ending.was_asked() and _is_full(folder):
                raise FlawcastError(
                    f"temporary folder: no space is left on the disk of {base}, so the services of "
                    f"the run ended ({one_line(error)}); make room, or name another one with TMPDIR"
                ) from error
            raise
        finally:
            with ending.deferred():
                stack.close()


def _is_full(folder: Path) -> bool:
    """Whether a disk has no space for what services write: their own errors do not say so."""
    try:
        return shutil.disk_usage(folder).free < LEAST_SPACE
    except OSError:
        return False


@contextmanager
def services_environment(address: str | None) -> Iterator[Path]:
    """Give a run's services a folder and an environment of their own.

    Enter it before Prefect and Ray are imported: they read their settings then.

    Args:
        address: The user's Ray cluster; None for a local one.

    Yields:
        The run's folder.
    """
    api = configured_api()
    with run_folder() as folder, clean_environment(folder, api, own_ray=address is None):
        if api is None:
            with working_in(folder):
                import prefect.context  # noqa: F401 - reads settings from files that are there
        yield folder


@contextmanager
def run_services(address: str | None, workers: int, folder: Path) -> Iterator[None]:
    """Provide Prefect and Ray in this context; both start at the same time.

    Args:
        address: A running Ray cluster; None for a local one.
        workers: Processes of a local one.
        folder: The run's folder.

    Raises:
        FlawcastError: If one of them does not start.
    """
    with prefect_server(folder, UNUSED_BY_A_RUN) as server:
        # Workers of a run whose Prefect server is configured may need the files that do so.
        place = Path.cwd() if server.process is None else folder
        with ray_workers(address, workers, folder, place):
            server.wait()
            yield


@contextmanager
def ray_workers(
    address: str | None, workers: int, folder: Path, place: Path | None = None
) -> Iterator[None]:
    """Provide Ray in this context: a local one of `workers` processes, or a running cluster.

    Ray gives its processes 30 seconds to start. A busy machine may need more, so it is tried again.

    Args:
        address: A running cluster; None for a local one.
        workers: Processes of a local one.
        folder: The run's folder.
        place: The folder in which a local one's processes work; None for the run's.

    Raises:
        FlawcastError: If it does not start, or no cluster answers at the address.
    """
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
            _start_ray(local, folder, place or folder)
        yield
    finally:
        if ending.was_asked() or lost_of_ray():
            end_all_of(folder / RAY)  # those that are left wait for a minute for the lost one
        _shut_down()


def lost_of_ray() -> str:
    """The name of a process that a Ray of our own cannot do without and has lost; else empty."""
    import ray

    node: Any = ray._private.worker._global_node
    if node is None:
        return ""
    processes = {name: found[0].process for name, found in node.all_processes.items()}
    return next(
        (name for name in VITAL if name in processes and processes[name].poll() is not None), ""
    )


def _shut_down() -> None:
    """Stop Ray; without some of its processes it would wait for a minute."""
    import ray

    end = threading.Thread(target=ray.shutdown, name="ray shutdown", daemon=True)
    end.start()
    end.join(SHUTDOWN_SECONDS)


def _join_cluster(address: str) -> None:
    """Connect to a cluster; Ray itself would wait minutes for an address without one."""
    import ray

    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        with _own_handlers():
            ray.init(address, log_to_driver=False)
    except Exception as error:  # of many kinds
        raise FlawcastError(
            f"ray address: expected a cluster at {address}, got: {one_line(error)}; "
            "start one with `ray start --head`, or leave the address out"
        ) from error


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep a command's handlers of signals while Ray starts.

    Ray's own exits by an exception, which is lost if it comes while Ray starts a process. Another
    one, below Python, aborts; the command's are put in its place as soon as Ray has started.
    """
    import ray

    utils: Any = ray._private.utils
    theirs = utils.set_sigterm_handler
    if ending.is_listening():
        utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs
        if ending.is_listening():
            ending.listen()


def _forget_token() -> None:
    """Let Ray look for its token anew.

    This process may remember that of a run before, whose HOME has gone: Ray's other processes
    would find none and not start.
    """
    import ray

    loader: Any = getattr(ray._raylet, "AuthenticationTokenLoader", None)
    if loader is not None:  # an older Ray has no tokens
        loader.instance().reset_cache()


def _start_ray(options: dict[str, Any], folder: Path, working: Path) -> None:
    """Start a local Ray, at the third try if need be."""
    import ray

    from flawcast.flows.running.job_config import OwnCodeOnly

    _forget_token()
    own_code = OwnCodeOnly()
    for attempt in range(1, RAY_TRIES + 1):
        files = folder / f"{RAY}{attempt}"
        try:
            with _own_handlers(), working_in(working):
                ray.init(
                    "local",
                    job_config=own_code,
                    log_to_driver=False,
                    _temp_dir=str(files),
                    **options,
                )
            return
        except Exception as error:  # of many kinds
            ray.shutdown()
            end_all_of(files)
            if attempt == RAY_TRIES:
                raise FlawcastError(
                    f"Ray: expected workers to start, {RAY_TRIES} times got: {one_line(error)}; "
                    "see `flawcast doctor`, or name a running cluster with --ray-address"
                ) from error
