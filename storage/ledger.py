"""The ledger: all runs with their results, and the clips that they could not use.

A run's beginning and its end are one small Parquet file each, published in one step like a set's
row, and never changed. While the run lasts, a thread touches a file every few seconds. A run
without an end that was last touched long ago was killed; its state is "lost".
"""

import json
import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from flawcast.configs.errors import StoreError, one_line
from flawcast.storage.layout import BEATS
from flawcast.storage.layout import REJECTS as REJECTS_FOLDER
from flawcast.storage.layout import RUNS as RUNS_FOLDER
from flawcast.storage.place import Place
from flawcast.storage.problems import StoreProblem, next_step
from flawcast.storage.rows import decode_rows, encode_rows
from flawcast.storage.schema import REJECTS, RUNS

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
STATES = ("completed", "failed", "interrupted")
BEAT_SECONDS = 15.0
LOST_SECONDS = 60.0  # a run that was not touched for this long is lost


class Entry:
    """The entry of a run in progress: the run reports its counts and rejects here.

    Args:
        ledger: The store's ledger.
        run_id: Id of the run.
    """

    def __init__(self, ledger: "Ledger", run_id: str) -> None:
        self.counts = {"made": 0, "skipped": 0, "failed": 0}
        self.notes: dict[str, Any] = {}
        self._ledger, self._run_id = ledger, run_id

    def note(self, name: str, values: Any) -> None:
        """Add plain values to the settings that the run's row has at its end."""
        self.notes[name] = values

    def count(self, made: int, skipped: int, failed: int) -> None:
        """Set the number of sets that were made, existed already, and failed."""
        self.counts = {"made": made, "skipped": skipped, "failed": failed}

    def reject(self, rejects: Iterable[tuple[str, str]]) -> None:
        """Add clips that could not be used: name and reason."""
        self._ledger.reject(self._run_id, rejects)


