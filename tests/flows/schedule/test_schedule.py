"""Nightly runs on a real Prefect server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client

from flawcast.configs.errors import SettingsError
from flawcast.flows.generate.request import GenerateRequest, as_trained
from flawcast.flows.running.prefect_server import prefect_api
from flawcast.flows.running.services import run_folder
from flawcast.flows.schedule.alarms import AlarmSettings
from flawcast.flows.schedule.nightly import nightly
from flawcast.flows.schedule.serve import read_schedule
from flawcast.generators.model import shipped_model
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake
from tests.paths import ROOT

FLAWCAST = Path(sys.executable).with_name("flawcast")
TINY: dict[str, Any] = {
    "settings": {"past": 4, "future": 4, "samples": 4, "keep": 2},
    "workers": 1,
    "windows": 1,
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A Prefect server of its own for these tests."""
    with run_folder() as folder, prefect_api(folder) as url:
        yield url


@pytest.fixture
def config(line_folder: Path, tiny_model: Path, tmp_path: Path) -> Path:
    """A schedule's configuration file, with paths relative to it."""
    path = tmp_path / "nightly.yaml"
    clips = os.path.relpath(line_folder, tmp_path)
    request = {"clips": clips, "model": str(tiny_model), "store": "store", **TINY}
    content = {"name": tmp_path.name, "request": request, "alarms": {"empty": True}}
    path.write_text(yaml.safe_dump(content))
    return path


def runs_of(deployment: str | None) -> list[Any]:
    """Flow runs of the nightly flow, the first first; of one deployment, or of none."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
        wanted = None
        if deployment is not None:
            found = client.read_deployments()
            wanted = next((item.id for item in found if item.name == deployment), None)
            if wanted is None:
                return []
        flows = {flow.id: flow.name for flow in client.read_flows()}
    kept = [run for run in runs if run.deployment_id == wanted and flows[run.flow_id] == "flawcast"]
    return sorted(kept, key=lambda run: run.expected_start_time)


def test_a_run_says_how_it_went_and_a_second_writes_nothing(server: str, config: Path) -> None:
    chosen = read_schedule(config)
    nightly(chosen.request, chosen.alarms)
    store = SampleStore.open(chosen.request.store)
    first = store.set_ids()
    assert len(first) == 3
    nightly(chosen.request, chosen.alarms)
    assert store.set_ids() == first
    runs = runs_of(None)
    assert [run.state_name for run in runs] == ["Completed", "Completed"]
    assert {run.name for run in runs} == {"clips, reconstruction, gru_nf"}
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={}).json()
        tasks = client.read_task_runs()
    texts = [str(item["data"]) for item in found if item["key"] == "flawcast-run"]
    assert len(texts) == 2
    written = next(text for text in texts if "3 sets written" in text)
    assert "data:image/jpeg;base64," in written
    assert "| jam | reconstruction | 1 |" in written
    empty = next(text for text in texts if "0 sets written" in text)
    assert "**empty**" in empty
    shards = [task.name for task in tasks if " sets, " in task.name]
    assert shards
    assert all("reconstruction, gru_nf" in name and ".mkv" in name for name in shards)
    states = [row["state"] for row in store.query(rows="runs").to_pylist()]
    assert states == ["completed", "completed"]


def test_the_parameters_are_known_to_the_server(server: str) -> None:
    """Prefect's UI shows and checks them from this schema."""
    schema = nightly.parameters.model_dump()
    assert set(schema["properties"]) == {"request", "alarms", "metrics"}
    assert {"GenerateRequest", "GenerateSettings", "AlarmSettings"} <= set(schema["definitions"])
    with pytest.raises(Exception, match="keep"):
        nightly.validate_parameters(
            {
                "request": {"clips": "c", "model": "m", "store": "s", "settings": {"keep": 1}},
                "alarms": AlarmSettings(),
            }
        )


