"""Which sets are committed, and where their rows are: in files of their own, or in compacted parts.

A set's row never changes, it only moves: from its own file into a part, or from one part into
another. So a reader whose file disappeared looks the row up again, and finds it elsewhere. Files of
single sets are listed before the manifest is read: a set that moves in between is in the manifest.
A set that is in both places counts once, with the manifest's row.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from flawcast.configs.errors import StoreError
from flawcast.storage.layout import SAMPLES, SETS, row_file, samples_file
from flawcast.storage.local import LocalPlace
from flawcast.storage.manifest import Manifest, manifest_numbers, read_manifest
from flawcast.storage.parts import PartReader
from flawcast.storage.place import Place
from flawcast.storage.rows import check_row, check_samples, read_commit, read_samples
from flawcast.storage.schema import ATTEMPT, COMMITS, SET_ID
from flawcast.storage.schema import SAMPLES as SAMPLE_COLUMNS
from flawcast.storage.schema import SETS as SET_COLUMNS

COLUMNS = {"sets": SET_COLUMNS, "samples": SAMPLE_COLUMNS}
TRIES = 5  # one fails only if a compaction and the end of a grace age come in between

Answer = TypeVar("Answer")


class Catalogue:
    """The committed sets, as of now or as of one moment.

    Args:
        place: The store's files.
        only: The sets of a snapshot; None for all sets in the store at the time of a call.
    """

    def __init__(self, place: Place, only: frozenset[str] | None = None) -> None:
        self.place, self.only = place, only
        self.parts = PartReader(place)
        self._manifest = Manifest()

    def manifest(self) -> Manifest:
        """The newest manifest; read again only if there is a newer one."""
        if max(manifest_numbers(self.place), default=0) != self._manifest.number:
            self._manifest = read_manifest(self.place)
            self.parts.forget(*self._manifest.parts)
        return self._manifest

    def has(self, set_id: str) -> bool:
        """Whether a set is committed."""
        if self.only is not None:
            return set_id in self.only
        return self.place.exists(row_file(set_id)) or self._find(set_id) is not None

    def ids(self) -> list[str]:
        """Ids of all committed sets, sorted."""
        if self.only is not None:
            return sorted(self.only)
        loose, manifest = self.listing()
        return sorted([*loose, *(name for part in manifest.parts for name in self._names(part))])

    def listing(self) -> tuple[list[str], Manifest]:
        """Ids of the sets that have files of their own and are in no part, and the manifest."""
        return again(self._listing)

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
            try:
                return read_commit(self.place.read(row_file(set_id)), set_id)
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
        """All rows for a query.

        Args:
            kind: "sets" or "samples".

        Raises:
            FileNotFoundError: If a file disappeared in the meantime.
            StoreError: If a file is damaged.
        """
        loose, manifest = self.listing()
        loose = loose if self.only is None else [name for name in loose if name in self.only]
        files = sorted(map(row_file, loose))
        if kind == "samples" and files:
            files = [f"{SAMPLES}/{name}" for name in self._samples_files(files)]
        pieces = [self.parts.dataset(part, kind, COLUMNS[kind]) for part in manifest.parts]
        if files or not pieces:
            pieces.append(self._loose(files, COLUMNS[kind]))
        rows = pads.dataset(pieces) if len(pieces) > 1 else pieces[0]
        if self.only is None or len(loose) + sum(p.count for p in manifest.parts) == len(self.only):
            return rows
        ids = pa.array(sorted(self.only), pa.string())
        return pads.dataset(rows.to_table(filter=pc.field("set_id").isin(ids)))

    def loose_among(self, set_ids: list[str]) -> list[str]:
        """Those of some sets that are in no part, in memory that does not grow with the store."""

        def look() -> list[str]:
            left = set_ids
            for part in self.manifest().parts:
                for batch in self.parts.batches(part, "sets", ["set_id"]):
                    moved = pc.is_in(pa.array(left, pa.string()), value_set=batch["set_id"])
                    pairs = zip(left, moved.to_pylist(), strict=True)
                    left = [name for name, gone in pairs if not gone]
            return left

        return again(look)

    def damaged(self) -> Iterator[str]:
        """Files with rows that cannot be read."""
        loose, manifest = self.listing()
        names = list(map(row_file, loose))
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

    def _listing(self) -> tuple[list[str], Manifest]:
        stems = (name.rpartition(".") for name in self.place.names(SETS))
        loose = [stem for stem, _, kind in stems if kind == "parquet" and SET_ID.fullmatch(stem)]
        manifest = self.manifest()
        for part in manifest.parts:
            moved = pc.is_in(pa.array(loose, pa.string()), value_set=self.parts.ids(part))
            loose = [name for name, gone in zip(loose, moved.to_pylist(), strict=True) if not gone]
        return loose, manifest

    def _names(self, part: Any) -> list[str]:
        names: list[str] = self.parts.ids(part).to_pylist()
        return names

    def _find(self, set_id: str) -> tuple[Any, int] | None:
        """The part that has a set, and the set's position in it."""

        def look() -> tuple[Any, int] | None:
            positions = ((part, self.parts.find(part, set_id)) for part in self.manifest().parts)
            return next((pair for pair in positions if pair[1] >= 0), None)

        return again(look)

    def _part_row(self, set_id: str) -> dict[str, Any] | None:
        """A set's row if it is in a part."""
        position = self._find(set_id)
        return self.parts.row(*position) if position else None

    def _part_samples(self, row: dict[str, Any]) -> list[dict[str, Any]] | None:
        """A set's sample rows if it is in a part."""
        position = self._find(row["set_id"])
        return self.parts.samples(position[0], row["set_id"], row["apd"]) if position else None

    def _samples_files(self, files: list[str]) -> list[str]:
        """Names of the samples files that the rows of single sets give."""
        column = self._loose(files, COMMITS).to_table(columns=["samples_file"])["samples_file"]
        names: list[str] = column.to_pylist()
        for name in names:
            stem, _, suffix = str(name).rpartition(".")
            if suffix != "parquet" or not ATTEMPT.fullmatch(stem):
                raise StoreError(
                    f"samples file: {name!r} is no name in a store; see `flawcast verify`"
                )
        return names

    def _loose(self, files: list[str], schema: pa.Schema) -> pads.Dataset:
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
