"""What a store's runs came to, for Prometheus: a file for node_exporter, or an address.

Every figure is read from the store's own ledger. So counters go on where they were after a restart,
whichever machine the runs were on, and a run that was killed is counted as lost.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flawcast.configs.errors import FlawcastError, SettingsError, one_line
from flawcast.flows.generate.run import STAGE_SECONDS
from flawcast.storage import SampleStore
from flawcast.storage.address import whole_address

MOST_REASONS = 20  # of one store; rarer ones are counted together, as "other"
OTHER = "other"
FRESH_SECONDS = 60.0  # the store is not read again for a request that comes sooner


class StoreMetrics(Collector):
    """The metrics of one store, read when they are asked for.

    Args:
        store: Folder or address of the store; it may be absent still.
        fresh_seconds: For how long an answer is given again before the store is read anew.
    """

    def __init__(self, store: str, fresh_seconds: float = 0.0) -> None:
        self._store, self._fresh_seconds = whole_address(store), fresh_seconds
        self._answer: tuple[float, list[Metric]] | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known once they are collected."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All metrics, with the label `store`."""
        now = time.monotonic()
        if self._answer is None or now - self._answer[0] >= self._fresh_seconds:
            self._answer = now, list(self._read())
        return self._answer[1]

    def _read(self) -> Iterator[Metric]:
        """Read the store; where that fails, say so and nothing else."""
        readable = GaugeMetricFamily(
            "flawcast_store_readable", "1 if the store could be read, else 0.", labels=["store"]
        )
        metrics: list[Metric] = []
        with suppress(FlawcastError):
            metrics = list(_metrics(SampleStore.open(self._store), self._store))
        readable.add_metric([self._store], float(bool(metrics)))
        yield readable
        yield from metrics


def _metrics(store: SampleStore, called: str) -> Iterator[Metric]:
    """Counters and gauges of a store, under its name."""
    runs = store.query(rows="runs", order_by="started").to_pylist()
    rejects = store.query(rows="rejects").to_pylist()

    def counter(name: str, says: str, counts: dict[str, float], label: str = "") -> Metric:
        labels = ["store", label] if label else ["store"]
        metric = CounterMetricFamily(f"flawcast_{name}", says, labels=labels)
        for value, count in counts.items():
            metric.add_metric([called, value] if label else [called], count)
        return metric

    def gauge(name: str, says: str, value: float | None) -> Metric:
        metric = GaugeMetricFamily(f"flawcast_{name}", says, labels=["store"])
        if value is not None:
            metric.add_metric([called], value)
        return metric

    states = dict.fromkeys(("completed", "failed", "interrupted", "lost"), 0.0)
    states |= Counter(run["state"] for run in runs if run["state"] != "running")
    yield counter("runs", "Runs that ended, by their state.", states, "state")
    made, failed = (float(sum(run[key] or 0 for run in runs)) for key in ("made", "failed"))
    yield counter("sets_made", "Sets that runs made.", {"": made})
    yield counter("sets_failed", "Sets that runs could not make.", {"": failed})
    reasons = _reasons(row["reason"] for row in rejects)
    yield counter("rejects", "Clips and windows left out, by reason.", reasons, "reason")
    seconds: dict[str, float] = {}
    for run in runs:
        for stage, took in json.loads(run["settings"] or "{}").get(STAGE_SECONDS, {}).items():
            seconds[stage] = seconds.get(stage, 0.0) + took
    yield counter("stage_seconds", "Worker seconds in a stage of sets.", seconds, "stage")
    ended = [run for run in runs if run["ended"] is not None]
    good = [run for run in ended if run["state"] == "completed"]
    last = max(ended, key=lambda run: run["ended"], default=None)
    yield gauge(
        "last_success_timestamp_seconds",
        "When the last completed run ended, in seconds since 1970.",
        _since_1970(max(run["ended"] for run in good)) if good else None,
    )
    yield gauge(
        "last_run_seconds", "How long the last run took.", last["seconds"] if last else None
    )
    yield gauge(
        "last_run_sets_made", "Sets that the last run made.", float(last["made"]) if last else None
    )
    yield gauge("store_sets", "Sets in the store.", float(len(store.set_ids())))
    yield gauge("store_bytes", "Size of all its files.", float(store.size()))


def _since_1970(moment: datetime) -> float:
    """Seconds since 1970 of a moment as the ledger has it, in UTC."""
    return moment.replace(tzinfo=UTC).timestamp()


def _reasons(reasons: Iterable[str]) -> dict[str, float]:
    """Counts by reason; what differs from clip to clip is left out, so that labels stay few."""
    counts = Counter(short_reason(reason) for reason in reasons)
    common = dict(counts.most_common(MOST_REASONS))
    rest = counts.total() - sum(common.values())
    return {**common, **({OTHER: rest} if rest else {})}


def short_reason(reason: str) -> str:
    """What the reasons of many clips have in common: no numbers, no advice.

    Example:
        >>> short_reason("expected at least 24 frames, got 12; record longer clips")
        'expected at least N frames'
    """
    first = re.split(r"[;:(]|, (?:got|found|has|is|see)\b", reason, maxsplit=1)[0]
    return re.sub(r"\d+(\.\d+)?", "N", first).strip() or OTHER


def write_metrics(store: str, path: Path) -> None:
    """Write the metrics of a store to a file, in one step, as node_exporter reads it.

    Args:
        store: Folder or address of the store.
        path: The file; node_exporter wants a name that ends in .prom.

    Raises:
        SettingsError: If the file cannot be written.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreMetrics(store))
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise SettingsError(
            f"metrics: expected a file that can be written, got {path}: {one_line(error)}; name "
            "one in a folder that exists"
        ) from error


@contextmanager
def metrics_after(store: str, path: Path | None) -> Iterator[None]:
    """Write the metrics when what happens in this context has ended, well or not.

    Args:
        store: Folder or address of the store.
        path: The file; None for none.

    Raises:
        SettingsError: If the file's folder does not exist, which is said before the work begins.
    """
    if path is not None and not path.absolute().parent.is_dir():
        raise SettingsError(
            f"metrics: expected a folder at {path.absolute().parent}, found none; make it"
        )
    try:
        yield
    except BaseException:
        if path is not None:
            with suppress(FlawcastError):  # what ended the work is worth more
                write_metrics(store, path)
        raise
    if path is not None:
        write_metrics(store, path)


@contextmanager
def metrics_served(store: str, port: int | None) -> Iterator[int | None]:
    """Answer Prometheus at a port of this machine while this context lasts; yields the port.

    Args:
        store: Folder or address of the store.
        port: The port; 0 for a free one, None for none.

    Raises:
        SettingsError: If the port is taken.
    """
    if port is None:
        yield None
        return
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreMetrics(store, FRESH_SECONDS))
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise SettingsError(
            f"metrics-port: expected a free port, got {port}: {one_line(error)}; name another"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
