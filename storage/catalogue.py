"""Which sets are committed, and where their rows are: in files of their own, or in compacted parts.

A set's row never changes, it only moves: from its own file into a part, or from one part into
another. So a reader whose file disappeared looks the row up again, and finds it elsewhere. Files of
single sets are listed before the manifest is read: a set that moves in between is in the manifest.
A set that is in both places counts once, with the manifest's row.

Forgotten rows do not exist for readers. A set that was forgotten and made again has two rows for a
while. Then the new one has a file of its own, and parts never have two rows of one set.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.storage.forgetting import located
from flawcast.storage.ids import IdSet, Whereabouts, in_portions, keys_of
from flawcast.storage.layout import SAMPLES, SETS, parse_row_file, row_file, samples_file
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Manifest, Part, manifest_numbers, read_manifest
from flawcast.storage.parts import PartReader
from flawcast.storage.place import Place
from flawcast.storage.rows import check_row, check_samples, read_commit, read_samples
from flawcast.storage.schema import ATTEMPT, COMMITS
from flawcast.storage.schema import SAMPLES as SAMPLE_COLUMNS
from flawcast.storage.schema import SETS as SET_COLUMNS
from flawcast.storage.versions import ForgottenRow, Versions, read_versions, version_numbers

COLUMNS = {"sets": SET_COLUMNS, "samples": SAMPLE_COLUMNS}
TRIES = 5  # one fails only if a compaction and the end of a grace age come in between

Answer = TypeVar("Answer")
Numbers = NDArray[np.int64]


class Catalogue:
    """The committed sets, as of now or as of one moment.

    Args:
        place: The store's files.
        only: The sets of a snapshot; None for all sets in the store at the time of a call.
        pinned: What is forgotten for a snapshot or tag; None for what is at the time of a call.
    """

    def __init__(
        self,
        place: Place,
        only: Set[str] | None = None,
        pinned: Versions | None = None,
    ) -> None:
        self.place, self.pinned = place, pinned
        self.only = only if only is None or isinstance(only, IdSet) else IdSet(only)
        self.parts = PartReader(place)
        self._manifest = Manifest()
        self._versions = Versions()
        self._hidden: dict[tuple[str, int], frozenset[str]] = {}
        self._where: tuple[Manifest, Whereabouts] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Each process finds out itself where sets are."""
        return {**self.__dict__, "_hidden": {}, "_where": None}

    def manifest(self) -> Manifest:
        """The newest manifest; read again only if there is a newer one."""
        if max(manifest_numbers(self.place), default=0) != self._manifest.number:
            self._manifest = read_manifest(self.place)
            self.parts.forget(*self._manifest.parts)
        return self._manifest

    def versions(self) -> Versions:
        """What is forgotten; read again only if there is something newer."""
        if self.pinned is not None:
            return self.pinned
        if max(version_numbers(self.place), default=0) != self._versions.number:
            self._versions, self._hidden = read_versions(self.place), {}
        return self._versions

    def state(self) -> tuple[int, int]:
        """Numbers that change if rows move, or are forgotten or undone."""
        return self.manifest().number, self.versions().number

    def has(self, set_id: str) -> bool:
        """Whether a set is committed."""
        if self.only is not None:
            return set_id in self.only
        return self._loose_row(set_id) is not None or self._find(set_id) is not None

    def ids(self) -> IdSet:
        """Ids of all committed sets."""
        if self.only is not None:
            return self.only

        def look() -> IdSet:
            versions = self.versions()
            loose, manifest = self.listing(versions)
            pieces = [pa.array(loose, pa.string())]
            pieces += [self.visible(part, versions) for part in manifest.parts]
            return IdSet(pa.concat_arrays(pieces))

        return again(look)

    def listing(self, versions: Versions | None = None) -> tuple[dict[str, str], Manifest]:
        """Sets that have files of their own and are in no part, with the files; the manifest.

        Args:
            versions: What is forgotten; None for what is now.
        """
        asked = self.versions() if versions is None else versions
        return again(lambda: self._listing(asked))

    def row(self, set_id: str) -> dict[str, Any]:
        """A set's row.

        Raises:
            FileNotFoundError: If it is not committed.
            StoreError: If the row is damaged.
        """
        if self.only is not None and set_id not in self.only:
            raise FileNotFoundError(set_id)
        for _ in range(2):  # a row that is in no part and has no file moved in between
            row = again(lambda: self._part_row(set_id))
            if row is not None:
                return check_row(row, set_id)
            for generation in self.versions().generations(set_id):
                try:
                    return read_commit(self.place.read(row_file(set_id, generation)), set_id)
                except FileNotFoundError:
                    continue
        raise FileNotFoundError(set_id)

    def samples(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Rows of the kept samples of a set whose row was read.

        Raises:
            StoreError: If they are damaged or missing.
        """
        for _ in range(2):
            samples = again(lambda: self._part_samples(row))
            if samples is not None:
                return check_samples(samples, row["checksums"]["sample_rows"])
            try:
                data = self.place.read(samples_file(row["arrays"]))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"samples: cannot be read, {error.strerror}") from None
            return read_samples(data, row["checksums"]["samples"])
        raise StoreError("samples: cannot be read, there is no such file")

    def dataset(self, kind: str) -> pads.Dataset:
        """All rows for a query; as `pieces`."""
        pieces = self.pieces(kind)
        return pads.dataset(pieces) if len(pieces) > 1 else pieces[0]

    def pieces(self, kind: str) -> list[pads.Dataset]:
        """All rows, those of each part on their own.

        Args:
            kind: "sets" or "samples".

        Raises:
            FileNotFoundError, StoreError: If a file disappeared in the meantime, or is damaged.
        """
        versions = self.versions()
        loose, manifest = self.listing(versions)
        files = sorted(
            file for name, file in loose.items() if self.only is None or name in self.only
        )
        if kind == "samples" and files:
            files = [f"{SAMPLES}/{name}" for name in self.samples_files(files)]
        pieces = [self._part_dataset(part, kind, versions) for part in manifest.parts]
        if files or not pieces:
            pieces.append(self.loose_rows(files, COLUMNS[kind]))
        return pieces

    def tables(
        self, set_ids: Iterable[str], columns: list[str] | None = None
    ) -> Iterator[pa.Table]:
        """Rows of those of many sets that are there, in tables of a few thousand.

        Args:
            set_ids: Which sets; they come in about this order.
            columns: Columns of COMMITS; None for all.
        """
        for some in in_portions(set_ids):
            wanted = some if self.only is None else [item for item in some if item in self.only]
            yield again(lambda ids=wanted: self._table(ids, columns))  # type: ignore[misc]

    def loose_among(self, rows: list[tuple[str, int]]) -> list[str]:
        """Sets of those of some rows that are in no part, in memory that does not grow.

        Args:
            rows: Set and generation of each; forgotten ones are left out.
        """

        def look() -> list[str]:
            versions = self.versions()
            shown = [name for name, number in rows if number in versions.generations(name)]
            left = list(dict.fromkeys(shown))
            ids = pa.array(left, pa.string())
            there = self._in_parts(ids, versions, self.manifest())[0] >= 0
            return [name for name, moved in zip(left, there.tolist(), strict=True) if not moved]

        return again(look)

    def locate(self, set_ids: Set[str]) -> list[ForgottenRow]:
        """Where the rows of some sets are, to forget them; sets that are not there are left out."""

        def look() -> list[ForgottenRow]:
            versions = self.versions()
            loose, _ = self.listing(versions)
            found = []
            for some in in_portions(sorted(set_ids - loose.keys())):
                for rows in self._part_tables(some, ["set_id", "arrays", "checksums"], versions):
                    found += [row for row in map(located, rows.to_pylist()) if row.nonce]
            for set_id in sorted(set_ids & loose.keys()):
                name = loose[set_id]
                try:
                    found.append(located(read_commit(self.place.read(name), set_id)))
                except StoreError:  # cannot be read, but forgotten
                    _, generation = parse_row_file(name.rpartition("/")[2]) or ("", 0)
                    found.append(ForgottenRow(set_id, generation, ""))
            return found

        return again(look)

    def holding(self, part: Part, attempts: frozenset[str]) -> frozenset[str]:
        """Sets of a part whose rows name one of some array folders."""
        names = pa.array({name.split(".")[0] for name in attempts}, pa.string())
        if not np.isin(keys_of(names), self.parts.keys(part).keys).any():
            return frozenset()
        found: set[str] = set()
        wanted = pa.array(attempts, pa.string())
        for batch in self.parts.batches(part, "sets", ["set_id", "arrays"]):
            rows = batch.filter(pc.is_in(batch["arrays"], value_set=wanted))
            found.update(rows["set_id"].to_pylist())
        return frozenset(found)

    def damaged(self) -> Iterator[str]:
        """Files with rows that cannot be read."""
        loose, manifest = self.listing()
        names = list(loose.values())
        for set_id in loose:
            try:
                names.append(samples_file(self.row(set_id)["arrays"]))
            except (OSError, StoreError):
                continue
        names += [name for part in manifest.parts for name in (part.sets, part.samples)]
        for name in names:
            try:
                pq.ParquetFile(self.place.open(name)).read(use_threads=False)
            except (pa.ArrowException, OSError):
                yield name

    def _listing(self, versions: Versions) -> tuple[dict[str, str], Manifest]:
        loose: dict[str, int] = {}
        for row in filter(None, map(parse_row_file, self.place.names(SETS))):
            if row[1] in versions.generations(row[0]):
                loose[row[0]] = min(row[1], loose.get(row[0], row[1]))
        manifest = self.manifest()
        if loose and manifest.parts:
            names = pa.array(loose, pa.string())
            there = self._in_parts(names, versions, manifest)[0] >= 0
            for name in names.filter(pa.array(there)).to_pylist():
                del loose[name]
        return {name: row_file(name, number) for name, number in loose.items()}, manifest

    def visible(self, part: Part, versions: Versions) -> pa.Array:
        """Ids of a part's sets, without forgotten ones."""
        ids, hidden = self.parts.ids(part), self.hidden_in(part, versions)
        if not hidden:
            return ids
        return ids.filter(pc.invert(pc.is_in(ids, value_set=pa.array(hidden, pa.string()))))

    def _in_parts(
        self, ids: pa.Array, versions: Versions, manifest: Manifest
    ) -> tuple[Numbers, Numbers]:
        """Number of the part, and position in it, of each set's row that is shown; or -1."""
        if self._where is None or self._where[0] is not manifest:
            self._where = manifest, Whereabouts([self.parts.keys(part) for part in manifest.parts])
        numbers, positions = self._where[1].find(ids)
        if versions.attempts:
            for place in np.flatnonzero(numbers >= 0).tolist():
                set_id = ids[place].as_py()
                if set_id in versions.by_set and set_id in self.hidden_in(
                    manifest.parts[numbers[place]], versions
                ):
                    numbers[place] = positions[place] = -1
        return numbers, positions

    def _part_tables(
        self, ids: list[str], columns: list[str] | None, versions: Versions
    ) -> Iterator[pa.Table]:
        """Rows of sets that are in parts."""
        manifest = self.manifest()
        numbers, positions = self._in_parts(pa.array(ids, pa.string()), versions, manifest)
        for number in np.unique(numbers[numbers >= 0]).tolist():
            part = manifest.parts[number]
            yield self.parts.rows(part, positions[numbers == number], columns)

    def _table(self, ids: list[str], columns: list[str] | None) -> pa.Table:
        """Rows of some sets that are there.

        Raises FileNotFoundError if rows moved meanwhile.
        """
        versions, manifest = self.versions(), self.manifest()
        pieces = list(self._part_tables(ids, columns, versions))
        schema = COMMITS if columns is None else pa.schema([COMMITS.field(n) for n in columns])
        if sum(piece.num_rows for piece in pieces) < len(ids):
            found = IdSet() if not pieces else IdSet(pa.concat_tables(pieces)["set_id"])
            rows = (self._loose_row(name) for name in ids if name not in found)
            files = [name for name in rows if name is not None]
            if files:
                pieces.append(self.loose_rows(files, schema).to_table())
            if self.manifest() is not manifest:
                raise FileNotFoundError(2, "moved", manifest.name)
        return pa.concat_tables([schema.empty_table(), *pieces])

    def hidden_in(self, part: Part, versions: Versions) -> frozenset[str]:
        """Sets of a part whose rows in it are forgotten."""
        if not versions.attempts:
            return frozenset()
        known, key = self._hidden, (part.name, versions.number)  # another thread may replace it
        if key not in known:
            known[key] = self.holding(part, versions.attempts)
        return known[key]

    def _loose_row(self, set_id: str) -> str | None:
        """The file of a set's row, if there is one that is not forgotten."""
        names = (row_file(set_id, number) for number in self.versions().generations(set_id))
        return next(filter(self.place.exists, names), None)

    def _find(self, set_id: str) -> tuple[Part, int] | None:
        """The part that has a set, and the set's position in it."""

        def look() -> tuple[Part, int] | None:
            manifest = self.manifest()
            numbers, positions = self._in_parts(pa.array([set_id]), self.versions(), manifest)
            if numbers[0] < 0:
                return None
            return manifest.parts[numbers[0]], int(positions[0])

        return again(look)

    def _part_dataset(self, part: Part, kind: str, versions: Versions) -> pads.Dataset:
        """The rows of a part that are shown; read at once if it has others, too."""
        rows = self.parts.dataset(part, kind, COLUMNS[kind])
        ids = self.visible(part, versions)
        if self.only is not None:
            ids = ids.filter(pa.array(self.only.holds(ids)))
        if len(ids) == part.count:
            return rows
        return pads.dataset(rows.to_table(filter=pc.field("set_id").isin(ids)))

    def _part_row(self, set_id: str) -> dict[str, Any] | None:
        """A set's row if it is in a part."""
        position = self._find(set_id)
        return self.parts.row(*position) if position else None

    def _part_samples(self, row: dict[str, Any]) -> list[dict[str, Any]] | None:
        """A set's sample rows if it is in a part."""
        position = self._find(row["set_id"])
        return self.parts.samples(position[0], row["set_id"], row["apd"]) if position else None

    def samples_files(self, files: list[str]) -> list[str]:
        """Names of the samples files that the rows of single sets give."""
        column = self.loose_rows(files, COMMITS).to_table(columns=["samples_file"])["samples_file"]
        names: list[str] = column.to_pylist()
        for name in names:
            stem, _, suffix = str(name).rpartition(".")
            if suffix != "parquet" or not ATTEMPT.fullmatch(stem):
                raise StoreError(
                    f"samples file: {name!r} is no name in a store; see `flawcast verify`"
                )
        return names

    def loose_rows(self, files: list[str], schema: pa.Schema) -> pads.Dataset:
        """The rows in files of single sets."""
        if isinstance(self.place, LocalPlace):
            paths = [str(self.place.root / name) for name in files]
            return pads.dataset(paths, schema=schema, format="parquet")
        tables = [pq.ParquetFile(self.place.open(name)).read(schema.names) for name in files]
        return pads.dataset(pa.concat_tables([schema.empty_table(), *tables]))


def again(look: Callable[[], Answer]) -> Answer:
    """Look again if a file disappeared because its rows moved."""
    for _ in range(TRIES):
        try:
            return look()
        except FileNotFoundError as error:
            gone = error.filename
    raise StoreError(f"{gone}: missing or damaged; `flawcast verify` lists what is")
