"""Reviews of kept samples by people. Records are added and never change; the newest counts.

STORE/reviews/<sample_id>.<time>.<nonce>.<review>.json

A record appears in one step, like a set's row, so any number of people may review at once. Its name
holds everything that queries need: they list one folder and open no file.
"""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from flawcast.configs.errors import StoreError
from flawcast.storage.layout import REVIEWS as FOLDER
from flawcast.storage.place import Place
from flawcast.storage.problems import StoreProblem
from flawcast.storage.schema import REVIEWS, SAMPLE_ID, VERDICTS

UNREVIEWED = "none"
REVIEW_WORDS = ("accepted", "rejected", UNREVIEWED)
LONGEST = {"note": 1000, "reviewer": 100}  # characters
_NAME = re.compile(
    rf"({SAMPLE_ID.pattern})\.([0-9]{{16}})\.([0-9a-f]{{32}})\.({'|'.join(REVIEW_WORDS)})\.json"
)


class Record(NamedTuple):
    """The content of a record's name; records of one sample sort from old to new.

    Args:
        sample_id: The sample.
        time: Microseconds since 1970, later than every record that the reviewer's machine saw.
        nonce: Beginning of the SHA-256 of the record's bytes.
        review: "accepted", "rejected", or "none" for a mark that was taken back.
    """

    sample_id: str
    time: int
    nonce: str
    review: str

    @property
    def set_id(self) -> str:
        """The sample's set."""
        return set_of(self.sample_id)

    @property
    def file(self) -> str:
        """Path of the record in the store."""
        return f"{FOLDER}/{self.sample_id}.{self.time:016d}.{self.nonce}.{self.review}.json"


class Reviews:
    """All reviews of a store, or those of a snapshot.

    Args:
        place: The store's files.
        only: The records of a snapshot; None for all records in the store at the time of a call.
    """

    def __init__(self, place: Place, only: frozenset[Record] | None = None) -> None:
        self._place, self._only = place, only

    def records(self) -> frozenset[Record]:
        """All records."""
        return self._only if self._only is not None else frozenset(self._listed())

    def verdicts(self) -> pa.Table:
        """The samples that are accepted or rejected at present, columns as in VERDICTS."""
        newest = [item for item in _newest(self.records()).values() if item.review != UNREVIEWED]
        rows = [(item.sample_id, item.set_id, item.review) for item in newest]
        return (
            pa.table(list(map(pa.array, zip(*rows, strict=True))), schema=VERDICTS)
            if rows
            else VERDICTS.empty_table()
        )

    def table(self) -> pa.Table:
        """One row per record, columns as in REVIEWS.

        Raises:
            StoreError: If a record is damaged.
        """
        records = self.records()
        newest = set(_newest(records).values())
        rows = []
        for record in records:
            try:
                text = _decode(self._place.read(record.file), record)
            except (StoreError, OSError) as error:
                raise StoreError(
                    f"{record.file}: {error}; `flawcast verify` lists what is damaged"
                ) from None
            status = {"set_id": record.set_id, "newest": record in newest}
            at = datetime.fromtimestamp(record.time / 1e6, UTC).replace(tzinfo=None)
            rows.append({**record._asdict(), **text, **status, "reviewed_at": at})
        return pa.Table.from_pylist(rows, schema=REVIEWS)

    def add(
        self, sample_id: str, kept: Collection[str], review: str, note: str, reviewer: str
    ) -> None:
        """Add a record of a sample that its set kept.

        The record's time is later than that of every existing review of the sample, so a slow clock
        loses no mark.

        Raises:
            StoreError: If the set did not keep the sample.
            OSError: If the record cannot be written.
        """
        if sample_id not in kept:
            raise StoreError(f"{sample_id}: its set did not keep it; see `flawcast query`")
        times = [item.time for item in self._listed(f"{sample_id}.")]
        text = {"note": note, "reviewer": reviewer, "nonce": uuid.uuid4().hex}
        moment = max([time.time_ns() // 1000, *(earlier + 1 for earlier in times)])
        name = {"sample_id": sample_id, "time": moment, "review": review}
        data = json.dumps({**name, **text}, sort_keys=True).encode()
        self._place.put_new(Record(sample_id, moment, _nonce(data), review).file, data)

    def find_problems(self) -> Iterator[StoreProblem]:
        """Damaged records."""
        for record in self.records():
            try:
                _decode(self._place.read(record.file), record)
            except (StoreError, OSError) as error:
                yield StoreProblem(record.file, str(error))

    def _listed(self, prefix: str = "") -> Iterator[Record]:
        """Records in the store now."""
        for match in map(_NAME.fullmatch, self._place.names(FOLDER, prefix)):
            if match:
                yield Record(match[1], int(match[2]), match[3], match[4])


def check_review(review: str, note: str, reviewer: str) -> None:
    """Refuse values that are no valid review.

    Raises:
        StoreError: If the review is not one of REVIEW_WORDS, or a text is too long.
    """
    if review not in REVIEW_WORDS:
        words = ", ".join(REVIEW_WORDS)
        raise StoreError(f"review: expected one of {words}, got {review!r}")
    for name, text in (("note", note), ("reviewer", reviewer)):
        if len(text) > LONGEST[name]:
            raise StoreError(
                f"{name}: expected at most {LONGEST[name]} characters, got {len(text)}; shorten it"
            )


def set_of(sample_id: str) -> str:
    """Id of the set that a sample belongs to.

    Raises:
        StoreError: If it is not the id of a sample.
    """
    if not isinstance(sample_id, str) or not SAMPLE_ID.fullmatch(sample_id):
        raise StoreError(
            f"sample id: expected a set's id, '-' and a number, got {sample_id!r}; "
            "list the samples with `flawcast query --rows samples`"
        )
    return sample_id.rpartition("-")[0]


def _newest(records: frozenset[Record]) -> dict[str, Record]:
    """The record that counts, by sample id."""
    newest: dict[str, Record] = {}
    for record in records:
        other = newest.get(record.sample_id)
        if other is None or record > other:
            newest[record.sample_id] = record
    return newest


def _nonce(data: bytes) -> str:
    """The part of a record's name that depends on its bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def _decode(data: bytes, record: Record) -> dict[str, Any]:
    """Note and reviewer of a record, after comparing its bytes with its name."""
    if _nonce(data) != record.nonce:
        raise StoreError("the bytes are not those that were written")
    values = json.loads(data)
    if any(values[name] != getattr(record, name) for name in ("sample_id", "time", "review")):
        raise StoreError("the name is not that which was written")
    return {"note": values["note"], "reviewer": values["reviewer"]}
