"""The Prefect server of a run: the user's, or one that lives as long as the run.

Without a Prefect server every task on a Ray worker would start one, and records would be lost. So
a run without `PREFECT_API_URL` starts its own server, on loopback, in a temporary folder.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flawcast.configs.errors import FlawcastError, one_line
from flawcast.flows.running import ending
from flawcast.flows.running.configured_api import configured_api
from flawcast.flows.running.empty_database import forget_database, keep_database, lay_database
from flawcast.flows.running.environment import PREFECT_HOME as HOME
from flawcast.flows.running.environment import clean, working_in
from flawcast.flows.running.kept_server import STOP_SECONDS, KeptServer

START_SECONDS = 300.0  # it takes 5 on an idle machine
ASK_SECONDS = 10.0
SERVER = (sys.executable, "-P", "-m", "prefect", "server", "start")  # -P: without this folder
DATABASE, LOG = "prefect.db", "server.log"
# Services for deployments, work pools, automations and pauses. A server for one run has none of
# these, and on two cores the services take 2 % of the machine.
UNUSED_BY_A_RUN = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in (
        *("SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "PAUSE_EXPIRATIONS"),
        *("REPOSSESSOR", "CLEANUP_RECONCILER", "CANCELLATION_CLEANUP"),
    )
}


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
    with prefect_server(folder) as server:
        server.wait()
        yield server.url


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server that may still be starting.

    Args:
        url: The address of its API.
        process: The server that we started; None if one was configured.
        folder: Where a server that we started keeps its records.
    """

    url: str
    process: KeptServer | None
    folder: Path

    def wait(self) -> None:
        """Wait until a server of our own answers, or ask a configured one.

        Raises:
            FlawcastError: If it does not, has ended, or does not let us in.
        """
        if self.process is None:
            _ask_configured(self.url)
        else:
            _wait_until_healthy(self.process.process, self.url, self.folder / LOG)
            self.process.keep()
            keep_database(self.folder / DATABASE)


@contextmanager
def prefect_server(
    folder: Path, unused: Mapping[str, str] | None = None
) -> Iterator[PrefectServer]:
    """Point Prefect at the configured server, or at one of our own, which may still be starting.

    Args:
        folder: Where a server of our own keeps its records.
        unused: Environment that switches off what is not needed of a server of our own.

    Yields:
        The server; `PrefectServer.wait` says when it answers.
    """
    configured = configured_api()
    if configured:
        os.environ["PREFECT_API_URL"] = configured
        yield PrefectServer(configured, None, folder)
        return
    before = {name: os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME")}
    with _free_port() as port:
        url = f"http://127.0.0.1:{port}/api"
        process = KeptServer(lambda: _start(folder, port, unused or {}))
        try:
            os.environ["PREFECT_API_URL"] = url
            os.environ["PREFECT_HOME"] = str(folder / HOME)
            with _settings_of_the_environment(folder):
                yield PrefectServer(url, process, folder)
        finally:
            if not ending.was_asked():
                _send_what_waits()
            _restore(before)
            process.stop()


@contextmanager
def _settings_of_the_environment(folder: Path) -> Iterator[None]:
    """Give Prefect the settings that the environment holds now, and no file.

    Those of its import may be the user's, or of a run before this one in the same process.
    """
    with working_in(folder):
        from prefect.context import SettingsContext
        from prefect.settings import Profile, Settings

        settings = Settings()
    with SettingsContext(profile=Profile(name="flawcast", settings={}), settings=settings):
        yield


def _start(folder: Path, port: int, unused: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start our own server, with all its records in one folder."""
    environment = {
        **clean(os.environ, folder),
        **unused,
        # Prefect prefers this name over PREFECT_API_DATABASE_..., which a user may have set.
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / DATABASE}",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    lay_database(folder / DATABASE)
    with (folder / LOG).open("ab") as stream:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
            [*SERVER, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,  # Prefect reads settings from files in its working folder
            start_new_session=True,  # Ctrl-C is for us; we stop it after the workers
        )


@contextmanager
def _free_port() -> Iterator[int]:
    """A free loopback port that is reserved inside this context.

    Ray, which starts beside the server, takes free ports for itself. On Linux a server may listen
    on a port that another socket has bound, if both allow it, as Prefect's does.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
        if sys.platform != "linux":
            holder.close()
        yield port


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
    forget_database()  # it may be what the server could not use; the next one makes its own
    raise FlawcastError(
        f"Prefect server: expected an answer, it ended ({_reason(log)}); try again, or start one "
        "yourself and set PREFECT_API_URL"
    )


def _ask_configured(url: str) -> None:
    """Ask a configured server for its version, as a flow will."""
    from prefect.client.orchestration import SyncPrefectClient

    try:
        with SyncPrefectClient(url, httpx_settings={"timeout": ASK_SECONDS}) as client:
            client.raise_for_api_version_mismatch()
    except Exception as error:  # of many kinds
        causes = [error, error.__cause__ or error.__context__ or error]
        reason = one_line(str(causes[-1]).split(" - Response")[0])
        raise FlawcastError(
            f"Prefect server: expected an answer from {url}, which PREFECT_API_URL or a Prefect "
            f"profile names, got: {reason}; start it, mend the setting, or unset it for a server "
            "of the run's own"
        ) from error


def _reason(log: Path) -> str:
    """The last line of a log that names an error, or else its last line."""
    lines = log.read_text(errors="replace").strip().splitlines() or ["nothing was printed"]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1]).strip()


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