def test_relative_paths_are_relative_to_the_file(config: Path, line_folder: Path) -> None:
    chosen = read_schedule(config)
    assert chosen.request.clips.resolve() == line_folder.resolve()
    assert Path(chosen.request.store) == config.parent / "store"
    values = yaml.safe_load(config.read_text())
    values["request"] |= {"store": "s3://bucket/store", "model": "demo"}
    config.write_text(yaml.safe_dump(values))
    chosen = read_schedule(config)
    assert chosen.request.store == "s3://bucket/store"
    assert as_trained(chosen.request).model == shipped_model("demo")
    folder = config.parent / "demo"
    shutil.copytree(shipped_model("demo"), folder)
    assert read_schedule(config).request.model == folder


def test_a_horizon_that_is_left_open_is_the_models(config: Path) -> None:
    values = yaml.safe_load(config.read_text())
    values["request"]["settings"] = {"samples": 4, "keep": 2, "future": 3}
    config.write_text(yaml.safe_dump(values))
    chosen = as_trained(read_schedule(config).request).settings
    assert (chosen.past, chosen.future, chosen.samples) == (4, 3, 4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("request: 3", "request"),
        ("[1]", "expected settings by name"),
        ("request: {clips: a, model: b, store: c, sets: 3}", "request.sets"),
        ("alarms: {drift: -1}\nrequest: {clips: a, model: b, store: c}", "alarms.drift"),
    ],
    ids=["no section", "list", "unknown", "negative"],
)
def test_wrong_files_are_named(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(SettingsError, match=reason):
        read_schedule(tmp_path / "a.yaml")


def test_wrong_times_are_named(config: Path) -> None:
    assert 'expected five fields such as "0 2 * * *"' in mistake(
        "schedule", config, "--cron", "boo"
    )
    assert "expected a YAML file" in mistake("schedule", "none.yaml", "--cron", "0 2 * * *")


def test_a_request_travels_as_json(config: Path) -> None:
    request = read_schedule(config).request
    again = GenerateRequest.model_validate(json.loads(request.model_dump_json()))
    assert again == request


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_schedule_fires_twice(server: str, config: Path) -> None:
    """Completed and Completed, the second with zero sets written."""
    command = [FLAWCAST, "schedule", config, "--cron", "* * * * *"]
    process = subprocess.Popen(list(map(str, command)))
    try:
        end = time.monotonic() + 400
        done: list[Any] = []
        while len(done) < 2 and time.monotonic() < end:
            time.sleep(2)
            done = [
                run for run in runs_of(config.parent.name) if run.state and run.state.is_final()
            ]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0  # told to end, a server has done what it was to do
    assert [run.state_name for run in done[:2]] == ["Completed", "Completed"]
    rows = SampleStore.open(config.parent / "store").query(rows="runs", order_by="started")
    assert rows["made"].to_pylist()[:2] == [3, 0]


@pytest.mark.slow
def test_prefect_yaml_deploys_and_a_worker_runs_it(
    server: str, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """`prefect deploy` registers the nightly run; a worker makes the sets in FLAWCAST_HOME."""
    prefect = FLAWCAST.with_name("prefect")
    folder = ROOT
    (tmp_path / "clips").symlink_to(line_folder)
    (tmp_path / "model").symlink_to(tiny_model)
    environment = {**os.environ, "PREFECT_API_URL": server, "FLAWCAST_HOME": str(tmp_path)}

    def call(*words: str) -> None:
        command = [str(prefect), "--no-prompt", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=120)

    call("work-pool", "create", "flawcast", "--type", "process")
    call("deploy", "--name", "nightly")
    request = {"clips": "clips", "model": "model", "store": "store", **TINY}
    call("deployment", "run", "flawcast/nightly", "--param", f"request={json.dumps(request)}")
    call("worker", "start", "--pool", "flawcast", "--type", "process", "--run-once")
    assert len(SampleStore.open(str(tmp_path / "store")).set_ids()) == 3
    assert [run.state_name for run in runs_of("nightly")][:1] == ["Completed"]
