"""Ten thousand sets: opening and asking stay quick, and care of the store needs no more memory."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flawcast.storage import SampleStore
from flawcast.storage.local import LocalPlace
from tests.paths import ROOT
from tests.storage.examples import sample_set, set_id

MORE_MIB = 48  # the allocators' share; a list of 8,000 sets' rows alone would be more
LOOK_AFTER = """
import pathlib, sys
from flawcast.storage import SampleStore
store = SampleStore.open(sys.argv[1])
count = sum(1 for _ in (store.gc(True, 0) if sys.argv[2] == "gc" else store.find_problems()))
status = pathlib.Path("/proc/self/status").read_text()  # ru_maxrss would be the parent's, too
print(count, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


class LinkedPlace(LocalPlace):
    """A folder whose sets all have the arrays of the first one, as links: made in a moment."""

    first: str | None = None

    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Write the first set's arrays, and link the others'."""
        if self.first is None:
            super().put_folder(folder, contents)
            self.first = folder
        else:
            shutil.copytree(self.root / self.first, self.root / folder, copy_function=os.link)


def fill(root: Path, count: int) -> SampleStore:
    """A store with so many sets, each committed as any other but for the arrays."""
    SampleStore.open(root, "a")
    store, base = SampleStore(LinkedPlace(root), "a"), sample_set(0)
    for number in range(count):
        # Ids as hashes are: their digits are spread evenly.
        name = f"set-{(number * 0x9E3779B97F4A7C15) % 2**64:016x}"
        store.commit(dataclasses.replace(base, id=name, apd=((number * 7919) % count) / count))
    return store


def peak_mib(root: Path, what: str) -> tuple[int, int]:
    """How many things are found, and the peak memory of a process that looks for them."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AFTER, str(root), what],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    count, peak = done.stdout.split()
    return int(count), int(peak)


def seconds(work: Callable[[], Any]) -> float:
    """The quickest of ten times."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nothing is cut off here
    few, many = tmp_path / "few", tmp_path / "many"
    figures: dict[str, Any] = {}
    for root, count in ((few, 2000), (many, 10_000)):
        began = time.perf_counter()
        store = fill(root, count)
        figures[f"fill {count}"] = time.perf_counter() - began
        figures[f"gc of {count} single sets, MiB"] = peak_mib(root, "gc")
        began = time.perf_counter()
        assert store.compact().moved == count
        figures[f"compact {count}"] = time.perf_counter() - began
        began = time.perf_counter()
        figures[f"gc of {count} after compaction, MiB"] = peak_mib(root, "gc")
        figures[f"gc of {count} dry"] = time.perf_counter() - began
    before = seconds(lambda: SampleStore.open(many).set_ids())
    assert sum(1 for _ in store.gc(older_than_hours=0)) == 20_000
    assert len(list((many / "parts").iterdir())) == 2
    opened = seconds(lambda: SampleStore.open(many).set_ids())
    whole = SampleStore.open(many)

    def ask(rows: str, column: str) -> Any:
        return SampleStore.open(many).query(f"{column} > 0.5", f"{column} desc", 20, rows)

    assert ask("sets", "apd")["apd"].to_pylist()[0] == 0.9999
    by_apd, by_diversity = (
        seconds(lambda: ask("sets", "apd")),
        seconds(lambda: ask("samples", "diversity")),
    )
    all_sets = seconds(lambda: whole.query("apd > 0.5"))
    one = seconds(lambda: SampleStore.open(many).row(whole.set_ids()[77]))
    figures |= {
        "open with leftovers": before,
        "open": opened,
        "query sets": by_apd,
        "query samples": by_diversity,
        "query half of the sets": all_sets,
        "one row": one,
    }
    for root, count in ((few, 2000), (many, 10_000)):
        began = time.perf_counter()
        figures[f"verify {count}, MiB"] = peak_mib(root, "verify")
        figures[f"verify {count}"] = time.perf_counter() - began
    print("", *(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    assert set_id(0) in whole.set_ids()
    assert opened < 0.5
    assert by_apd < 0.1
    for what in ("gc of {} single sets, MiB", "gc of {} after compaction, MiB", "verify {}, MiB"):
        small, large = figures[what.format(2000)], figures[what.format(10_000)]
        assert large[1] < small[1] + MORE_MIB, what
    assert figures["verify 10000, MiB"][0] == 0
