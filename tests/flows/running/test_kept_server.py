"""A server that ends in the middle of a run is started anew, but not one that ends with it."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from flawcast.flows.running import ending, kept_server
from flawcast.flows.running.kept_server import KeptServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeptServer]:
    """A process that waits, in place of Prefect's."""
    monkeypatch.setattr(kept_server, "LOOK_SECONDS", 0.02)
    wait = [sys.executable, "-c", "import time; time.sleep(300)"]
    kept = KeptServer(lambda: subprocess.Popen(wait, start_new_session=True))
    kept.keep()
    yield kept
    kept.stop()
    assert kept.process.poll() is not None


def test_one_that_was_killed_is_started_anew(
    server: KeptServer, capsys: pytest.CaptureFixture[str]
) -> None:
    first = server.process
    first.kill()
    deadline = time.monotonic() + 20
    while server.process is first and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.process is not first
    assert "is started anew" in capsys.readouterr().err


def test_one_that_ends_with_its_run_is_not(
    server: KeptServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After four seconds an interrupted run ends its server and its folder from another thread."""
    first = server.process
    monkeypatch.setattr(ending._Request, "asked", True)
    first.kill()
    first.wait()
    time.sleep(0.2)
    assert server.process is first
    assert capsys.readouterr().err == ""
