"""The rows of a large store in portions, so that a question with a limit need not read all of them.

Parts hold their rows in row groups, and every group knows the smallest and largest value of each
column. So the most diverse sets are looked for in the groups that may have them, in the columns
that the question names. The other columns are read for the rows of the answer alone.
"""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flawcast.storage.catalogue import COLUMNS, Catalogue
from flawcast.storage.layout import SAMPLES
from flawcast.storage.manifest import Part

GROUP, SINGLE = "_row_group", -1  # column of a row's group; single sets are in none


class RowGroups:
    """All rows of a kind, as of one moment.

    Args:
        catalogue: The committed sets.
        kind: "sets" or "samples".
    """

    def __init__(self, catalogue: Catalogue, kind: str) -> None:
        self.catalogue, self.kind, self.schema = catalogue, kind, COLUMNS[kind]
        self.versions = catalogue.versions()
        loose, manifest = catalogue.listing(self.versions)
        only = catalogue.only
        self._files = sorted(file for name, file in loose.items() if only is None or name in only)
        self.parts = manifest.parts
        self._groups = [
            (number, group)
            for number, part in enumerate(self.parts)
            for group in range(catalogue.parts.groups(part, kind))
        ]

    def __len__(self) -> int:
        """Number of row groups; the rows of single sets are in none."""
        return len(self._groups)

    def bounds(self, column: str) -> NDArray[np.float64]:
        """Smallest and largest value of a column in each group, (groups, 2); NaN if unknown."""
        kind = self.schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            return np.full((len(self), 2), np.nan)
        found = [self.catalogue.parts.bounds(part, self.kind, column) for part in self.parts]
        return np.concatenate([np.zeros((0, 2)), *found])

    def read(self, chosen: NDArray[np.int64], columns: Collection[str]) -> pa.Table:
        """Some columns of some groups."""
        some = self.catalogue.only is not None or bool(self.versions.attempts)
        wanted = {*columns, "set_id"} if some else columns
        names = [name for name in self.schema.names if name in wanted]
        pieces = [self._group(number, names) for number in sorted(chosen.tolist())]
        return pa.concat_tables([self._numbered(self.schema.empty_table().select(names)), *pieces])

    def single(self, columns: Collection[str]) -> pa.Table:
        """Some columns of all sets that have files of their own."""
        table = self._single()
        return self._numbered(table.select([n for n in table.schema.names if n in columns]))

    def whole(self, found: pa.Table, key: str) -> pa.Table:
        """All columns of some rows, in any order.

        Args:
            found: Their ids and the column GROUP.
            key: The column of their ids.
        """
        pieces = [self.schema.empty_table()]
        for number in found[GROUP].unique().to_pylist():
            if number >= 0:
                table = self._group(number, self.schema.names).drop_columns([GROUP])
            else:
                table = self._single()
            pieces.append(table.filter(pc.is_in(table[key], value_set=found[key])))
        return pa.concat_tables(pieces)

    def _group(self, number: int, names: list[str]) -> pa.Table:
        """Some columns of a row group."""
        at, group = self._groups[number]
        part = self.parts[at]
        table = self.catalogue.parts.read_groups(part, self.kind, [group], names)
        return self._numbered(self._shown(part, table), number)

    @staticmethod
    def _numbered(table: pa.Table, number: int = SINGLE) -> pa.Table:
        """A table with the column GROUP."""
        return table.append_column(GROUP, pa.array(np.full(table.num_rows, number, np.int32)))

    def _shown(self, part: Part, table: pa.Table) -> pa.Table:
        """Rows of a part without those that are forgotten or in no snapshot."""
        hidden, only = self.catalogue.hidden_in(part, self.versions), self.catalogue.only
        if hidden:
            names = pa.array(hidden, pa.string())
            table = table.filter(pc.invert(pc.is_in(table["set_id"], value_set=names)))
        if only is not None:
            table = table.filter(pa.array(only.holds(table["set_id"])))
        return table

    def _single(self) -> pa.Table:
        """Rows in files of single sets."""
        files = self._files
        if not files:
            return self.schema.empty_table()
        if self.kind == "samples":
            files = [f"{SAMPLES}/{name}" for name in self.catalogue.samples_files(files)]
        return self.catalogue.loose_rows(files, self.schema).to_table()
