"""One executor for all work: order, failures, threads and events; in this process and on Ray."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
import torch
from prefect.client.orchestration import get_client

from flawcast.configs.errors import FlawcastError, SettingsError
from flawcast.flows.running.executor import Here, OnRay, place_of
from flawcast.flows.running.pieces import Failure, Job, PartsError, Stage
from flawcast.flows.running.prefect_server import prefect_api
from flawcast.flows.running.progress import SetDone, current_receiver
from flawcast.flows.running.services import run_folder


@dataclass(frozen=True)
class Note:
    """A piece that counts its tries in a file, tells of it, and may fail."""

    folder: Path
    title: str
    failure: str = ""

    def work(self) -> None:
        """Leave a line for this try."""
        with (self.folder / self.title).open("a") as stream:
            stream.write(f"{torch.get_num_threads()}\n")
        current_receiver()(SetDone(1, self.title, f"{self.title} is done", True))
        if self.failure == "passing" and len(tries(self.folder, self.title)) < 2:
            raise PartsError([Failure("disk", "is full", lasting=False)])
        if self.failure == "lasting":
            raise PartsError([Failure(name, "too short", lasting=True) for name in ("a", "b")])
        if self.failure == "mistake":
            raise ZeroDivisionError("by nothing")


def tries(folder: Path, title: str) -> list[str]:
    """Torch threads of each try of a piece."""
    path = folder / title
    return path.read_text().splitlines() if path.is_file() else []


def stage(name: str, pieces: Sequence[Note], retries: int = 0, threads: int = 1) -> Stage:
    return Stage(name, lambda: pieces, parts="sets", retries=retries, threads=threads)


def test_stages_are_listed_when_those_before_are_done(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def second() -> list[Note]:
        seen.append(tries(tmp_path, "first"))
        return [Note(tmp_path, "second")]

    done: list[tuple[str, int, int]] = []
    stages = [stage("one", [Note(tmp_path, "first")]), Stage("two", second)]
    Here().run(Job(stages, "job", on_done=lambda *step: done.append(step)))
    assert seen == [["1"]]
    assert tries(tmp_path, "second") == ["1"]
    assert done == [("one", 0, 1), ("one", 1, 1), ("two", 0, 1), ("two", 1, 1)]


def test_one_failure_stops_its_stage_only_at_its_end(tmp_path: Path) -> None:
    pieces = [
        Note(tmp_path, "p", "lasting"),
        Note(tmp_path, "q", "mistake"),
        Note(tmp_path, "r"),
    ]
    stages = [stage("shards", pieces, retries=2), stage("after", [Note(tmp_path, "s")])]
    with pytest.raises(FlawcastError) as caught:
        Here().run(Job(stages, "job"))
    assert str(caught.value) == (
        "2 sets and 1 of 3 shards failed, the first with: a: too short; what is finished is kept, "
        "run the same command again for the rest"
    )
    counts = {name: len(tries(tmp_path, name)) for name in "pqrs"}
    assert counts == {"p": 1, "q": 1, "r": 1, "s": 0}


def test_threads_are_set_for_a_piece_and_put_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    Here().run(Job([stage("one", [Note(tmp_path, "a")], threads=before + 1)], "job"))
    assert tries(tmp_path, "a") == [str(before + 1)]
    assert torch.get_num_threads() == before


@dataclass(frozen=True)
class Killed:
    """A piece that is told to end while it works."""

    title: str = "killed"

    def work(self) -> None:
        """Never ends by itself."""
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(60)


def test_sigterm_is_like_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        Here().run(Job([Stage("one", lambda: [Killed()])], "job"))
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_nobody_listens_to_is_told_to_nobody(tmp_path: Path) -> None:
    Note(tmp_path, "a").work()
    Here().run(Job([stage("one", [Note(tmp_path, "a")])], "job"))
    assert len(tries(tmp_path, "a")) == 2


def test_workers_and_address_decide_the_place() -> None:
    wanted: list[tuple[Here | OnRay, Here | OnRay]] = [
        (place_of(0, None), Here()),
        (place_of(1, None), OnRay(None, 1)),
        (place_of(1, None, fewest=2), Here()),
        (place_of(2, None, fewest=2), OnRay(None, 2)),
        (place_of(1, "host:1", fewest=2), OnRay("host:1", 1)),
    ]
    for found, place in wanted:
        assert found == place
    with pytest.raises(SettingsError, match="got 0, which works in this process"):
        place_of(0, "host:1")


def test_on_ray_failures_that_may_pass_are_tried_again(tmp_path: Path) -> None:
    """And lasting ones are not; the flow, its tasks and the log are called as ever."""
    pieces = [
        Note(tmp_path, "passes", "passing"),
        Note(tmp_path, "lasts", "lasting"),
        Note(tmp_path, "works {braces}"),
    ]
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers see no tests
    told: list[object] = []
    stages = [Stage("shards", lambda: pieces, parts="sets", retries=1, task="make-sets")]
    job = Job(stages, "clips {a}, gru", "flawcast-generate", on_event=told.append)
    with run_folder() as folder, prefect_api(folder):
        with pytest.raises(FlawcastError, match=r"^2 sets failed, the first with: a: too short"):
            OnRay(None, 1).run(job)
        with get_client(sync_client=True) as client:
            (flow,) = client.read_flows()
            (run,) = client.read_flow_runs()
            tasks = client.read_task_runs()
    counts = {piece.title: len(tries(tmp_path, piece.title)) for piece in pieces}
    assert counts == {"passes": 2, "lasts": 1, "works {braces}": 1}
    assert {event.set_id for event in told if isinstance(event, SetDone)} == set(counts)
    assert (flow.name, run.name) == ("flawcast-generate", "clips {a}, gru")
    assert {task.name for task in tasks} == set(counts)


def test_this_process_needs_neither_prefect_nor_ray(
    line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """A real, small run; what it tells goes to its display."""
    code = (
        "import sys\n"
        "import flawcast\n"
        "clips, model, store = sys.argv[1:]\n"
        "settings = flawcast.GenerateSettings(samples=4, keep=2)\n"
        "request = flawcast.GenerateRequest(\n"
        "    clips=clips, model=model, store=store, settings=settings, workers=0\n"
        ")\n"
        "assert flawcast.generate(request).written == 3\n"
        "assert not {'ray', 'prefect', 'prefect_ray'} & set(sys.modules)\n"
    )
    words = map(str, (line_folder, tiny_model, tmp_path / "store"))
    subprocess.run([sys.executable, "-c", code, *words], check=True)
