"""What was forgotten, and which tags there are: numbered documents; the highest number counts.

STORE/versions/<number>.json

Every change publishes the next number, only if it is free. So of two changes at once one wins, and
the other is made once more on top of it: nobody can tag what `gc` is about to remove. Each document
holds everything that the one before it held, so nobody needs an old one.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from flawcast.configs.errors import StoreError
from flawcast.storage.layout import TAGS, VERSIONS
from flawcast.storage.place import Place
from flawcast.storage.schema import SET_ID

FORMAT = "flawcast-versions"
TRIES = 100  # changes by others that one change may lose to
TAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"([0-9]{10})\.json")
_NONCE = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ForgottenRow(NamedTuple):
    """A set's row that readers must not show.

    Args:
        set_id: The set.
        generation: 0, or more if this row was made again: part of the name of its file.
        nonce: The second part of the row's array folder; "" if the row cannot be read.
        gone: Whether `gc` has begun to remove it, so that forgetting it cannot be undone.
    """

    set_id: str
    generation: int
    nonce: str
    gone: bool = False

    @property
    def attempt(self) -> str:
        """Name of the row's array folder, "" if the row cannot be read."""
        return f"{self.set_id}.{self.nonce}" if self.nonce else ""


@dataclass(frozen=True)
class Forgetting:
    """Sets that were forgotten in one step.

    Args:
        at: When, in seconds since 1970.
        note: Why.
        rows: Their rows.
    """

    at: float
    note: str
    rows: tuple[ForgottenRow, ...]


@dataclass(frozen=True)
class Tag:
    """A named snapshot.

    Args:
        name: Its name.
        at: When it was made, in seconds since 1970.
        where: The condition that its sets met; None for all.
        sets: Number of sets.
        nonce: The name of its file, without the suffix.
        sha256: SHA-256 of its file.
    """

    name: str
    at: float
    where: str | None
    sets: int
    nonce: str
    sha256: str

    @property
    def file(self) -> str:
        """Path of the file with its sets and reviews."""
        return f"{TAGS}/{self.nonce}.json"


@dataclass(frozen=True)
class Versions:
    """One document; a store in which nothing was ever tagged or forgotten has number 0."""

    number: int = 0
    forgettings: tuple[Forgetting, ...] = ()
    tags: tuple[Tag, ...] = ()

    @cached_property
    def rows(self) -> tuple[ForgottenRow, ...]:
        """All forgotten rows."""
        return tuple(row for item in self.forgettings for row in item.rows)

    @cached_property
    def by_set(self) -> Mapping[str, list[ForgottenRow]]:
        """Forgotten rows of each set that has any, the oldest first."""
        found: dict[str, list[ForgottenRow]] = {}
        for row in sorted(self.rows):
            found.setdefault(row.set_id, []).append(row)
        return found

    @cached_property
    def attempts(self) -> frozenset[str]:
        """Array folders of forgotten rows: those that are in parts are known by them."""
        return frozenset(row.attempt for row in self.rows) - {""}

    @cached_property
    def gone(self) -> "Versions":
        """The rows alone that `gc` has begun to remove."""
        rows = tuple(row for row in self.rows if row.gone)
        return Versions(self.number, (Forgetting(0.0, "", rows),))

    def hides(self, set_id: str, generation: int) -> bool:
        """Whether a row in a file of its own is forgotten."""
        return any(row.generation == generation for row in self.by_set.get(set_id, ()))

    def generations(self, set_id: str) -> list[int]:
        """Generations that a set's row may have, other than forgotten ones."""
        if set_id not in self.by_set:
            return [0]
        return [n for n in range(self.next_generation(set_id) + 1) if not self.hides(set_id, n)]

    def next_generation(self, set_id: str) -> int:
        """The generation that a set gets if it is made again; 0 if it was never forgotten."""
        return 1 + max((row.generation for row in self.by_set.get(set_id, ())), default=-1)

    def tag(self, name: str) -> Tag | None:
        """The tag of a name, if there is one."""
        return next((tag for tag in self.tags if tag.name == name), None)


