"""Killed at any moment and started again, a run ends with what an uninterrupted one makes."""

import random
import signal
import time
from pathlib import Path

import pytest

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.model import worker_model
from flawcast.storage import SampleStore
from tests.processes import PROCESSES

SETTINGS = GenerateSettings(past=2, future=2, samples=8, keep=3)
MODES = ("reconstruction", "transfer")


def work(clips: Path, model: Path, store: Path) -> None:
    """What a worker does with its shard: make and commit what is not there yet."""
    loaded = worker_model(model)
    read = loaded.clip_settings()
    request = SetRequest(SETTINGS, read, "run", "0")
    opened = SampleStore.open(store, "a")
    for plan in plan_sets(clips, None, MODES, SETTINGS, read, loaded.weights_id).sets:
        if not opened.has(plan.set_id):
            opened.commit(make_set(plan, loaded, request))


@pytest.fixture(scope="module")
def whole(line_folder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted worker makes."""
    store = tmp_path_factory.mktemp("whole") / "store"
    work(line_folder, tiny_model, store)
    return store


def check_equal(store: Path, whole: Path) -> None:
    """Ids, scores and bytes are those of the whole store, and nothing is damaged."""
    ours, theirs = SampleStore.open(store), SampleStore.open(whole)
    assert ours.set_ids() == theirs.set_ids()
    for set_id in ours.set_ids():
        check_set(ours, theirs, set_id)
    assert ours.verify() == []


def check_set(ours: SampleStore, theirs: SampleStore, set_id: str) -> None:
    """One set is equal in both stores."""
    one, other = ours.load(set_id), theirs.load(set_id)
    assert (one.videos == other.videos).all()
    assert (one.mae == other.mae).all()
    assert one.apd == other.apd


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [2, pytest.param(200, marks=pytest.mark.slow)])
def test_a_worker_killed_at_random_moments(
    kills: int,
    whole: Path,
    line_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    """Killed, started again, killed; a reader that looks in between never sees a broken set.

    A store that has become complete is compared with the whole one, and a new one is begun.
    """
    draw = random.Random(kills)  # noqa: S311 - moments, no secrets
    theirs = SampleStore.open(whole)
    number, done = 0, 0
    for name in ("first", "timed"):  # the first one waits for imports, the others do not
        began = time.monotonic()
        run_worker(line_folder, tiny_model, tmp_path / name, None)
        once = time.monotonic() - began  # how long an uninterrupted worker takes
    while done < kills:
        store = tmp_path / f"store-{number}"
        moment = draw.uniform(0.1 * once, 1.1 * once)
        killed = run_worker(line_folder, tiny_model, store, moment)
        done += killed
        if (store / "store.json").is_file():
            ours = SampleStore.open(store)
            for set_id in ours.set_ids():
                check_set(ours, theirs, set_id)
        if not killed:
            check_equal(store, whole)
            number += 1
    last = tmp_path / f"store-{number}"
    run_worker(line_folder, tiny_model, last, None)
    check_equal(last, whole)
    opened = SampleStore.open(last, "a")
    list(opened.gc(older_than_hours=0))
    check_equal(last, whole)
    assert list(opened.gc(dry_run=True, older_than_hours=0)) == []


def run_worker(clips: Path, model: Path, store: Path, moment: float | None) -> bool:
    """Let a worker work, to its end or to a moment in seconds; whether it was killed."""
    worker = PROCESSES.Process(target=work, args=(clips, model, store))
    worker.start()
    worker.join(moment)
    if worker.is_alive():
        worker.kill()
    worker.join()
    assert worker.exitcode in (0, -signal.SIGKILL)
    return worker.exitcode != 0
