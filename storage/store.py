"""The store: adds whole sample sets to a folder or bucket, and reads them.

A set exists if a row names it, and then all of it is durable. Files that no row names do not exist
for readers: a killed writer left them, or a writer is still at work.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import zarr

from flawcast.configs.errors import StoreError
from flawcast.storage import layout
from flawcast.storage.address import open_place
from flawcast.storage.arrays import open_array
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.commit import commit_set
from flawcast.storage.compaction import Compaction, compact
from flawcast.storage.drawn import is_drawn, open_drawn
from flawcast.storage.forgetting import forgotten_table
from flawcast.storage.garbage import Garbage, find_garbage
from flawcast.storage.layered import LayeredArray, What
from flawcast.storage.ledger import Ledger
from flawcast.storage.local import LocalPlace
from flawcast.storage.local_cache import LocalCache
from flawcast.storage.pieces import PieceReader
from flawcast.storage.place import Place
from flawcast.storage.problems import StoreProblem, next_step
from flawcast.storage.read_set import read_set
from flawcast.storage.reviews import Record, Reviews, check_review, set_of
from flawcast.storage.sample_set import SampleSet, check_sample_set, check_set_id
from flawcast.storage.schema import ARRAYS, MASK_ARRAYS, STORE_KEY
from flawcast.storage.streamed import Streamed
from flawcast.storage.verification import Checks, find_problems
from flawcast.storage.versions import Versions, read_versions

CACHE_BYTES = 10 * 10**9
GRACE_HOURS = 1.0  # younger files may belong to a running writer


class SampleStore(Streamed):
    """Sample sets in a folder or bucket; readers and writers need no locks.

    Args:
        place: The store's files.
        mode: "r" to read, "a" to read and commit.
        only: The sets of a snapshot; None for all sets in the store at the time of a call.
        pinned: What is forgotten for a snapshot; None for what is at the time of a call.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SampleStore.open(folder, "a").query().num_rows
        0
    """

    def __init__(
        self,
        place: Place,
        mode: Literal["r", "a"],
        only: Set[str] | None = None,
        pinned: Versions | None = None,
    ) -> None:
        self.mode = mode
        self._place = place
        self._catalogue = Catalogue(place, only, pinned)
        self.reviews = Reviews(place)
        self.ledger = Ledger(place, writable=mode == "a")
        self.pieces = None if isinstance(place, LocalPlace) else PieceReader(place)

    @classmethod
    def open(
        cls,
        url: str | Path,
        mode: Literal["r", "a"] = "r",
        snapshot: bool = False,
        tag: str | None = None,
        cache: str | Path | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> "SampleStore":
        """Open a store; mode "a" creates it if it is absent.

        Args:
            url: Path, file:// URL of a local folder, or s3://BUCKET/PREFIX; endpoint, region and
                credentials of a bucket are those of the AWS_* variables.
            mode: "r" to read, "a" to read and commit.
            snapshot: Show only the sets of this moment; needs mode "r".
            tag: Show only the sets and reviews of this tag; needs mode "r".
            cache: Folder of this machine in which loaders keep what they read from a bucket or a
                slow disk; several processes may share it. None keeps nothing.
            cache_bytes: How much it may hold.

        Raises:
            StoreError: If there is no store or tag, the folder holds something else, or a newer
                version.
        """
        if mode not in ("r", "a"):
            raise StoreError(f"mode: expected 'r' or 'a', got {mode!r}")
        if (snapshot or tag is not None) and mode != "r":
            what = "snapshot" if tag is None else "tag"
            raise StoreError(f"{what}: expected mode 'r', got 'a'; a {what} never changes")
        store = cls(open_place(url), mode)
        if cache is not None:
            store.pieces = PieceReader(store._place, LocalCache(Path(cache), cache_bytes))
        with store._as_store_errors():
            layout.make(store._place) if mode == "a" else layout.check(store._place)
            if tag is not None:
                return store._at_tag(tag)
        return store.snapshot() if snapshot else store

    @property
    def url(self) -> str:
        """Where the store is, as `open` takes it."""
        return self._place.url

    @property
    def root(self) -> Path | None:
        """Its folder; None in a bucket."""
        return self._place.root if isinstance(self._place, LocalPlace) else None

    def size(self) -> int:
        """Bytes of all its files; they are listed one by one."""
        with self._as_store_errors():
            return sum(item.size for item in self._place.walk(""))

    def snapshot(self) -> "SampleStore":
        """A view for reading of the store's present sets and reviews.

        Later commits, compaction and forgetting do not change it, nor does `gc`, except that it
        removes forgotten sets after the grace age; a tag keeps them. It can be pickled and sent to
        a worker.
        """
        with self._as_store_errors():
            pinned, reviews = self.pinned(), self.reviews.records()
            return self._view(pinned.ids(), pinned.versions, reviews)

    def commit(self, sample_set: SampleSet, again: bool = False) -> bool:
        """Add a set; it becomes visible in one last step, whole and on disk.

        If two writers commit the same set, the first wins, and the other removes its files. A
        killed process leaves files that no row names, and the set can be committed again.

        Args:
            sample_set: The set; nothing is written if any part of it is invalid.
            again: Write a set that was forgotten, too.

        Returns:
            True if the set was written, False if the store had it already.

        Raises:
            ShapeError: If the axes of the arrays do not agree.
            StoreError: If a value is not valid, the store was opened for reading, the set was
                forgotten, or the disk cannot be written.
        """
        self._writable()
        check_sample_set(sample_set)
        generation = self.versions.next_generation(sample_set.id)
        if self.has(sample_set.id):
            return False
        if generation and not again:
            raise StoreError(
                f"store {self.url}: {sample_set.id} was forgotten; undo that (flawcast forget "
                "--undo), or make it again (--again)"
            )
        attempt = f"{sample_set.id}.{uuid.uuid4().hex}"
        try:
            return commit_set(self._place, sample_set, attempt, generation)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"store {self.url}: {sample_set.id} not written: {reason}; "
                f"{next_step(error)}, finished sets stay"
            ) from error

    def has(self, set_id: str) -> bool:
        """Whether a set is committed.

        Raises:
            StoreError: If it is not an id of a set.
        """
        check_set_id(set_id)
        with self._as_store_errors():
            return self._catalogue.has(set_id)

    def load(self, set_id: str) -> SampleSet:
        """Read a whole set and compare every byte with its checksum.

        Raises:
            StoreError: If there is no such set or it is damaged.
        """
        row = self.row(set_id)
        try:
            return read_set(self._catalogue, row)
        except StoreError as error:
            raise self._damaged(set_id, error) from error

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

    def open_array(self, set_id: str, name: str) -> "zarr.Array[Any] | LayeredArray":
        """Open one array of a set to read parts of it.

        Videos that are kept as what they are drawn from are drawn when they are indexed.

        Args:
            set_id: A committed set.
            name: "videos", "keypoints", "mae", "past", "reference" or "source"; "masks" or "valid"
                of a set that was made with masks.

        Raises:
            StoreError: If there is no such set or array, or it is damaged.
        """
        names = (*ARRAYS, *MASK_ARRAYS)
        if name not in names:
            raise StoreError(f"array: expected one of {', '.join(names)}; got {name!r}")
        row = self.row(set_id)
        if is_drawn(row, name):
            return open_drawn(self._place, row, cast(What, name))
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
        """Query sets or samples in SQL; reads only the Parquet files.

        Args:
            where: SQL condition over the columns, for instance "apd > 0.02 and label = 'jam'".
            order_by: SQL ordering, ascending unless it says "desc"; the default is by id.
            limit: Largest number of rows.
            rows: "sets" for one row per set, "samples" for one per kept sample, "runs" for one per
                run, "rejects" for one per clip that a run could not use, "reviews" per mark,
                "forgotten" per set that was forgotten.

        Returns:
            A table with all columns, empty if nothing matches; notebooks show it with frames.

        Raises:
            QueryError: If a text is not valid SQL for these columns, or not a plain expression.
            StoreError: If a file that the query needs is damaged.
        """
        # Imported here: DuckDB complains at the end of processes that write sets on Ray.
        from flawcast.storage.first_rows import answer_from
        from flawcast.storage.query import Question

        question = Question(where, order_by, limit, rows)
        find: Callable[[], Any] = {
            "runs": self.ledger.runs,
            "rejects": self.ledger.rejects,
            "reviews": self.reviews.table,
            "forgotten": lambda: forgotten_table(read_versions(self._place)),
        }.get(rows, lambda: self._catalogue.dataset(rows))
        table = self._in_one_state(
            lambda: answer_from(self._catalogue, question, find, self.reviews.verdicts)
        )
        return table.replace_schema_metadata({STORE_KEY: self.url})

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
            self.reviews.add(sample_id, kept, review, note, reviewer)

    def verify(self, ids: bool = False) -> list[StoreProblem]:
        """Read everything, recompute every checksum, and list what is damaged or missing.

        Args:
            ids: Also recompute each set's id from its provenance, as `flawcast verify` does. Do not
                use it for sets that were committed under other ids.
        """
        return list(self.find_problems(ids))

    def find_problems(
        self, ids: bool = False, on_set: Callable[[], None] = lambda: None
    ) -> Iterator[StoreProblem]:
        """Like `verify`, but one problem at a time, in little memory; calls `on_set` per set."""
        with self._as_store_errors():
            yield from find_problems(self._catalogue, Checks(ids, on_set))
            yield from self.ledger.find_problems()
            yield from self.reviews.find_problems()
            yield from self._problems_of_tags()

    def gc(self, dry_run: bool = False, older_than_hours: float = GRACE_HOURS) -> Iterator[Garbage]:
        """Remove files that no committed row names, and nothing else; yields each after removal.

        Sets that were forgotten before the age go, too, unless a tag holds them. With the default
        age this is safe beside running writers, because a writer gives up after half an hour. Use a
        smaller age only when nothing writes. Nothing happens until the result is iterated. Memory
        does not grow with the store.

        Args:
            dry_run: Only list the files.
            older_than_hours: Keep everything that changed more recently.

        Raises:
            StoreError: If the store was opened for reading, or it cannot be read which files its
                rows name.
        """
        if not dry_run:
            self._writable()
        if older_than_hours < 0:
            raise StoreError(f"older than: expected 0 hours or more, got {older_than_hours}")
        with self._as_store_errors():
            gone = self._gone(time.time() - older_than_hours * 3600, dry_run)
            for item in find_garbage(self._catalogue, older_than_hours * 3600, gone):
                if not dry_run:
                    self._place.remove(item.name)
                yield item

    def compact(self, on_set: Callable[[int, int], None] = lambda done, total: None) -> Compaction:
        """Move the rows of single sets into a few sorted parts; readers are not disturbed.

        `gc` removes the old files once they are past the grace age.

        Args:
            on_set: Called with the number of sets read so far and the number to read.

        Raises:
            StoreError: If the store was opened for reading, a part is damaged, or it cannot be
                written.
        """
        self._writable()
        with self._as_store_errors():
            return compact(self._catalogue, on_set)

    def _view(
        self,
        only: Set[str] | None,
        pinned: Versions,
        reviews: frozenset[Record] | None = None,
    ) -> "SampleStore":
        """The same store for reading, with some things as of one moment."""
        view = SampleStore(self._place, "r", only, pinned)
        view.reviews = self.reviews if reviews is None else Reviews(self._place, reviews)
        view.tagged, view.pieces = self.tagged, self.pieces
        return view

    def _open(self, row: dict[str, Any], name: str) -> "zarr.Array[Any]":
        """One array of a row's set."""
        return open_array(self._place, layout.array_folder(row["arrays"]), name, row)

    def _damaged(self, set_id: str, error: StoreError) -> StoreError:
        """An error about the content of a set, with the next step."""
        return StoreError(f"{set_id}: {error}; see `flawcast verify {self.url}`")
