"""The store: whole sample sets are added to a folder, and read from it.

A set is there if it has a row in sets/, and then all of it is on disk. What no row names does not
exist for readers: it was left by a writer that was killed, or is being written.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import zarr

from configs.errors import StoreError
from storage import files
from storage.arrays import open_array, read_array, write_arrays
from storage.layout import Layout, local_path
from storage.rows import read_commit, read_samples, write_rows
from storage.sample_set import SampleSet, SetProvenance, check_sample_set, check_set_id
from storage.schema import ARRAYS, SET_ID

_PROVENANCE = fields(SetProvenance)


@dataclass(frozen=True)
class StoreProblem:
    """Something that is damaged or missing in a committed set."""

    set_id: str
    problem: str


class SampleStore:
    """Sample sets in a folder; readers and writers need no locks.

    Args:
        root: The folder.
        mode: "r" to read, "a" to read and commit.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SampleStore.open(folder, "a").query().num_rows
        0
    """

    def __init__(self, root: Path, mode: Literal["r", "a"]) -> None:
        self.root, self.mode = root, mode
        self._layout = Layout(root)

    @classmethod
    def open(cls, url: str | Path, mode: Literal["r", "a"] = "r") -> "SampleStore":
        """Open a store; mode "a" makes it if it is absent.

        Args:
            url: Path or file:// URL of a local folder.
            mode: "r" to read, "a" to read and commit.

        Raises:
            StoreError: If there is no store, the folder holds something else, or a newer version.
        """
        if mode not in ("r", "a"):
            raise StoreError(f"mode: expected 'r' or 'a', got {mode!r}")
        store = cls(local_path(url), mode)
        try:
            if mode == "a":
                store._layout.make()
            store._layout.check()
        except OSError as error:
            raise StoreError(f"store {store.root}: {error.strerror}; choose another") from error
        return store

    @property
    def url(self) -> str:
        """Where the store is, as `open` takes it."""
        return str(self.root)

    def commit(self, sample_set: SampleSet) -> bool:
        """Add a set; it becomes visible in one last step, whole and on disk.

        Whoever commits the same set first wins; the other's files are removed again. A process
        that is killed leaves files that no row names, and the set can be committed again.

        Args:
            sample_set: The set; nothing is written unless all of it is valid.

        Returns:
            True if it was written, False if the store had it already.

        Raises:
            ShapeError: If the axes of the arrays do not agree.
            StoreError: If a value is not valid, the store was opened for reading, or the disk
                cannot be written.
        """
        if self.mode != "a":
            raise StoreError(f"store {self.root}: opened for reading; open it with mode 'a'")
        check_sample_set(sample_set)
        if self.has(sample_set.id):
            return False
        try:
            return self._commit(sample_set, f"{sample_set.id}.{uuid.uuid4().hex}")
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"store {self.root}: {sample_set.id} not written: {reason}; make room or choose "
                "another folder, finished sets stay"
            ) from error

    def has(self, set_id: str) -> bool:
        """Whether a set is committed.

        Raises:
            StoreError: If it is not an id of a set.
        """
        check_set_id(set_id)
        return self._layout.row(set_id).is_file()

    def set_ids(self) -> list[str]:
        """Ids of all committed sets, sorted."""
        if not self._layout.sets.is_dir():
            return []
        names = (path.stem for path in self._layout.sets.iterdir() if path.suffix == ".parquet")
        return sorted(name for name in names if SET_ID.fullmatch(name))

    def load(self, set_id: str) -> SampleSet:
        """Read a whole set, every byte compared with its checksum.

        Raises:
            StoreError: If there is no such set or it is damaged.
        """
        row = self.row(set_id)
        try:
            arrays = {
                name: read_array(self._open(row, name), name, ..., row["checksums"][name])
                for name in ARRAYS
            }
            samples = self._sample_rows(row)
        except StoreError as error:
            raise self._damaged(set_id, error) from error
        return SampleSet(
            id=set_id,
            indices=[sample["index"] for sample in samples],
            ssim=np.array([sample["ssim"] for sample in samples], np.float32),
            diversity=np.array([sample["diversity"] for sample in samples], np.float32),
            hold_mae=row["hold_mae"],
            apd=row["apd"],
            coherence=np.nan if row["coherence"] is None else row["coherence"],
            provenance=SetProvenance(**{item.name: row[item.name] for item in _PROVENANCE}),
            **arrays,
        )

    def row(self, set_id: str) -> dict[str, Any]:
        """The row of one set: all its scores and provenance, without any array.

        Raises:
            StoreError: If there is no such set or its row is damaged.
        """
        check_set_id(set_id)
        try:
            return read_commit(self._layout.row(set_id).read_bytes(), set_id)
        except FileNotFoundError:
            raise StoreError(
                f"store {self.root}: no set {set_id}; list the sets with `flawcast query`"
            ) from None
        except StoreError as error:
            raise self._damaged(set_id, error) from error

    def open_array(self, set_id: str, name: str) -> "zarr.Array[Any]":
        """Open one array of a set to read parts of it.

        Args:
            set_id: A committed set.
            name: "videos", "keypoints", "mae", "past", "reference" or "source".

        Raises:
            StoreError: If there is no such set or array, or it is damaged.
        """
        if name not in ARRAYS:
            raise StoreError(f"array: expected one of {', '.join(ARRAYS)}; got {name!r}")
        row = self.row(set_id)
        try:
            return self._open(row, name)
        except StoreError as error:
            raise self._damaged(set_id, error) from error

    def query(
        self,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        rows: str = "sets",
    ) -> pa.Table:
        """Ask for sets or samples in SQL; the answer comes from the Parquet files alone.

        Args:
            where: SQL condition over the columns, for instance "apd > 0.02 and label = 'jam'".
            order_by: SQL ordering, ascending unless it says "desc"; by id if not given.
            limit: At most so many rows.
            rows: "sets" for one row per set, "samples" for one per kept sample.

        Returns:
            A table with all columns, empty if nothing matches.

        Raises:
            QueryError: If an expression is not valid SQL for these columns, or does more than ask.
            StoreError: If a file that the answer needs is damaged.
        """
        # Here, since DuckDB complains at the end of processes that write sets on Ray.
        from storage.query import Question, answer

        question = Question(where, order_by, limit, rows)
        return answer(question, self._layout.sets, self.set_ids(), self._layout.samples)

    def verify(self) -> list[StoreProblem]:
        """Read everything, recompute every checksum, and list what is damaged or missing."""
        return [
            StoreProblem(set_id, problem)
            for set_id in self.set_ids()
            for problem in self._problems(set_id)
        ]

    def _commit(self, sample_set: SampleSet, attempt: str) -> bool:
        """Write arrays, then samples, then a draft of the row, and publish the row."""
        arrays, samples = self._layout.arrays / attempt, self._layout.samples / f"{attempt}.parquet"
        draft = self._layout.sets / f".{attempt}.parquet"
        samples_data, row_data = write_rows(sample_set, attempt)
        try:
            write_arrays(arrays, sample_set.arrays())
            files.sync_tree(arrays)
            files.write_new(samples, samples_data)
            files.write_new(draft, row_data)
            for folder in (self._layout.arrays, self._layout.samples):
                files.sync(folder)
        except BaseException:
            files.discard(arrays, samples, draft)
            raise
        written = files.publish(draft, self._layout.row(sample_set.id))
        if not written:
            files.discard(arrays, samples)
        return written

    def _open(self, row: dict[str, Any], name: str) -> "zarr.Array[Any]":
        """One array of the set that a row is of."""
        return open_array(self._layout.arrays / row["arrays"], name, row)

    def _sample_rows(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of the set's kept samples, checked."""
        try:
            data = (self._layout.samples / row["samples_file"]).read_bytes()
        except OSError as error:
            raise StoreError(f"samples: cannot be read, {error.strerror}") from None
        return read_samples(data, row["checksums"]["samples"])

    def _problems(self, set_id: str) -> Iterable[str]:
        """What is wrong with one set."""
        try:
            row = read_commit(self._layout.row(set_id).read_bytes(), set_id)
        except (StoreError, OSError) as error:
            yield str(error)
            return
        for name in ARRAYS:
            try:
                read_array(self._open(row, name), name, ..., row["checksums"][name])
            except StoreError as error:
                yield str(error)
        try:
            self._sample_rows(row)
        except StoreError as error:
            yield str(error)

    def _damaged(self, set_id: str, error: StoreError) -> StoreError:
        """An error about the content of a set, with what to do next."""
        return StoreError(f"{set_id}: {error}; see `flawcast verify {self.root}`")
