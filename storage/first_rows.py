"""The first rows of a large store: what a question with a limit asks for."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
from numpy.typing import NDArray

from flawcast.storage.catalogue import Catalogue
from flawcast.storage.query import (
    IDS,
    REVIEWED,
    Question,
    UnansweredError,
    answer,
    ask,
    check,
    nodes,
    parse,
    query_error,
    sandbox,
    statement_of,
)
from flawcast.storage.row_groups import GROUP, RowGroups
from flawcast.storage.schema import DEFECT_COLUMNS, MASKS

FEWEST = 20_000  # rows; of fewer, all are read at once
MOST = 1000  # rows of an answer that are looked up one by one
PLAIN_ORDER = re.compile(r'\s*"?([A-Za-z_]+)"?(?:\s+(asc|desc))?\s*', re.IGNORECASE)
FIRST_GROUPS, MOST_GROUPS = 16, 256  # row groups that are read at once
OF_SETTINGS = {"settings", "label", "index", "rank"}  # what columns of defects are computed from


def answer_from(
    catalogue: Catalogue,
    question: Question,
    find: Callable[[], "pads.Dataset | pa.Table"],
    verdicts: Callable[[], pa.Table],
) -> pa.Table:
    """Answer a question about a store: by a few rows if it is large and they are enough.

    Args:
        catalogue: The committed sets.
        question: The query.
        find: As `rows` of `answer`.
        verdicts: As of `answer`.

    Raises:
        QueryError: As `answer` does.
    """
    few = question.limit is not None and 0 < question.limit <= MOST and question.rows in REVIEWED
    if few and sum(part.count for part in catalogue.manifest().parts) > FEWEST:
        return answer_first(question, RowGroups(catalogue, question.rows), verdicts)
    return answer(question, find, verdicts)


def answer_first(
    question: Question, groups: RowGroups, verdicts: Callable[[], pa.Table]
) -> pa.Table:
    """Answer a question with a limit over a large store; arguments and errors as of `answer`.

    Rows are looked for in the columns that the question names, and in the row groups that may have
    the first of the order. Only the rows of the answer are read in full.
    """
    check(question)
    rows, limit = question.rows, question.limit or 0
    try:
        with closing(sandbox().cursor()) as connection:
            reviewed = (reviews := verdicts()).num_rows > 0
            if reviewed:
                connection.register("verdicts", reviews)
            columns, derived = _columns(connection, question, groups)
            by, descending = _plain_order(question, groups)
            names = ", ".join(
                f'"{name}"' for name in dict.fromkeys([IDS[rows], by or IDS[rows], GROUP])
            )
            narrow = statement_of(rows, reviewed, derived).replace("*", names, 1)
            found: pa.Table | None = None
            single = groups.single(columns)
            for chosen, bound in _portions(groups, by, descending):
                table = groups.read(chosen, columns)
                if found is None and single.num_rows:
                    table = pa.concat_tables([table.select(single.schema.names), single])
                connection.register(rows, _with_all(table, groups) if derived else table)
                some = ask(connection, question, narrow, checked=found is not None)
                found = some if found is None else _first(found, some, by, descending, limit)
                if bound is not None and _reaches(found, by, descending, limit, bound):
                    break
            if found is None:  # there is at least one portion
                raise UnansweredError("query: the store has no rows; ask again")
            connection.register(rows, groups.whole(found, IDS[rows]))
            statement = statement_of(rows, reviewed, derived=True)
            table = ask(connection, replace(question, where=None), statement, checked=True)
            if table.num_rows != found.num_rows:
                raise UnansweredError("query: rows moved while they were read; ask again")
            return table
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise UnansweredError(str(query_error("query", error, rows))) from error


def _portions(
    groups: RowGroups, by: str | None, descending: bool
) -> Iterator[tuple[NDArray[np.int64], float | None]]:
    """Row groups to read in turn, and the best value that those after them may have.

    Those that may have the first rows come first. All at once if the order is no plain column.
    """
    total = len(groups)
    if by is None:
        yield np.arange(total), None
        return
    sign = -1.0 if descending else 1.0
    first = groups.bounds(by)[:, 1 if descending else 0] * sign
    order = np.argsort(np.where(np.isnan(first), -np.inf, first), kind="stable")
    first, taken, portion = first[order], 0, FIRST_GROUPS
    while taken + portion < total:
        bound = first[taken + portion]
        yield order[taken : taken + portion], None if np.isnan(bound) else sign * bound
        taken, portion = taken + portion, min(2 * portion, MOST_GROUPS)
    yield order[taken:], None


def _first(
    found: pa.Table, some: pa.Table, by: str | None, descending: bool, limit: int
) -> pa.Table:
    """The first rows of two answers; as in DuckDB, what has no value comes last."""
    order = [(by, "descending" if descending else "ascending")]
    both = pa.concat_tables([found, some])
    return both.sort_by([*order, (both.schema.names[0], "ascending")]).slice(0, limit)


def _reaches(found: pa.Table, by: str | None, descending: bool, limit: int, bound: float) -> bool:
    """Whether rows that were not read cannot be among the first."""
    last = found[by][-1].as_py() if by and found.num_rows == limit else None
    return last is not None and bool(last > bound if descending else last < bound)


def _plain_order(question: Question, groups: RowGroups) -> tuple[str | None, bool]:
    """The column that decides the order if it is one column alone, and whether it descends."""
    if question.order_by is None:
        return IDS[question.rows], False
    match = PLAIN_ORDER.fullmatch(question.order_by)
    name = match[1].lower() if match else ""
    if match is None or name not in groups.schema.names:
        return None, False
    return name, (match[2] or "").lower() == "desc"


def _columns(
    connection: duckdb.DuckDBPyConnection, question: Question, groups: RowGroups
) -> tuple[set[str], bool]:
    """Columns of the schema that a question needs, and whether it names columns of settings."""
    where = "" if question.where is None else f" WHERE ({question.where}\n)"
    order = "" if question.order_by is None else f" ORDER BY {question.order_by}"
    named = {IDS[question.rows]}
    for node in nodes(parse(connection, " ".join(["SELECT 1 FROM x", where, order]))):
        if node.get("class") == "STAR":  # columns by a pattern
            return set(groups.schema.names), True
        if node.get("class") == "COLUMN_REF":
            named.update(name.lower() for name in node.get("column_names", []))
    if named & {MASKS.name, *(name for name, _ in DEFECT_COLUMNS)}:
        return named | OF_SETTINGS, True
    return named, False


def _with_all(table: pa.Table, groups: RowGroups) -> pa.Table:
    """A table with all columns of the schema; those that were not read are null."""
    columns = [
        table[field.name]
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in groups.schema
    ]
    wide = pa.table(columns, schema=groups.schema)
    return wide.append_column(GROUP, table[GROUP])
