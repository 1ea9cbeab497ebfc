"""Tags: named snapshots of a store that do not change and that `gc` respects.

STORE/tags/<nonce>.json

The file holds the ids of the tag's sets, those of their rows that were forgotten before, and the
reviews of that moment. It is written first; the document in versions/ that names it, last.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from flawcast.configs.errors import StoreError
from flawcast.storage.ids import IdSet
from flawcast.storage.layout import ATTEMPT_SECONDS
from flawcast.storage.place import Place, UnsettledError
from flawcast.storage.problems import StoreProblem
from flawcast.storage.reviews import Record
from flawcast.storage.schema import SET_ID
from flawcast.storage.versions import (
    TAG_NAME,
    Forgetting,
    ForgottenRow,
    Tag,
    Versions,
)

FORMAT = "flawcast-tag"
NOW = "now"  # no tag: the store as it is


@dataclass(frozen=True)
class TagContent:
    """What readers need of a tag.

    Args:
        sets: Ids of its sets.
        hidden: Rows of these sets that were forgotten before the tag was made.
        reviews: The reviews of its samples at that moment.
    """

    sets: IdSet
    hidden: frozenset[ForgottenRow]
    reviews: frozenset[Record]

    @cached_property
    def versions(self) -> Versions:
        """What is forgotten for readers of the tag, whatever was forgotten later."""
        return Versions(0, (Forgetting(0.0, "", tuple(sorted(self.hidden))),))

    def holds(self, row: ForgottenRow) -> bool:
        """Whether a row that was forgotten is still needed by the tag."""
        if row.set_id not in self.sets:
            return False
        return self.versions.generations(row.set_id)[0] == row.generation


def check_tag_name(name: str) -> None:
    """Refuse what cannot be the name of a tag.

    Raises:
        StoreError: If it is refused.
    """
    if not TAG_NAME.fullmatch(name):
        raise StoreError(
            "tag: expected a name of letters, digits, '.', '_' and '-', at most 100, "
            f"got {name[:120]!r}; choose another"
        )
    if name == NOW:
        raise StoreError(f"tag: {NOW!r} means the store as it is; choose another name")


def find_tag(versions: Versions, name: str, url: str) -> Tag:
    """The tag of a name.

    Raises:
        StoreError: If there is none.
    """
    tag = versions.tag(name)
    if tag is None:
        names = ", ".join(sorted(item.name for item in versions.tags)) or "none"
        raise StoreError(f"store {url}: no tag {name[:120]!r}; its tags: {names}")
    return tag


def write_tag(place: Place, name: str, where: str | None, content: TagContent, began: float) -> Tag:
    """Write the file of a new tag, which no document names yet.

    Args:
        place: The store's files.
        name: Its name.
        where: The condition that its sets met.
        content: Its sets and reviews.
        began: When the work on it began, in seconds since 1970.

    Raises:
        OSError: If it cannot be written, or took so long that `gc` may have begun on its file.
    """
    values = {
        "format": FORMAT,
        "sets": list(content.sets),
        "hidden": [list(row) for row in sorted(content.hidden)],
        "reviews": [list(record) for record in sorted(content.reviews)],
    }
    data = json.dumps(values).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    tag = Tag(name, began, where, len(content.sets), uuid.uuid4().hex, sha256)
    try:
        place.put_new(tag.file, data)
        if time.time() - began > ATTEMPT_SECONDS:
            raise OSError(f"writing took longer than {ATTEMPT_SECONDS} s")
    except UnsettledError:
        raise
    except BaseException:
        discard_tag(place, tag)
        raise
    return tag


def discard_tag(place: Place, tag: Tag) -> None:
    """Remove the file of a tag that no document names; `gc` does if it cannot be removed now."""
    with suppress(OSError):
        place.remove(tag.file)


def read_tag(place: Place, tag: Tag) -> TagContent:
    """Read the file of a tag.

    Raises:
        StoreError: If it is damaged or missing.
    """
    try:
        data = place.read(tag.file)
        sound = hashlib.sha256(data).hexdigest() == tag.sha256
        values = json.loads(data)
        sound &= all(map(SET_ID.fullmatch, values["sets"]))
        sets = IdSet(values["sets"])
        hidden = frozenset(ForgottenRow(*row) for row in values["hidden"])
        reviews = frozenset(Record(*record) for record in values["reviews"])
        sound &= values["format"] == FORMAT
    except FileNotFoundError:
        raise StoreError(f"tag {tag.name}: {tag.file} is missing; see `flawcast verify`") from None
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise StoreError(f"tag {tag.name}: {tag.file} is damaged; see `flawcast verify`")
    return TagContent(sets, hidden, reviews)


def tag_problems(place: Place, versions: Versions) -> Iterable[StoreProblem]:
    """Damaged files of tags."""
    for tag in versions.tags:
        try:
            read_tag(place, tag)
        except StoreError as error:
            yield StoreProblem(tag.file, str(error).partition("; see")[0])