def with_rows(
    versions: Versions, change: Callable[[ForgottenRow], ForgottenRow | None]
) -> Versions:
    """The same document with each forgotten row changed, or taken out by None."""
    forgettings = []
    for item in versions.forgettings:
        rows = tuple(row for row in map(change, item.rows) if row is not None)
        if rows:
            forgettings.append(Forgetting(item.at, item.note, rows))
    return Versions(versions.number, tuple(forgettings), versions.tags)


def versions_file(number: int) -> str:
    """The file of a document."""
    return f"{VERSIONS}/{number:010d}.json"


def version_numbers(place: Place) -> list[int]:
    """Numbers of the documents that are there, ascending."""
    matches = (_FILE.fullmatch(name) for name in place.names(VERSIONS))
    return sorted(int(match[1]) for match in matches if match)


def read_versions(place: Place, number: int | None = None) -> Versions:
    """Read a document, the newest if none is named.

    Raises:
        StoreError: If it is damaged.
    """
    while True:
        newest = max(version_numbers(place), default=0) if number is None else number
        if not newest:
            return Versions()
        try:
            return _decode(place.read(versions_file(newest)), newest)
        except FileNotFoundError:  # superseded and removed since it was listed
            if number is not None:
                raise


def change_versions(place: Place, change: Callable[[Versions], Versions | None]) -> Versions:
    """Publish a change as the next document; it is made again if another one came first.

    Args:
        place: The store's files.
        change: Returns the changed document; None if there is nothing to change.

    Returns:
        The document that counts now.

    Raises:
        StoreError: If `change` raises it, or others change the store all the time.
        OSError: If it cannot be written.
    """
    for _ in range(TRIES):
        before = read_versions(place)
        after = change(before)
        if after is None:
            return before
        after = Versions(before.number + 1, after.forgettings, after.tags)
        if place.put_new(versions_file(after.number), _encode(after)):
            return after
    raise StoreError(f"store {place.url}: others change its tags all the time; try again")


def tag_files(versions: Iterable[Versions]) -> set[str]:
    """Files of all tags that some documents name."""
    return {tag.file for document in versions for tag in document.tags}


def _encode(versions: Versions) -> bytes:
    """The bytes of a document; the nonce makes those of two writers differ."""
    values = {
        "format": FORMAT,
        "number": versions.number,
        "nonce": uuid.uuid4().hex,
        "tags": [asdict(tag) for tag in versions.tags],
        "forgettings": [
            {"at": item.at, "note": item.note, "rows": [list(row) for row in item.rows]}
            for item in versions.forgettings
        ],
    }
    return json.dumps({**values, "sha256": _sha256(values)}).encode()


def _decode(data: bytes, number: int) -> Versions:
    """A document from its bytes, with its checksum and every name in it checked."""
    try:
        values = json.loads(data)
        sound = values.pop("sha256") == _sha256(values)
        sound &= values["format"] == FORMAT and values["number"] == number
        tags = tuple(Tag(**tag) for tag in values["tags"])
        forgettings = tuple(
            Forgetting(item["at"], item["note"], tuple(ForgottenRow(*row) for row in item["rows"]))
            for item in values["forgettings"]
        )
        sound &= all(_NONCE.fullmatch(tag.nonce) and _SHA256.fullmatch(tag.sha256) for tag in tags)
        for item in forgettings:
            for row in item.rows:
                sound &= bool(SET_ID.fullmatch(row.set_id)) and row.generation >= 0
                sound &= not row.nonce or bool(_NONCE.fullmatch(row.nonce))
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise StoreError(f"{versions_file(number)}: damaged; restore it from a copy of the store")
    return Versions(number, forgettings, tags)


def _sha256(values: dict[str, Any]) -> str:
    """SHA-256 of all values of a document but the checksum itself."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
