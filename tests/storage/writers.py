"""What the processes do that tests start and kill; imports nothing heavy."""

import dataclasses
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np

from flawcast.configs.errors import StoreError
from flawcast.storage import SampleSet, SampleStore, layout
from tests.processes import PROCESSES
from tests.storage.examples import sample_set, set_id


def assert_equal(found: SampleSet, wanted: SampleSet) -> None:
    """Every field is the same, bit for bit."""
    for field in dataclasses.fields(SampleSet):
        ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype, field.name
            assert np.array_equal(ours, theirs), field.name
        else:
            assert ours == theirs or (ours != ours and theirs != theirs), field.name


def kill_at(url: str, call: str, folder: str, count: int, after: bool) -> None:
    """Commit a set and be killed at a call to the operating system about one of the folders."""
    real: Callable[..., Any] = getattr(os, call)
    calls = 0

    def killing(*args: Any, **options: Any) -> Any:
        nonlocal calls
        if folder not in str(args[0]):
            return real(*args, **options)
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **options)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    store = SampleStore.open(url, "a")
    setattr(os, call, killing)
    store.commit(sample_set(1))


def commit_all(url: str, seeds: list[int]) -> None:
    """Commit one set after the other."""
    store = SampleStore.open(url, "a")
    for seed in seeds:
        store.commit(sample_set(seed))


def commit_together(url: str, seeds: list[int], barrier: Any, written: Any) -> None:
    """Commit each set at the same moment as the other writers."""
    store = SampleStore.open(url, "a")
    for seed in seeds:
        barrier.wait(60)
        written.put((seed, store.commit(sample_set(seed))))


def review_together(url: str, samples: list[str], review: str, barrier: Any) -> None:
    """Review each sample at the same moment as the other reviewers."""
    store = SampleStore.open(url, "a")
    for sample_id in samples:
        barrier.wait(60)
        store.review(sample_id, review)


def kill_at_request(url: str, kind: str, count: int, after: bool) -> None:
    """Commit a set and be killed at one of the client's writes of a kind."""
    store = SampleStore.open(url, "a")
    calls = 0

    def killing(real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal calls
            if kind not in str(args[1]):
                return real(*args, **options)
            calls += 1
            mine = calls == count  # several threads send arrays
            if mine and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **options)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    import obstore

    obstore.put = killing(obstore.put)
    store.commit(sample_set(1))


def kill_change_at_request(url: str, action: str, kind: str, after: bool) -> None:
    """Do one of WORKS and be killed at the client's first write of a kind."""
    import obstore

    store, real = SampleStore.open(url, "a"), obstore.put

    def killing(*args: Any, **options: Any) -> Any:
        mine = kind in str(args[1])
        if mine and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **options)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    obstore.put = killing
    word, *arguments = action.split()
    WORKS[word](store, arguments)


STEPS = ("mkdir", "replace", "rename", "link", "unlink", "rmdir", "fsync", "scandir")


def work(url: str, action: str) -> None:
    """Do something to a store: one of WORKS with its arguments."""
    word, *arguments = action.split()
    WORKS[word](SampleStore.open(url, "a"), arguments)


WORKS: dict[str, Callable[[SampleStore, list[str]], object]] = {
    "compact": lambda store, _: store.compact(),
    "gc": lambda store, _: list(store.gc(older_than_hours=0)),
    "commit": lambda store, seeds: store.commit(sample_set(int(seeds[0]))),
    "again": lambda store, seeds: store.commit(sample_set(int(seeds[0])), again=True),
    "forget": lambda store, seeds: store.forget(set_id(int(seed)) for seed in seeds),
    "undo": lambda store, seeds: store.undo_forget(set_id(int(seed)) for seed in seeds),
    "tag": lambda store, names: store.tag(names[0]),
    "untag": lambda store, names: store.delete_tag(names[0]),
}


def work_until(url: str, action: str, step: int) -> None:
    """Do it, and be killed just before a call to the operating system; step 1 is the first."""
    calls = 0

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in STEPS:
        setattr(os, name, counting(getattr(os, name)))
    work(url, action)


def killed(url: str, action: str, step: int) -> bool:
    """Do something in a process that is killed at a step; False if it was over before."""
    process = PROCESSES.Process(target=work_until, args=(url, action, step))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def die_in_a_run(url: str) -> None:
    """Begin a run and be killed in it."""
    with SampleStore.open(url, "a").ledger.run("run-killed", {}, 1):
        os.kill(os.getpid(), signal.SIGKILL)


def tend(url: str, over: Any) -> None:
    """Compact and collect garbage until an event is set, with a grace age of 2 seconds."""
    store = SampleStore.open(url, "a")
    while not over.is_set():
        store.compact()
        for _ in store.gc(older_than_hours=2 / 3600):
            pass
        over.wait(0.02 if store.compact().moved else 0.3)


def commit_killed_at_random(url: str, seeds: list[int], number: int) -> None:
    """Commit sets in an order of its own, and be killed after a random time."""
    rng = np.random.default_rng(number)
    delay = rng.uniform(0.0, 0.15)
    if url.startswith("s3://"):
        delay *= 4  # several requests a set
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, max(delay, 1e-4))
    commit_all(url, [int(seed) for seed in rng.permutation(seeds)])


def commit_in_haste(url: str, seeds: list[int]) -> None:
    """Commit sets, each within half a second or once more: what is older may be collected."""
    layout.ATTEMPT_SECONDS = 0.5  # type: ignore[assignment]
    store = SampleStore.open(url, "a")
    for seed in seeds:
        for _ in range(20):
            try:
                store.commit(sample_set(seed))
                break
            except StoreError as error:
                if "took longer" not in str(error):
                    raise


def forget_together(url: str, seeds: list[int], barrier: Any, answers: Any) -> None:
    """Forget each set at the same moment as others do; the answer is whether it was this one."""
    store = SampleStore.open(url, "a")
    for seed in seeds:
        barrier.wait(60)
        try:
            answers.put((seed, store.forget([set_id(seed)]) == [set_id(seed)]))
        except StoreError as error:
            if "forgotten already" not in str(error):
                raise
            answers.put((seed, False))


def tag_together(url: str, names: list[str], barrier: Any, answers: Any) -> None:
    """Make each tag at the same moment as others do; the answer is whether it was this one."""
    store = SampleStore.open(url, "a")
    for name in names:
        barrier.wait(60)
        try:
            store.tag(name)
            answers.put((name, True))
        except StoreError as error:
            if "it is there" not in str(error):
                raise
            answers.put((name, False))


def change_versions_until(url: str, over: Any) -> None:
    """Tag, forget, undo, make again and collect garbage until an event is set."""
    store = SampleStore.open(url, "a")
    rng = np.random.default_rng(0)
    while not over.is_set():
        name = f"t{rng.integers(1000)}"
        try:
            store.tag(name)
            some = [str(item) for item in rng.choice(store.set_ids(), 3, replace=False)]
            store.forget(some)
            if rng.random() < 0.5:
                store.undo_forget()
            else:
                for forgotten in some:
                    store.commit(sample_set(int(forgotten[4:], 16)), again=True)
            store.delete_tag(name)
        except StoreError as error:
            if "it is there" not in str(error):  # the name was drawn before
                raise
