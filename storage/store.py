"""The store: a local folder to which whole sample sets are added, and from which they are read.

    STORE/store.json                     format and version
    STORE/arrays/<set_id>.<nonce>/       Zarr v3 group with the arrays of a set
    STORE/samples/<set_id>.<nonce>.parquet   one row per kept sample
    STORE/sets/<set_id>.parquet          the set's row; it appears last, in one step

A set is there if it has a file in sets/, and then all of it is on disk. What no such file names
does not exist for readers: it is left over from a writer that was killed, or being written.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pyarrow as pa
import zarr

from configs.errors import StoreError
from storage import files
from storage.arrays import open_array, read_array, write_arrays
from storage.query import Question, answer
from storage.rows import read_commit, read_samples, write_rows
from storage.sample_set import SampleSet, SetProvenance, check_sample_set, check_set_id
from storage.schema import ARRAYS, SET_ID

FORMAT, VERSION = "flawcast-store", 1


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
        self._arrays, self._samples, self._sets = (
            root / name for name in ("arrays", "samples", "sets")
        )

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
        store = cls(_local_path(url), mode)
        try:
            if mode == "a":
                store._make()
            store._check_format()
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
        return self._row_file(set_id).is_file()

    def set_ids(self) -> list[str]:
        """Ids of all committed sets, sorted."""
        if not self._sets.is_dir():
            return []
        names = (path.stem for path in self._sets.iterdir() if path.suffix == ".parquet")
        return sorted(name for name in names if SET_ID.fullmatch(name))

    def load(self, set_id: str) -> SampleSet:
        """Read a whole set, every byte compared with its checksum.

        Raises:
            StoreError: If there is no such set or it is damaged.
        """
        row = self._row(set_id)
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
        try:
            return self._open(self._row(set_id), name)
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
        question = Question(where, order_by, limit, rows)
        return answer(question, self._sets, self.set_ids(), self._samples)

    def verify(self) -> list[StoreProblem]:
        """Read everything, recompute every checksum, and list what is damaged or missing."""
        return [
            StoreProblem(set_id, problem)
            for set_id in self.set_ids()
            for problem in self._problems(set_id)
        ]

    def _commit(self, sample_set: SampleSet, attempt: str) -> bool:
        """Write arrays, then samples, then a draft of the row, and publish the row."""
        arrays, samples = self._arrays / attempt, self._samples / f"{attempt}.parquet"
        draft = self._sets / f".{attempt}.parquet"
        samples_data, row_data = write_rows(sample_set, attempt)
        try:
            write_arrays(arrays, sample_set.arrays())
            files.sync_tree(arrays)
            files.write_new(samples, samples_data)
            files.write_new(draft, row_data)
            for folder in (self._arrays, self._samples):
                files.sync(folder)
        except BaseException:
            files.discard(arrays, samples, draft)
            raise
        written = files.publish(draft, self._row_file(sample_set.id))
        if not written:
            files.discard(arrays, samples)
        return written

    def _row_file(self, set_id: str) -> Path:
        """The file whose presence says that a set is committed."""
        return self._sets / f"{set_id}.parquet"

    def _row(self, set_id: str) -> dict[str, Any]:
        """A committed set's row, checked."""
        check_set_id(set_id)
        try:
            return read_commit(self._row_file(set_id).read_bytes(), set_id)
        except FileNotFoundError:
            raise StoreError(
                f"store {self.root}: no set {set_id}; list the sets with `flawcast query`"
            ) from None
        except StoreError as error:
            raise self._damaged(set_id, error) from error

    def _open(self, row: dict[str, Any], name: str) -> "zarr.Array[Any]":
        """One array of the set that a row is of."""
        return open_array(self._arrays / row["arrays"], name, row)

    def _sample_rows(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of the set's kept samples, checked."""
        try:
            data = (self._samples / row["samples_file"]).read_bytes()
        except OSError as error:
            raise StoreError(f"samples: cannot be read, {error.strerror}") from None
        return read_samples(data, row["checksums"]["samples"])

    def _problems(self, set_id: str) -> Iterable[str]:
        """What is wrong with one set."""
        try:
            row = read_commit(self._row_file(set_id).read_bytes(), set_id)
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

    def _make(self) -> None:
        """Make what is missing of an empty store; any number of writers may do so at once."""
        marker = self.root / "store.json"
        if not marker.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            files.sync(self.root.parent)
            others = [path for path in self.root.iterdir() if not path.name.startswith(".store-")]
            if others and not marker.exists():
                raise StoreError(
                    f"store {self.root}: expected a store or an empty folder, found "
                    f"{others[0].name} and no store.json; choose another folder"
                )
            draft = self.root / f".store-{uuid.uuid4().hex}"
            files.write_new(draft, json.dumps({"format": FORMAT, "version": VERSION}).encode())
            files.publish(draft, marker)
        for folder in (self._arrays, self._samples, self._sets):
            folder.mkdir(exist_ok=True)
        files.sync(self.root)

    def _check_format(self) -> None:
        """Refuse what is no store, and a version that this code does not know."""
        marker = self.root / "store.json"
        if not marker.is_file():
            found = "a folder without store.json" if self.root.exists() else "nothing"
            raise StoreError(
                f"store {self.root}: expected a store, found {found}; "
                "`flawcast generate CLIPS --model MODEL --store STORE` makes one"
            )
        try:
            head = json.loads(marker.read_bytes())
            known, version = head["format"] == FORMAT, int(head["version"])
        except (ValueError, KeyError, TypeError):
            known, version = False, 0
        if not known or version < 1:
            raise StoreError(f"store {self.root}: store.json is not that of a flawcast store")
        if version > VERSION:
            raise StoreError(
                f"store {self.root}: expected version {VERSION} or older, got {version}; "
                "install a newer flawcast"
            )


_PROVENANCE = fields(SetProvenance)


def _local_path(url: str | Path) -> Path:
    """The folder that a path or file:// URL names."""
    text = str(url)
    if "://" not in text:
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StoreError(
            f"store: expected a path or file:// URL, got {text}; only local folders so far"
        )
    return Path(url2pathname(parts.path))
