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
from flawcast.storage.reviews import set_of


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
        by_part: dict[int, list[int]] = {}
        for number in sorted(chosen.tolist()):
            part, group = self._groups[number]
            by_part.setdefault(part, []).append(group)
        pieces = [
            self._shown(
                self.parts[part],
                self.catalogue.parts.read_groups(self.parts[part], self.kind, groups, names),
            )
            for part, groups in by_part.items()
        ]
        return pa.concat_tables([self.schema.empty_table().select(names), *pieces])

    def single(self, columns: Collection[str]) -> pa.Table:
        """Some columns of all sets that have files of their own."""
        table = self._single(self._files)
        return table.select([name for name in table.schema.names if name in columns])

    def whole(self, found: pa.Table) -> pa.Table:
        """All columns of some rows, in any order.

        Args:
            found: Their set_id or, of samples, sample_id and apd.
        """
        if self.kind == "sets":
            ids = found["set_id"].to_pylist()
            tables = [table.select(self.schema.names) for table in self.catalogue.tables(ids)]
            return pa.concat_tables([self.schema.empty_table(), *tables])
        sets = [set_of(name) for name in found["sample_id"].to_pylist()]
        found, ids = found.append_column("set_id", pa.array(sets)), [*dict.fromkeys(sets)]
        numbers = self.catalogue.parts_of(ids, self.versions)
        pieces = []
        for number in sorted(set(numbers.values())):
            part, here = self.parts[number], [name for name in ids if numbers.get(name) == number]
            rows = found.filter(pc.is_in(found["set_id"], value_set=pa.array(here)))
            bounds = self.catalogue.parts.bounds(part, "samples", "apd")
            values = np.unique(rows["apd"].to_numpy())
            groups = [
                group
                for group, (low, high) in enumerate(bounds)
                if not low <= high or ((values >= low) & (values <= high)).any()
            ]
            table = self.catalogue.parts.read_groups(part, "samples", groups, self.schema.names)
            pieces.append(table.filter(pc.is_in(table["sample_id"], value_set=rows["sample_id"])))
        left = {name for name in ids if name not in numbers}
        files = [name for name in self._files if name.split("/")[-1].split(".")[0] in left]
        single = self._single(files)
        pieces.append(single.filter(pc.is_in(single["sample_id"], value_set=found["sample_id"])))
        return pa.concat_tables(pieces)

    def _shown(self, part: Part, table: pa.Table) -> pa.Table:
        """Rows of a part without those that are forgotten or in no snapshot."""
        hidden, only = self.catalogue.hidden_in(part, self.versions), self.catalogue.only
        if hidden:
            names = pa.array(hidden, pa.string())
            table = table.filter(pc.invert(pc.is_in(table["set_id"], value_set=names)))
        if only is not None:
            table = table.filter(pa.array(only.holds(table["set_id"])))
        return table

    def _single(self, files: list[str]) -> pa.Table:
        """Rows in files of single sets."""
        if not files:
            return self.schema.empty_table()
        if self.kind == "samples":
            files = [f"{SAMPLES}/{name}" for name in self.catalogue.samples_files(files)]
        return self.catalogue.loose_rows(files, self.schema).to_table()