class Ledger:
    """Runs and rejected clips of a store.

    Args:
        place: The store's files.
        writable: Whether entries may be added.
    """

    def __init__(self, place: Place, writable: bool) -> None:
        self._place, self._writable = place, writable

    @contextmanager
    def run(
        self, run_id: str, settings: Mapping[str, Any], planned: int, version: str = ""
    ) -> Iterator[Entry]:
        """Record a run while it lasts: its beginning, signs of life, and its end.

        Args:
            run_id: Letters, digits, "-" and "_".
            settings: Settings of the run.
            planned: Number of sets that the run plans.
            version: Version of flawcast.

        Raises:
            StoreError: If the id is taken, or the store cannot be written.
        """
        self.begin(run_id, settings, planned, version)
        entry, over = Entry(self, run_id), threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(run_id, over), daemon=True)
        thread.start()
        state, reason = "completed", None
        try:
            yield entry
        except Exception as error:
            state, reason = "failed", one_line(f"{type(error).__name__}: {error}", limit=None)
            raise
        except BaseException:
            state = "interrupted"
            raise
        finally:
            over.set()
            thread.join()
            noted = {**settings, **entry.notes} if entry.notes else None
            self.finish(run_id, state, **entry.counts, reason=reason, settings=noted)

    def begin(
        self, run_id: str, settings: Mapping[str, Any], planned: int, version: str = ""
    ) -> None:
        """Record the beginning of a run; arguments and errors as for `run`."""
        row = {
            "run_id": run_id,
            "state": "running",
            "started": _now(),
            "planned": planned,
            "settings": json.dumps(settings, sort_keys=True, default=str),
            "host": platform.node(),
            "pid": os.getpid(),
            "version": version,
        }
        if not self._put(f"{RUNS_FOLDER}/{_checked(run_id)}.begun.parquet", [row], RUNS):
            raise StoreError(f"run {run_id}: expected a new id, the ledger has it; take another")
        self.beat(run_id)

    def beat(self, run_id: str) -> None:
        """Record a sign of life."""
        self._place.replace(f"{BEATS}/{_checked(run_id)}", b"")

    def reject(self, run_id: str, rejects: Iterable[tuple[str, str]]) -> None:
        """Add clips that a run could not use.

        Args:
            run_id: The run.
            rejects: Name of each clip, and the reason why it was rejected.
        """
        at = _now()
        rows = [
            {"run_id": run_id, "clip": clip, "reason": reason, "at": at} for clip, reason in rejects
        ]
        if rows:
            name = f"{REJECTS_FOLDER}/{_checked(run_id)}.{uuid.uuid4().hex}.parquet"
            self._put(name, rows, REJECTS)

    def finish(
        self,
        run_id: str,
        state: str,
        made: int = 0,
        skipped: int = 0,
        failed: int = 0,
        reason: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the end of a run; the first recorded end counts.

        Args:
            run_id: The run.
            state: "completed", "failed" or "interrupted".
            made: Number of sets that the run wrote.
            skipped: Number of sets that existed already.
            failed: Number of planned sets that are missing.
            reason: Why the run failed.
            settings: The run's settings with what is known at its end; None for those of its begin.

        Raises:
            StoreError: If the state is not one of these, or the store cannot be written.
        """
        if state not in STATES:
            raise StoreError(f"state: expected one of {', '.join(STATES)}, got {state!r}")
        counts = {"made": made, "skipped": skipped, "failed": failed}
        row = {"run_id": run_id, "state": state, "ended": _now(), "reason": reason, **counts}
        if settings is not None:
            row["settings"] = json.dumps(settings, sort_keys=True, default=str)
        self._put(f"{RUNS_FOLDER}/{_checked(run_id)}.ended.parquet", [row], RUNS)
        with suppress(OSError):
            self._place.remove(f"{BEATS}/{run_id}")

    def runs(self) -> pa.Table:
        """One row per run, columns as in RUNS, oldest first.

        Raises:
            StoreError: If a file of the ledger is damaged.
        """
        ends = {row["run_id"]: row for row in self._rows(RUNS_FOLDER, ".ended.parquet", RUNS)}
        beats = {item.name.rpartition("/")[2]: item for item in self._place.walk(BEATS)}
        rejected: dict[str, int] = {}
        for row in self._rows(REJECTS_FOLDER, ".parquet", REJECTS):
            rejected[row["run_id"]] = rejected.get(row["run_id"], 0) + 1
        rows = []
        for begun in self._rows(RUNS_FOLDER, ".begun.parquet", RUNS):
            run_id = begun["run_id"]
            last_beat = beats[run_id].modified if run_id in beats else None
            row = {**begun, "rejected": rejected.get(run_id, 0), "last_seen": begun["started"]}
            if last_beat is not None:
                row["last_seen"] = datetime.fromtimestamp(last_beat, UTC).replace(tzinfo=None)
            if run_id in ends:
                end = {name: value for name, value in ends[run_id].items() if value is not None}
                row |= {**end, "last_seen": end["ended"]}
            elif last_beat is None or time.time() - last_beat > LOST_SECONDS:
                row["state"] = "lost"
            row["seconds"] = max(0.0, (row["last_seen"] - row["started"]).total_seconds())
            rows.append(row)
        return pa.Table.from_pylist(sorted(rows, key=lambda row: row["started"]), schema=RUNS)

    def rejects(self) -> pa.Table:
        """One row per clip that a run could not use, columns as in REJECTS.

        Raises:
            StoreError: If a file of the ledger is damaged.
        """
        rows = list(self._rows(REJECTS_FOLDER, ".parquet", REJECTS))
        return pa.Table.from_pylist(rows, schema=REJECTS)

    def find_problems(self) -> Iterator[StoreProblem]:
        """Damaged files of the ledger."""
        for folder, schema in ((RUNS_FOLDER, RUNS), (REJECTS_FOLDER, REJECTS)):
            for name in self._files(folder, ".parquet"):
                try:
                    decode_rows(self._place.read(name), schema, "ledger")
                except (StoreError, OSError) as error:
                    yield StoreProblem(name, str(error))

    def _beat_until(self, run_id: str, over: threading.Event) -> None:
        """Record signs of life; go on if a server is away for a while."""
        while not over.wait(BEAT_SECONDS):
            with suppress(OSError):
                self.beat(run_id)

    def _files(self, folder: str, suffix: str) -> Iterator[str]:
        """Published files of a folder."""
        for name in self._place.names(folder):
            if name.endswith(suffix) and not name.startswith("."):
                yield f"{folder}/{name}"

    def _rows(self, folder: str, suffix: str, schema: pa.Schema) -> Iterator[dict[str, Any]]:
        """Rows of all files of a kind."""
        for name in self._files(folder, suffix):
            try:
                yield from decode_rows(self._place.read(name), schema, name)
            except StoreError as error:
                raise StoreError(f"{error}; `flawcast verify` lists what is damaged") from None

    def _put(self, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> bool:
        """Publish rows in a new file; False if its name is taken."""
        if not self._writable:
            raise StoreError(f"store {self._place.url}: opened for reading; open it with mode 'a'")
        try:
            return self._place.put_new(name, encode_rows(rows, schema))
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"store {self._place.url}: {name} not written: {reason}; {next_step(error)}"
            ) from error


def _checked(run_id: str) -> str:
    """Refuse a run id that could name another file."""
    if not RUN_ID.fullmatch(run_id):
        raise StoreError(f"run id: expected letters, digits, '-' and '_', got {run_id!r}")
    return run_id


def _now() -> datetime:
    """The present time, UTC, as Parquet stores it."""
    return datetime.now(UTC).replace(tzinfo=None)
