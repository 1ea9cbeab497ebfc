"""Steps over a store of very many sets, each run in a process of its own: seconds and memory.

python -m tests.storage.at_scale STORE STEP [SETS]
"""

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.storage import SampleStore
from flawcast.storage.compaction import compact
from flawcast.storage.ids import IdSet
from flawcast.storage.layout import row_file, samples_file
from flawcast.storage.local import LocalPlace
from flawcast.storage.rows import encode_rows, sealed
from flawcast.storage.schema import COMMITS, SAMPLES
from tests.storage.simulated import rows_of, simulated_id

Figures = dict[str, Any]


def memory(key: str = "VmHWM") -> float:
    """MiB of this process, at most so far ("VmHWM") or now ("VmRSS")."""
    status = Path("/proc/self/status").read_text()  # ru_maxrss would be the parent's, too
    return int(status.split(f"{key}:")[1].split()[0]) / 1024


def open_and_find(root: str, sets: int) -> Figures:
    """Open, and look a set up."""
    store = SampleStore.open(root)
    return {"row": store.row(simulated_id(sets // 2))["set_id"]}


def list_ids(root: str, sets: int) -> Figures:
    """All ids."""
    return {"sets": len(SampleStore.open(root).ids())}


def snapshot(root: str, sets: int) -> Figures:
    """A snapshot, whether it holds a set, and its bytes for a worker."""
    import pickle

    store = SampleStore.open(root, snapshot=True)
    return {"has": store.has(simulated_id(3)), "sent MB": len(pickle.dumps(store)) / 1e6}


def query(rows: str, where: str | None, order: str, root: str, sets: int) -> Figures:
    """Twenty rows; a second time in the same process; and once more after opening anew."""
    store = SampleStore.open(root)
    table = store.query(where, order, 20, rows)
    clock, cpu = time.perf_counter(), time.process_time()
    assert store.query(where, order, 20, rows).equals(table)
    again = time.perf_counter() - clock, time.process_time() - cpu
    return {"again s": again[0], "again CPU s": again[1], "rows": table.num_rows}


def loader(root: str, sets: int) -> Figures:
    """The index of a dataset of all samples, an order by diversity, and one row."""
    from flawcast.storage import SampleSetDataset
    from flawcast.storage.sampling import sampler_for

    dataset = SampleSetDataset(root, on_test="leave_out")
    index = time.process_time()
    order = sampler_for(dataset, "diversity", count=1000).order()
    row = dataset.rows[int(order[0])]
    return {
        "samples": len(dataset),
        "left out": dataset.left_out,
        "index MB": dataset.rows.nbytes / 1e6,
        "order CPU s": time.process_time() - index,
        "row": row["sample_id"],
    }


def plan(share: float, root: str, sets: int) -> Figures:
    """Which of a run's sets are missing; such a share of them is."""
    from flawcast.flows.generate.plan import Plan
    from flawcast.flows.generate.run import missing_sets

    planned = simulated_plan(sets + int(sets * share / (1 - share)))
    missing, _ = missing_sets(SampleStore.open(root), Plan(planned), False)
    return {"planned": len(planned), "missing": len(missing)}


def hashes(root: str, sets: int) -> Figures:
    """Ids of a run's sets from clips that were read, for a tenth of the sets."""
    from flawcast.flows.generate.plan import PlannedSets

    like = simulated_plan(sets // 10)
    settings = simulated_settings()
    planned = PlannedSets.plan(
        like.clips, like.clips, ("reconstruction",), settings, "weights-0", None, lambda c, w: c
    )
    return {"planned": len(planned)}


def run(root: str, sets: int) -> Figures:
    """A run of so many sets in this process, from its plan to its summary; nothing is rendered."""
    import dataclasses

    from flawcast.flows.generate.plan import Plan
    from flawcast.flows.generate.request import GenerateRequest
    from flawcast.flows.generate.run import _count, missing_sets
    from flawcast.flows.generate.sample_set import SetRequest
    from flawcast.flows.generate.shards import Shard, cut_shards
    from flawcast.flows.generate.summary import summarise
    from flawcast.flows.running.display import Display
    from flawcast.flows.running.executor import Here
    from flawcast.flows.running.pieces import Job, Stage
    from flawcast.flows.running.progress import SetDone, current_receiver
    from flawcast.generators.model import find_model

    class Quick(Shard):
        """A shard whose sets take no time."""

        def work(self) -> None:
            """Tell that each set is done."""
            tell = current_receiver()
            for one in self.plans:
                tell(SetDone(self.number, one.set_id, one.title, True))

    before = memory("VmRSS")
    store, planned = SampleStore.open(root), simulated_plan(sets)
    request = GenerateRequest(clips=Path("clips"), model=find_model("demo"), store="s", workers=1)
    wanted = SetRequest(simulated_settings(), None, "run", "0")  # type: ignore[arg-type]
    nothing, _ = missing_sets(store, Plan(planned), False)
    shards = [
        Quick(**{field.name: getattr(shard, field.name) for field in dataclasses.fields(shard)})
        for shard in cut_shards(planned, request, wanted, "gru", "weights-0")
    ]
    display = Display.silent()
    with display.making(shards, 100) as show:
        stage = Stage("shards", lambda: shards)
        Here().run(Job([stage], "run", on_event=show))
    summary = summarise(store, Plan(planned), planned[:1000], "run", 0)
    assert len(nothing) == 0
    assert _count(store, planned) == sets == summary.present + summary.written
    return {"groups": len(summary.groups), "grown MiB": memory() - before}


def add_and_compact(root: str, sets: int) -> Figures:
    """A thousand sets come; compaction writes what is needed."""
    place, store = LocalPlace(Path(root)), SampleStore.open(root, "a")
    new = range(2 * sets, 2 * sets + 1000)
    rows, samples = rows_of(new, 3)
    by_set: dict[str, list[dict[str, Any]]] = {}
    for sample in samples.to_pylist():
        by_set.setdefault(sample["set_id"], []).append(sample)
    for row in rows.to_pylist():
        data = encode_rows(by_set[row["set_id"]], SAMPLES)
        checksums = json.loads(row["checksums"])
        checksums["samples"] = hashlib.sha256(data).hexdigest()
        row = sealed({**row, "checksums": json.dumps(checksums)})
        place.put_new(samples_file(row["arrays"]), data)
        place.put_new(row_file(row["set_id"]), encode_rows([row], COMMITS))
    before = {item.name: item.size for item in place.walk("parts")}
    began = time.process_time()
    done = compact(store._catalogue)
    written = sum(item.size for item in place.walk("parts") if item.name not in before)
    assert set(IdSet(rows["set_id"])) <= store.ids()
    return {
        "moved": done.moved,
        "written MB": written / 1e6,
        "parts MB": sum(before.values()) / 1e6,
        "compaction CPU s": time.process_time() - began,
    }


def garbage(root: str, sets: int) -> Figures:
    """What gc would remove."""
    return {"found": sum(1 for _ in SampleStore.open(root).gc(True, 0))}


def simulated_settings() -> Any:
    """Settings of a run."""
    from flawcast.configs.settings import GenerateSettings

    return GenerateSettings(past=12, future=12, samples=100, keep=20)


def simulated_plan(sets: int) -> Any:
    """A plan of the first sets of a simulated store, forty windows of each clip."""
    from flawcast.flows.generate.plan import PlannedSets
    from flawcast.flows.generate.reading import ReadClip
    from flawcast.generators.clips import ClipEntry

    clips = tuple(
        ReadClip(
            ClipEntry(f"line-{number}.mp4", Path(f"line-{number}.mp4"), "jam"),
            f"clip-{number:016x}",
            24 * 40,
        )
        for number in range(-(-sets // 40))
    )
    numbers = np.arange(sets)
    keys = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    table = np.stack(
        [numbers // 40, 24 * (numbers % 40), np.zeros_like(numbers), np.zeros_like(numbers)], 1
    )
    return PlannedSets(clips, clips, (12, 12), ("reconstruction",), keys, table.astype(np.int32))


def diverse(rows: str, where: str | None, order: str) -> Callable[[str, int], Figures]:
    """A query as a step."""
    return lambda root, sets: query(rows, where, order, root, sets)


STEPS: dict[str, Callable[[str, int], Figures]] = {
    "open, one row": open_and_find,
    "all ids": list_ids,
    "snapshot": snapshot,
    "20 most diverse sets": diverse("sets", None, "apd desc"),
    "20 most diverse of a label": diverse("sets", "label = 'jam' and split = 'train'", "apd desc"),
    "20 most diverse samples": diverse("samples", None, "diversity desc"),
    "plan, nothing missing": lambda root, sets: plan(0.0, root, sets),
    "plan, 1 % missing": lambda root, sets: plan(0.01, root, sets),
    "ids of a tenth of the plan": hashes,
    "loader's index": loader,
    "run of a hundredth": lambda root, sets: run(root, sets // 100),
    "run of a tenth": lambda root, sets: run(root, sets // 10),
    "1,000 new sets": add_and_compact,
    "gc": garbage,
}


def measured(root: str, step: str, sets: int) -> Figures:
    """Do a step, and measure it."""
    if step.startswith(("plan", "ids", "run", "loader")):  # whose imports are not the subject
        import flawcast.flows.generate.run
        import flawcast.flows.generate.summary
        import flawcast.storage.dataset
    import flawcast.storage.first_rows  # noqa: F401

    before = memory("VmRSS")
    clock, cpu = time.perf_counter(), time.process_time()
    found = STEPS[step](root, sets)
    return {
        "s": time.perf_counter() - clock,
        "CPU s": time.process_time() - cpu,
        "peak MiB beyond imports": memory() - before,
        **found,
    }


if __name__ == "__main__":
    _, store, step, *rest = sys.argv
    assert next(itertools.chain(rest, ["1"])).isdigit()
    print(json.dumps(measured(store, step, int(rest[0]) if rest else 1)))
