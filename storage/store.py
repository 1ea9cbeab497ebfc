"""The store: whole sample sets are added to a folder or bucket, and read from it.

A set is there if a row names it, and then all of it is durable. What no row names does not exist
for readers: it was left by a writer that was killed, or is being written.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import zarr

from flawcast.configs.errors import StoreError
from flawcast.storage import layout
from flawcast.storage.address import open_place
from flawcast.storage.arrays import open_array, read_array
from flawcast.storage.catalogue import TRIES, Catalogue
from flawcast.storage.commit import commit_set
from flawcast.storage.compaction import Compaction, compact
from flawcast.storage.garbage import Garbage, find_garbage
from flawcast.storage.ledger import Ledger
from flawcast.storage.local import LocalPlace
from flawcast.storage.place import Place
from flawcast.storage.problems import StoreProblem
from flawcast.storage.reviews import Reviews, check_review, set_of
from flawcast.storage.sample_set import (
    PROVENANCE,
    SampleSet,
    SetProvenance,
    check_sample_set,
    check_set_id,
)
from flawcast.storage.schema import MASK_ARRAYS, STORE_KEY, STORED
from flawcast.storage.verification import Checks, find_problems

GRACE_HOURS = 1.0  # what is younger may be a running writer's


class SampleStore:
    """Sample sets in a folder or bucket; readers and writers need no locks.

    Args:
        place: Where its files are.
        mode: "r" to read, "a" to read and commit.
        only: The sets of a snapshot; None for all that are there when it is asked.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SampleStore.open(folder, "a").query().num_rows
        0
    """

    def __init__(
        self, place: Place, mode: Literal["r", "a"], only: frozenset[str] | None = None
    ) -> None:
        self.mode = mode
        self._place = place
        self._catalogue = Catalogue(place, only)
        self._reviews = Reviews(place)
        self.ledger = Ledger(place, writable=mode == "a")

    @classmethod
    def open(
        cls, url: str | Path, mode: Literal["r", "a"] = "r", snapshot: bool = False
    ) -> "SampleStore":
        """Open a store; mode "a" makes it if it is absent.

        Args:
            url: Path, file:// URL of a local folder, or s3://BUCKET/PREFIX; endpoint, region and
                credentials of a bucket are those of the AWS_* variables.
            mode: "r" to read, "a" to read and commit.
            snapshot: See only the sets of this moment; for reading.

        Raises:
            StoreError: If there is no store, the folder holds something else, or a newer version.
        """
        if mode not in ("r", "a"):
            raise StoreError(f"mode: expected 'r' or 'a', got {mode!r}")
        if snapshot and mode != "r":
            raise StoreError("snapshot: expected mode 'r', got 'a'; a snapshot never changes")
        store = cls(open_place(url), mode)
        with store._as_store_errors():
            layout.make(store._place) if mode == "a" else layout.check(store._place)
        return store.snapshot() if snapshot else store

    @property
    def url(self) -> str:
        """Where the store is, as `open` takes it."""
        return self._place.url

    @property
    def root(self) -> Path | None:
        """Its folder; None in a bucket."""
        return self._place.root if isinstance(self._place, LocalPlace) else None

    def snapshot(self) -> "SampleStore":
        """The store as it is now, for reading: its present sets and reviews, whatever comes later.

        Commits, compaction and `gc` do not disturb it. It may be pickled and sent to a worker.
        """
        with self._as_store_errors():
            snapshot = SampleStore(self._place, "r", frozenset(self._catalogue.ids()))
            snapshot._reviews = Reviews(self._place, self._reviews.records())
            return snapshot

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
        self._writable()
        check_sample_set(sample_set)
        if self.has(sample_set.id):
            return False
        try:
            return commit_set(self._place, sample_set, f"{sample_set.id}.{uuid.uuid4().hex}")
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"store {self.url}: {sample_set.id} not written: {reason}; make room or choose "
                "another folder, finished sets stay"
            ) from error

    def has(self, set_id: str) -> bool:
        """Whether a set is committed.

        Raises:
            StoreError: If it is not an id of a set.
        """
        check_set_id(set_id)
        with self._as_store_errors():
            return self._catalogue.has(set_id)

    def set_ids(self) -> list[str]:
        """Ids of all committed sets, sorted."""
        with self._as_store_errors():
            return self._catalogue.ids()

    def load(self, set_id: str) -> SampleSet:
        """Read a whole set, every byte compared with its checksum.

        Raises:
            StoreError: If there is no such set or it is damaged.
        """
        row = self.row(set_id)
        try:
            arrays = {
                name: read_array(self._open(row, name), name, ..., row["checksums"][name])
                for name in STORED
                if name in row["checksums"]
            }
            samples = self._catalogue.samples(row)
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
            provenance=SetProvenance(**{item.name: row[item.name] for item in PROVENANCE}),
            **arrays,
        )

    def row(self, set_id: str) -> dict[str, Any]:
        """The row of one set: all its scores and provenance, without any array.

        Raises:
            StoreError: If there is no such set or its row is damaged.
        """
        check_set_id(set_id)
        try:
            with self._as_store_errors():
                return self._catalogue.row(set_id)
        except FileNotFoundError:
            raise StoreError(
                f"store {self.url}: no set {set_id}; list the sets with `flawcast query`"
            ) from None
        except StoreError as error:
            raise self._damaged(set_id, error) from error

    def open_array(self, set_id: str, name: str) -> "zarr.Array[Any]":
        """Open one array of a set to read parts of it.

        Args:
            set_id: A committed set.
            name: "videos", "keypoints", "mae", "past", "reference" or "source"; "masks" or "valid"
                of a set that was made with masks.

        Raises:
            StoreError: If there is no such set or array, or it is damaged.
        """
        if name not in STORED:
            raise StoreError(f"array: expected one of {', '.join(STORED)}; got {name!r}")
        row = self.row(set_id)
        if name in MASK_ARRAYS and name not in row["checksums"]:
            raise StoreError(
                f"{set_id}: expected {name}, the set was made without masks; "
                "make it with `flawcast generate --masks`"
            )
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
            rows: "sets" for one row per set, "samples" for one per kept sample, "runs" for one per
                run, "rejects" for one per clip that a run could not use, "reviews" per mark.

        Returns:
            A table with all columns, empty if nothing matches; notebooks show it with frames.

        Raises:
            QueryError: If an expression is not valid SQL for these columns, or does more than ask.
            StoreError: If a file that the answer needs is damaged.
        """
        # Here, since DuckDB complains at the end of processes that write sets on Ray.
        from flawcast.storage.query import Question, UnansweredError, answer

        question = Question(where, order_by, limit, rows)
        find: Callable[[], Any] = {
            "runs": self.ledger.runs,
            "rejects": self.ledger.rejects,
            "reviews": self._reviews.table,
        }.get(rows, lambda: self._catalogue.dataset(rows))
        for attempt in range(TRIES):
            with self._as_store_errors():
                number = self._catalogue.manifest().number
            try:
                table = answer(question, find, self._reviews.verdicts)
                return table.replace_schema_metadata({STORE_KEY: self.url})
            except (UnansweredError, FileNotFoundError) as error:
                with self._as_store_errors():
                    moved = self._catalogue.manifest().number != number
                    if moved and attempt + 1 < TRIES:
                        continue  # rows went elsewhere while they were read
                    for name in self._catalogue.damaged():
                        raise StoreError(
                            f"{name}: missing or damaged; `flawcast verify` lists what is"
                        ) from None
                if isinstance(error, UnansweredError):
                    raise
        raise StoreError(f"store {self.url}: files come and go; see `flawcast verify`")

    def review(self, sample_id: str, review: str, note: str = "", reviewer: str = "") -> None:
        """Mark a kept sample; the newest mark counts, and earlier ones stay on record.

        Args:
            sample_id: A kept sample.
            review: "accepted", "rejected", or "none" to take a mark back.
            note: Why, at most 1,000 characters.
            reviewer: Who, at most 100 characters.

        Raises:
            StoreError: If there is no such sample, a value is not valid, or it cannot be written.
        """
        self._writable()
        check_review(review, note, reviewer)
        row = self.row(set_of(sample_id))
        with self._as_store_errors():
            kept = [sample["sample_id"] for sample in self._catalogue.samples(row)]
            self._reviews.add(sample_id, kept, review, note, reviewer)

    def verify(self, ids: bool = False) -> list[StoreProblem]:
        """Read everything, recompute every checksum, and list what is damaged or missing.

        Args:
            ids: Recompute each set's id from its provenance, too, as `flawcast verify` does; not
                for sets that were committed under ids of another making.
        """
        return list(self.find_problems(ids))

    def find_problems(
        self, ids: bool = False, on_set: Callable[[], None] = lambda: None
    ) -> Iterator[StoreProblem]:
        """As `verify`, one problem after the other, in little memory; `on_set` counts sets."""
        with self._as_store_errors():
            yield from find_problems(self._catalogue, Checks(ids, on_set))
            yield from self.ledger.find_problems()
            yield from self._reviews.find_problems()

    def gc(self, dry_run: bool = False, older_than_hours: float = GRACE_HOURS) -> Iterator[Garbage]:
        """Remove what no committed row names, and nothing else; yields each thing once it is gone.

        Safe beside running writers with the default age, since a writer gives up what it began
        half an hour ago; a smaller one only when nothing writes. Nothing happens until the answer
        is iterated. Memory does not grow with the store.

        Args:
            dry_run: Only list.
            older_than_hours: Leave what was changed since.

        Raises:
            StoreError: If the store was opened for reading, or what its rows name cannot be told.
        """
        if not dry_run:
            self._writable()
        if older_than_hours < 0:
            raise StoreError(f"older than: expected 0 hours or more, got {older_than_hours}")
        with self._as_store_errors():
            for item in find_garbage(self._catalogue, older_than_hours * 3600):
                if not dry_run:
                    self._place.remove(item.name)
                yield item

    def compact(self, on_set: Callable[[int, int], None] = lambda done, total: None) -> Compaction:
        """Move the rows of single sets into a few sorted parts; readers are not disturbed.

        `gc` removes the files that it leaves over, once they are old enough.

        Args:
            on_set: Called with the number of sets read and of all to read.

        Raises:
            StoreError: If the store was opened for reading, a part is damaged, or it cannot be
                written.
        """
        self._writable()
        with self._as_store_errors():
            return compact(self._catalogue, on_set)

    def _writable(self) -> None:
        """Refuse to change a store that was opened for reading."""
        if self.mode != "a":
            raise StoreError(f"store {self.url}: opened for reading; open it with mode 'a'")

    @contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        """Raise what the file system or the server says as a one-line StoreError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(
                f"store {self.url}: {error.strerror or error}; choose another"
            ) from error

    def _open(self, row: dict[str, Any], name: str) -> "zarr.Array[Any]":
        """One array of the set that a row is of."""
        return open_array(self._place, layout.array_folder(row["arrays"]), name, row)

    def _damaged(self, set_id: str, error: StoreError) -> StoreError:
        """An error about the content of a set, with what to do next."""
        return StoreError(f"{set_id}: {error}; see `flawcast verify {self.url}`")
