"""What a store does with versions: named snapshots, and sets that are forgotten.

Forgetting hides rows, and removes nothing. Readers stop showing the sets at once; `gc` removes them
after the grace age, unless a tag holds them. Until then, forgetting can be undone. A forgotten set
is not made again unless somebody says so.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, Self

import pyarrow as pa

from flawcast.configs.errors import FlawcastError, StoreError
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.forgetting import forgotten_last, swept, undoable
from flawcast.storage.ids import IdSet
from flawcast.storage.layout import mark_forgetting
from flawcast.storage.place import Place, UnsettledError
from flawcast.storage.problems import StoreProblem
from flawcast.storage.reviews import LONGEST, Record, Reviews
from flawcast.storage.sample_set import check_set_id
from flawcast.storage.tags import (
    TagContent,
    check_tag_name,
    discard_tag,
    find_tag,
    read_tag,
    tag_problems,
    write_tag,
)
from flawcast.storage.versions import (
    Forgetting,
    ForgottenRow,
    Tag,
    Versions,
    change_versions,
    read_versions,
    with_rows,
)


class Versioned(ABC):
    """The part of `SampleStore` that tags sets and forgets them."""

    mode: Literal["r", "a"]
    _place: Place
    _catalogue: Catalogue
    tagged: str | None = None  # the tag that this view shows

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the store is."""

    @abstractmethod
    def query(
        self,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        rows: str = "sets",
    ) -> pa.Table:
        """Rows that meet a condition."""

    @abstractmethod
    def ids(self) -> IdSet:
        """Ids of all sets."""

    @abstractmethod
    def has(self, set_id: str) -> bool:
        """Whether a set is there."""

    @abstractmethod
    def _view(
        self,
        only: Set[str] | None,
        pinned: Versions,
        reviews: frozenset[Record] | None = None,
    ) -> Self:
        """The same store for reading, with some things as of one moment."""

    @property
    def versions(self) -> Versions:
        """What is forgotten, and the tags; its number changes with every change."""
        with self._as_store_errors():
            return self._catalogue.versions()

    def tag(self, name: str, where: str | None = None) -> Tag:
        """Give a name to the present sets and reviews; `open(url, tag=name)` shows them.

        Later commits, reviews, compaction, forgetting and `gc` do not change what it shows, until
        the tag is deleted.

        Args:
            name: Letters, digits, ".", "_" and "-"; not "now".
            where: SQL condition over the columns of sets; None for all.

        Raises:
            QueryError: If the condition is not valid.
            StoreError: If the name is taken or not valid, no set meets the condition, or it cannot
                be written.
        """
        self._writable()
        check_tag_name(name)
        written: list[Tag] = []

        def add(versions: Versions) -> Versions:
            self._discard_unused(written)
            taken = versions.tag(name)
            if taken is not None:
                raise StoreError(
                    f"tag {name}: it is there, with {taken.sets} sets; choose another name or "
                    f"delete it first: flawcast tag {self.url} {name} --delete"
                )
            began = time.time()
            content = self._content(versions, where)
            written.append(write_tag(self._place, name, where, content, began))
            return replace(versions, tags=(*versions.tags, written[0]))

        with self._as_store_errors():
            try:
                change_versions(self._place, add)
            except UnsettledError:
                raise  # the tag may be there and name its file, as after an interruption
            except (FlawcastError, OSError):
                self._discard_unused(written)
                raise
        return written[0]

    def tags(self) -> tuple[Tag, ...]:
        """All tags, the oldest first."""
        with self._as_store_errors():
            return tuple(sorted(read_versions(self._place).tags, key=lambda tag: tag.at))

    def delete_tag(self, name: str) -> None:
        """Remove a tag; forgotten sets that it alone held go with the next `gc`.

        Raises:
            StoreError: If there is no such tag, or it cannot be written.
        """
        self._writable()

        def remove(versions: Versions) -> Versions:
            gone = find_tag(versions, name, self.url)
            return replace(versions, tags=tuple(tag for tag in versions.tags if tag != gone))

        with self._as_store_errors():
            change_versions(self._place, remove)

    def forget(
        self, set_ids: Iterable[str] = (), where: str | None = None, note: str = ""
    ) -> list[str]:
        """Let sets disappear for readers, all in one step; `gc` removes them later.

        Args:
            set_ids: Sets of the store.
            where: SQL condition over the columns of sets, for more sets; None for no more.
            note: Why, at most 1,000 characters.

        Returns:
            Ids of the sets that were forgotten, sorted.

        Raises:
            QueryError: If the condition is not valid.
            StoreError: If there is no such set, or it cannot be written.
        """
        self._writable()
        if len(note) > LONGEST["note"]:
            raise StoreError(
                f"note: expected at most {LONGEST['note']} characters, got {len(note)}; shorten it"
            )
        wanted = self._wanted(list(set_ids), where)
        forgotten: list[str] = []
        left: list[str] = []

        def add(versions: Versions) -> Versions | None:
            there = frozenset(
                _among(wanted, self._catalogue.ids())
            )  # others may have forgotten some
            rows = tuple(self._catalogue.locate(there))
            forgotten[:] = sorted(row.set_id for row in rows)
            left[:] = sorted(there - set(forgotten))
            added = Forgetting(time.time(), note, rows)
            return replace(versions, forgettings=(*versions.forgettings, added)) if rows else None

        with self._as_store_errors():
            mark_forgetting(self._place)
            change_versions(self._place, add)
        if left:
            raise StoreError(
                f"{left[0]}: its row is in a damaged part, see `flawcast verify {self.url}`; "
                f"restore the part from a copy of the store ({len(forgotten)} sets were forgotten)"
            )
        return forgotten

    def undo_forget(self, set_ids: Iterable[str] = ()) -> list[str]:
        """Show forgotten sets again, all in one step, if `gc` has not begun to remove them.

        Args:
            set_ids: Which; none for those that were forgotten last.

        Returns:
            Ids of the sets that are back, sorted.

        Raises:
            StoreError: If there is nothing to undo, or it cannot be written.
        """
        self._writable()
        asked = list(dict.fromkeys(set_ids))
        for set_id in asked:
            check_set_id(set_id)
        back: set[ForgottenRow] = set()

        def remove(versions: Versions) -> Versions:
            there = self._catalogue.ids()
            back.clear()
            back.update(
                [undoable(versions, there, set_id) for set_id in asked]
                if asked
                else forgotten_last(versions, there)
            )
            return with_rows(versions, lambda row: None if row in back else row)

        with self._as_store_errors():
            change_versions(self._place, remove)
        return sorted(row.set_id for row in back)

    def is_forgotten(self, set_id: str) -> bool:
        """Whether a set was forgotten and was not made again.

        Raises:
            StoreError: If it is not an id of a set.
        """
        check_set_id(set_id)
        return set_id in self.versions.by_set and not self.has(set_id)

    def pinned(self) -> Self:
        """The same store for reading; what is forgotten or undone later stays as it is now.

        Sets that are committed later are seen. A set that is forgotten later can be read until
        `gc` removes it.
        """
        return self._view(self._catalogue.only, self.versions)

    def _at_tag(self, name: str) -> Self:
        """The sets and reviews of a tag.

        Raises:
            StoreError: If there is no such tag, or its file is damaged.
        """
        content = read_tag(self._place, find_tag(read_versions(self._place), name, self.url))
        view = self._view(content.sets, content.versions, content.reviews)
        view.tagged = name
        return view

    def _content(self, versions: Versions, where: str | None) -> TagContent:
        """What a new tag shows.

        Raises:
            StoreError: If it would be empty.
        """
        view = self._view(None, versions)
        ids = view.ids() if where is None else IdSet(view.query(where)["set_id"])
        if not ids:
            raise StoreError(
                "tag: expected a store with sets, got an empty one"
                if where is None
                else "tag: no set meets the condition; see `flawcast query`"
            )
        hidden = (row for rows in versions.by_set.values() for row in rows if row.set_id in ids)
        reviews = (item for item in Reviews(self._place).records() if item.set_id in ids)
        return TagContent(ids, frozenset(hidden), frozenset(reviews))

    def _discard_unused(self, written: list[Tag]) -> None:
        """Remove the files of tags that were not published."""
        while written:
            discard_tag(self._place, written.pop())

    def _wanted(self, set_ids: list[str], where: str | None) -> frozenset[str]:
        """Ids of the sets to forget.

        Raises:
            StoreError: If there are none, or one is not there.
        """
        for set_id in set_ids:
            check_set_id(set_id)
        asked = set(set_ids)
        unknown = sorted(asked - _among(asked, self.ids()))
        if unknown:
            known = unknown[0] in self._catalogue.versions().by_set
            raise StoreError(
                f"store {self.url}: {unknown[0]} is forgotten already"
                if known
                else f"store {self.url}: no set {unknown[0]}; list the sets with `flawcast query`"
            )
        if where is not None:
            set_ids = [*set_ids, *self.query(where)["set_id"].to_pylist()]
        if not set_ids:
            raise StoreError("forget: no set meets the condition; see `flawcast query`")
        return frozenset(set_ids)

    def _gone(self, before: float, dry_run: bool) -> Versions:
        """The forgotten rows that `gc` may remove: those it began on, and older ones not held.

        The number is that of the document which `gc` found, before it published any.

        Args:
            before: What was forgotten later stays.
            dry_run: Do not publish that they go.
        """
        found = read_versions(self._place)
        if dry_run:
            after = swept(self._place, found, before) or found
        else:
            after = change_versions(self._place, lambda now: swept(self._place, now, before))
        return replace(after.gone, number=found.number)

    def _writable(self) -> None:
        """Refuse to change a store that was opened for reading."""
        if self.mode != "a":
            raise StoreError(f"store {self.url}: opened for reading; open it with mode 'a'")

    @contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        """Raise OSErrors as a one-line StoreError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(
                f"store {self.url}: {error.strerror or error}; choose another"
            ) from error

    def _problems_of_tags(self) -> Iterator[StoreProblem]:
        """Damaged files of tags."""
        try:
            versions = read_versions(self._place)
        except StoreError:  # is named already
            return
        yield from tag_problems(self._place, versions)


def _among(set_ids: Iterable[str], there: IdSet) -> set[str]:
    """Those of some sets that are there."""
    asked = list(set_ids)
    return {name for name, found in zip(asked, there.holds(asked).tolist(), strict=True) if found}
