"""Random videos from a bucket with the latency of a network, beside a local disk and others."""

import importlib.util
import multiprocessing
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from flawcast.configs.errors import one_line
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.bucket_others import OTHERS
from flawcast.flows.benchmarks.made_sets import made_set
from flawcast.flows.benchmarks.slow_bucket import BUCKET, environment, slow_bucket, variables
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.line.clips import draw_line
from flawcast.storage import SampleLoader, SampleSet, SampleSetDataset, SampleStore
from flawcast.storage.reading_order import ReadingOrder

DELAY = 0.02  # seconds that each request waits
WORKERS, BATCH = 4, 4
SETS, KEEP, FRAMES, SIDE = 24, 20, 24, 64
AHEAD = 2 * WORKERS  # batches that workers have ready before the clock starts
LOCAL, NAIVE = "local disk", "bucket, one request after the other"

Epochs = Callable[[], Iterator[int]]


@dataclass(frozen=True)
class Bucket:
    """Where the same videos are.

    Args:
        url: The store in the bucket.
        folder: The store on disk, and room for files.
        direct: Address of the server.
        slow: Address of the proxy.
    """

    url: str
    folder: Path
    direct: str
    slow: str


@BENCHMARKS.register("bucket")
def bucket(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Videos a second by the clock, in random order, with four workers."""
    with tempfile.TemporaryDirectory() as folder, slow_bucket(DELAY) as (direct, slow):
        place = Bucket(f"s3://{BUCKET}/store", Path(folder), direct, slow)
        multiprocessing.set_forkserver_preload(["flawcast.storage.dataset"])
        sets = [_sample_set(number, request.seed) for number in range(SETS)]
        with environment(direct):
            for url in (str(place.folder / "store"), place.url):
                store = SampleStore.open(url, "a")
                for made in sets:
                    store.commit(made)
                store.compact()
            others = {
                name: prepare(place.folder, place.direct, sets)
                for name, prepare in OTHERS.items()
                if importlib.util.find_spec(name) is not None
            }
        failed: dict[str, str] = {}
        with environment(slow):
            rates = _rates(place, request, on_done, others, failed)
    rows: list[Row] = [
        {
            "way": way,
            "videos/s": float(np.median(found)),
            "spread": float(np.ptp(np.percentile(found, [25, 75])) / np.median(found)),
            "of the local rate": float(np.median(found) / np.median(rates[LOCAL])),
            "times the naive way": float(np.median(found) / np.median(rates[NAIVE])),
        }
        for way, found in rates.items()
    ]
    absent = [name for name in OTHERS if name not in others]
    unable = "".join(f"{name} failed: {reason}. " for name, reason in failed.items())
    return Report(
        title=f"bucket: {SETS * KEEP} videos of {FRAMES} frames at {SIDE}x{SIDE}, {WORKERS} "
        f"workers, {1000 * DELAY:.0f} ms added to each request, {request.repeats} repetitions",
        rows=tuple(rows),
        note="by the clock, from the first batches on. first epoch: nothing is here yet. after "
        "warm-up: a second epoch in another order, with a local cache that holds everything. "
        "WebDataset and litdata hold the same compressed videos, a shard for each set; WebDataset "
        "shuffles within a buffer, litdata shards and items; ours takes any order. "
        + unable
        + (f"Not installed: {', '.join(absent)}. " if absent else "")
        + machine(),
        headlines={
            f"{row['way']}, {what}": float(row[what])
            for row in rows
            if "ours" in str(row["way"])
            for what in ("of the local rate", "times the naive way")
        },
    )


def _rates(
    place: Bucket,
    request: BenchmarkRequest,
    on_done: OnDone,
    others: Mapping[str, Callable[[str, Path], Any]],
    failed: dict[str, str],
) -> dict[str, list[float]]:
    """Videos per second of each way, of every repetition."""
    rates: dict[str, list[float]] = {}
    for number in range(request.repeats):
        on_done(number, request.repeats)
        cache = place.folder / f"cache {number}"
        plain = SampleStore.open(place.url)
        plain.pieces = None
        ways: dict[str, tuple[Any, int]] = {
            LOCAL: (str(place.folder / "store"), 1),
            NAIVE: (plain, 1),
            "bucket, ours without a cache": (place.url, 1),
            "bucket, ours": (SampleStore.open(place.url, cache=cache), 2),
        }
        for name, (store, epochs) in ways.items():
            data, seed = SampleSetDataset(store), request.seed + number
            loader = _loader(data, place.slow, seed, epochs > 1)
            found = [_rate(loader) for _ in range(epochs)]
            said = [", first epoch", " after warm-up"] if epochs > 1 else [""]
            for suffix, rate in zip(said, found, strict=True):
                rates.setdefault(name + suffix, []).append(rate)
            del loader
        for name, load in others.items():
            try:
                rate = _rate(load(place.slow, place.folder / f"{name} {number}"))
            except Exception as error:  # theirs, of any kind: our own figures are not lost by it
                failed[name] = one_line(error, limit=120)
            else:
                rates.setdefault(f"{name}, first epoch", []).append(rate)
    on_done(request.repeats, request.repeats)
    return rates


class Elsewhere(Dataset[dict[str, Any]]):
    """A dataset that each worker opens with the variables of a server.

    A fork server may have started before these were set.

    Args:
        dataset: The dataset.
        address: The server.
    """

    def __init__(self, dataset: SampleSetDataset, address: str) -> None:
        self._data, self._address, self._count = pickle.dumps(dataset), address, len(dataset)
        self._order: ReadingOrder | None = None
        self._opened: SampleSetDataset | None = None

    def __len__(self) -> int:
        return self._count

    def expect(self, order: ReadingOrder) -> None:
        """The order of an epoch."""
        self._order = order

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """The items of a batch."""
        if self._opened is None:
            os.environ.update(variables(self._address))
            opened: SampleSetDataset = pickle.loads(self._data)  # noqa: S301 - our own
            if self._order is not None:
                opened.expect(self._order)
            self._opened = opened
        return self._opened.__getitems__(indices)


def _loader(dataset: SampleSetDataset, address: str, seed: int, persistent: bool) -> SampleLoader:
    """A loader with workers that begin quickly."""
    return SampleLoader(
        Elsewhere(dataset, address),
        BATCH,
        seed=seed,
        num_workers=WORKERS,
        multiprocessing_context="forkserver",
        persistent_workers=persistent,
    )


def _rate(loader: Any) -> float:
    """Videos per second of an epoch, without the start of its workers."""
    batches = 0
    began = 0.0
    for batches, _ in enumerate(loader, start=1):
        if batches == AHEAD:
            began = time.perf_counter()
    return (batches - AHEAD) * BATCH / (time.perf_counter() - began)


def _sample_set(number: int, seed: int) -> SampleSet:
    """A set whose videos are clips of the line, each shifted in time and light."""
    clip = next(iter(draw_line(1, seed + number, FRAMES, SIDE)))
    videos = np.stack([_changed(clip.frames, rank) for rank in range(KEEP)])
    name = f"clip-{number}"
    return made_set(
        seed * SETS + number,
        videos,
        np.zeros((KEEP, FRAMES, 2), np.float32),
        (clip.frames[:2], clip.frames),
        np.linspace(0, 1, KEEP, dtype=np.float32),
        clip_id=name,
        clip_name=name,
        source_clip_id=name,
        source_clip_name=name,
        label="normal",
        seed=seed,
    )


def _changed(frames: NDArray[np.uint8], rank: int) -> NDArray[np.uint8]:
    """A clip that begins at another frame, a little darker, with noise of its own."""
    rng = np.random.default_rng(rank)
    noise = rng.normal(0, 1, frames.shape)
    changed = np.roll(frames, rank, axis=0) * (1 - 0.005 * rank) + noise
    return np.clip(changed, 0, 255).astype(np.uint8)
