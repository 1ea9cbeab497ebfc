"""The Prefect server that comes and goes with a run."""

from pathlib import Path

import httpx
import pytest

from flawcast.flows.running.prefect_server import UNUSED_BY_A_RUN, prefect_server


def test_a_run_has_only_the_services_that_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with prefect_server(tmp_path, UNUSED_BY_A_RUN) as server:
        server.wait()
        said = httpx.get(f"{server.url}/admin/settings", timeout=60).json()
    services = said["server"]["services"]
    on = {name for name, settings in services.items() if settings.get("enabled") is True}
    # Events and states of tasks are written down; the logger of events is off by default.
    assert {"event_persister", "task_run_recorder"} <= on
    assert on <= {"event_persister", "task_run_recorder", "db_vacuum"}
