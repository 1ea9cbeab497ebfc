"""What `--log-json` writes: one object a line, from the run and from its workers."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running import logs
from flawcast.flows.running.display import Display
from flawcast.flows.running.executor import OnRay
from flawcast.flows.running.pieces import Job, Stage
from flawcast.flows.running.stages import Stopwatch, stage, timed
from tests.flows.commands.running import mistake, run


@pytest.fixture(autouse=True)
def _nothing_stays_on() -> Iterator[None]:
    yield
    logs.write_to(None)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def generate(folder: Path, clips: Path, model: Path, *words: object) -> tuple[int, str]:
    """A small run in this process; its exit code and what stood on standard error."""
    small = ["--samples", "4", "--keep", "2", "--windows", "1", "--workers", "0"]
    done = run(*("generate", clips, "--model", model, "--store", folder / "store", *small, *words))
    return done.returncode, done.stderr


def test_a_run_is_told_line_by_line(tmp_path: Path, line_folder: Path, tiny_model: Path) -> None:
    path = tmp_path / "run.log"
    assert generate(tmp_path, line_folder, tiny_model, "--log-json", path)[0] == 0
    told = lines(path)
    for line in told:
        assert list(line)[:6] == ["time", "level", "run_id", "set_id", "stage", "message"]
        assert line["worker"].endswith(f":{os.getpid()}")
    (run_id,) = {line["run_id"] for line in told}
    assert run_id.startswith("run-")
    made = [line for line in told if line["set_id"]]
    assert len(made) == 3
    for line in made:
        assert (line["level"], line["stage"], line["fresh"]) == ("INFO", "commit", True)
        assert list(line["seconds"]) == ["observe", "sample", "render", "commit"]
        assert all(took > 0 for took in line["seconds"].values())
    assert told[-1]["written"] == 3
    times = [line["time"] for line in told]
    assert times == sorted(times)
    assert generate(tmp_path, line_folder, tiny_model, "--log-json", path)[0] == 0  # it grows
    assert lines(path)[: len(told)] == told
    assert lines(path)[-1]["present"] == 3


def test_standard_error_has_json_alone(tmp_path: Path, line_folder: Path, tiny_model: Path) -> None:
    code, said = generate(tmp_path, line_folder, tiny_model, "--log-json", "-", "--keep", "9")
    assert code == 1
    (line,) = map(json.loads, said.splitlines())
    assert line["level"] == "ERROR"
    assert line["message"].startswith("keep: expected at most samples = 4")


def test_without_it_nothing_is_logged(tmp_path: Path, line_folder: Path, tiny_model: Path) -> None:
    code, said = generate(tmp_path, line_folder, tiny_model)
    assert code == 0
    assert "{" not in said
    assert not logs.is_on()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    said = mistake("generate", "clips", "--store", "s", "--log-json", tmp_path / "none" / "a.log")
    assert "log-json: expected a file that can be written" in said


def test_long_work_leaves_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    logs.write_to(str(path))
    with Display.silent().training("motion", 1000) as on_step, logs.about(run_id="r"):
        for step in range(1, 1001):
            on_step(step, "l1 0.1")
    told = lines(path)
    assert [line["done"] for line in told] == list(range(50, 1001, 50))
    assert told[0]["message"] == "motion: 50 of 1000; l1 0.1"
    with Display.silent().stages() as on_done:
        for done in (0, 0, 1, 1, 2):
            on_done("fits", done, 2)
    assert [line["done"] for line in lines(path)[len(told) :]] == [0, 1, 2]


def test_what_a_worker_logs_is_told_as_its_own(tmp_path: Path) -> None:
    """Sent as a message, written by the run, with the worker's time and name."""
    sent: list[logs.Logged] = []
    with logs.forwarded(sent.append, wanted=True), logs.about(run_id="run-1"):
        logs.log("made", stage="commit", set_id="set-1")
    with logs.forwarded(sent.append, wanted=False):
        logs.log("made")
    (one,) = sent
    logs.write_to(str(tmp_path / "run.log"))
    logs.replay(logs.Logged(one.created, logging.WARNING, one.message, one.about | {"worker": "w"}))
    (line,) = lines(tmp_path / "run.log")
    told = {name: line[name] for name in ("level", "run_id", "set_id", "stage", "worker")}
    assert told == {
        **{"level": "WARNING", "run_id": "run-1", "set_id": "set-1"},
        **{"stage": "commit", "worker": "w"},
    }


@dataclass(frozen=True)
class Telling:
    """A piece that logs, and fails."""

    title: str = "telling"

    def work(self) -> None:
        """Log a line."""
        logs.log("from afar", set_id="set-1", pid=os.getpid())
        raise FlawcastError("no more")


@pytest.mark.slow
def test_ray_workers_send_what_they_log(tmp_path: Path) -> None:
    logs.write_to(str(tmp_path / "run.log"))
    with pytest.raises(FlawcastError, match="no more"):
        OnRay(None, 1).run(Job([Stage("one", lambda: [Telling()])], "job"))
    found = [line for line in lines(tmp_path / "run.log") if line["message"] == "from afar"]
    assert [line["set_id"] for line in found] == ["set-1"]
    assert found[0]["pid"] != os.getpid()
    assert found[0]["worker"].endswith(f":{found[0]['pid']}")


def test_stages_add_up_and_say_where_it_stopped() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="x"), timed(watch):  # noqa: PT012 - in this order
        for _ in range(2):
            with stage("observe"):
                pass
        with stage("render"):
            raise ValueError("x")
    assert list(watch.seconds) == ["observe", "render"]
    assert watch.at == "render"
