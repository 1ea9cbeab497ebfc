"""SQL over the Parquet files of committed sets; the sandbox has no access to anything else."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from flawcast.configs.errors import QueryError, one_line
from flawcast.storage.defect_columns import defect_columns
from flawcast.storage.schema import ANSWERS

SANDBOX: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,  # no files, no network, no other databases
    "python_enable_replacements": False,  # no variables of this process
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "temp_directory": "",  # writes nothing, even if a result does not fit in memory
}
IDS = {
    "sets": "set_id",
    "samples": "sample_id",
    "runs": "run_id",
    "rejects": "run_id, clip",
    "reviews": "reviewed_at, sample_id",
    "forgotten": "forgotten_at, set_id",
}
# The kind of masks and the defect are read by DuckDB here, not by `SetSettings`, so that `where`
# can ask for them without a Python call for every row.
REVIEWED = {  # what reviews add; without any the counts are 0 and the verdicts "none"
    "sets": (
        "0::BIGINT AS accepted, 0::BIGINT AS rejected",
        "coalesce(yes, 0) AS accepted, coalesce(no, 0) AS rejected",
        """LEFT JOIN (
            SELECT set_id, count(*) FILTER (verdict = 'accepted') AS yes,
                count(*) FILTER (verdict = 'rejected') AS no
            FROM verdicts GROUP BY set_id
        ) AS counts USING (set_id)""",
    ),
    "samples": (
        "'none' AS review",
        "coalesce(verdict, 'none') AS review",
        "LEFT JOIN verdicts USING (sample_id)",
    ),
}
KIND_OF_MASKS = "json_extract_string(settings, '$.masks.kind') AS masks"
FROM_SETTINGS = {rows: f"{KIND_OF_MASKS}, {defect_columns(rows)}" for rows in REVIEWED}
STREAMED = 50_000  # rows that are in memory at once
ERROR_KIND = re.compile(r"[A-Z][A-Za-z ]{2,20} Error: ")


class UnansweredError(QueryError):
    """A valid question could not be answered: values do not fit, or a file is gone."""


@dataclass(frozen=True)
class Question:
    """A query; the arguments are those of `SampleStore.query`."""

    where: str | None
    order_by: str | None
    limit: int | None
    rows: str


def answer(
    question: Question,
    rows: Callable[[], "pads.Dataset | pa.Table"],
    verdicts: Callable[[], pa.Table],
) -> pa.Table:
    """Answer a question.

    Args:
        question: The query.
        rows: Returns the rows of that kind; called only if the question looks valid.
        verdicts: Returns the present reviews of samples, columns as in VERDICTS.

    Raises:
        QueryError: If the question is not valid.
        UnansweredError: If answering failed, because of the question or because of a file.
        StoreError: If `rows` raises it.
    """
    check(question)
    table = rows()
    try:
        with closing(sandbox().cursor()) as connection:
            connection.register(question.rows, table)
            reviewed = question.rows in REVIEWED and (reviews := verdicts()).num_rows > 0
            if reviewed:
                connection.register("verdicts", reviews)
            # Columns that are there were found out before: see storage/sample_cache.py.
            statement = statement_of(question.rows, reviewed, "masks" not in table.schema.names)
            return ask(connection, question, statement)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise UnansweredError(str(query_error("query", error, question.rows))) from error


def stream(
    rows: str,
    table: "pads.Dataset | pa.Table",
    verdicts: pa.Table,
    where: str | None,
    columns: Sequence[str] | None,
    checked: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Rows of sets or samples one portion after the other, in any order.

    Args:
        rows: "sets" or "samples".
        table: The rows of that kind.
        verdicts: The present reviews of samples.
        where: A condition of `answer`.
        columns: Columns of ANSWERS; None for all.
        checked: Whether the condition was checked before.

    Raises:
        QueryError: If the condition is not valid.
        UnansweredError: If answering failed, because of the condition or because of a file.
    """
    check(Question(where, None, None, rows))
    try:
        with closing(sandbox().cursor()) as connection:
            connection.register(rows, table)
            if verdicts.num_rows:
                connection.register("verdicts", verdicts)
            statement = statement_of(rows, verdicts.num_rows > 0, derived=True)
            clause = "" if where is None else f" WHERE ({where}\n)"
            if where is not None and not checked:
                _check_clause(connection, "where", statement, clause, rows)
            if columns is not None:
                names = ", ".join(f'"{name}"' for name in columns)
                statement = statement.replace("*", names, 1)
            yield from connection.sql(statement + clause).to_arrow_reader(STREAMED)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise UnansweredError(str(query_error("query", error, rows))) from error


def statement_of(rows: str, reviewed: bool, derived: bool) -> str:
    """The statement that a user's clauses are added to.

    Args:
        rows: What is asked for.
        reviewed: Whether verdicts are registered.
        derived: Whether columns have to be read from the settings.
    """
    if rows not in REVIEWED:
        return " ".join(["SELECT * FROM", rows])
    without, given, join = REVIEWED[rows]
    columns = [f"{rows}.*", FROM_SETTINGS[rows]] if derived else [f"{rows}.*"]
    columns.append(given if reviewed else without)
    inner = ["SELECT", ", ".join(columns), "FROM", rows, join if reviewed else ""]
    return " ".join(["SELECT * FROM (", *inner, ") AS", rows])


@lru_cache(maxsize=1)
def sandbox() -> duckdb.DuckDBPyConnection:
    """An empty database, opened once, because opening takes as long as answering.

    Tables that a question registers belong to its own cursor and disappear with it.
    """
    connection = duckdb.connect(":memory:", config=SANDBOX)
    connection.execute("SET lock_configuration = true")
    return connection


os.register_at_fork(before=sandbox.cache_clear)  # its threads do not survive a fork


def check(question: Question) -> None:
    """Refuse mistakes that can be seen without parsing SQL."""
    if question.rows not in ANSWERS:
        expected = ", ".join(map(repr, ANSWERS))
        raise QueryError(f"rows: expected {expected}, got {question.rows!r}")
    for name, text in (("where", question.where), ("order by", question.order_by)):
        if text is not None and not text.strip():
            raise QueryError(f"{name}: expected an expression, got nothing; leave it out for all")
    if question.limit is not None and question.limit < 0:
        raise QueryError(f"limit: expected 0 or more, got {question.limit}; leave it out for all")


def ask(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    statement: str,
    checked: bool = False,
) -> pa.Table:
    """Build and run the statement; each expression is checked on its own, if it was not before."""
    where, order = "", f" ORDER BY {IDS[question.rows]}"  # the same answer every time
    if question.where is not None:
        where = f" WHERE ({question.where}\n)"  # the line ends a comment in the expression
        if not checked:
            _check_clause(connection, "where", statement, where, question.rows)
    if question.order_by is not None:
        order = f" ORDER BY {question.order_by}\n, {IDS[question.rows]}"
        if not checked:
            _check_clause(connection, "order by", statement, order, question.rows)
    limit = "" if question.limit is None else f" LIMIT {int(question.limit)}"
    return connection.sql(statement + where + order + limit).to_arrow_table()


def _check_clause(
    connection: duckdb.DuckDBPyConnection, name: str, statement: str, clause: str, rows: str
) -> None:
    """Check that a user's text is one clause over the columns and nothing else.

    The text is parsed as part of the statement; the rest of the statement must parse as it does
    without the text. Table functions are refused, although the sandbox stops those that are known
    to read files.
    """
    try:
        tree, plain = parse(connection, statement + clause), parse(connection, statement)
        if isinstance(tree.get("error_message"), str):
            raise duckdb.ParserException(tree["error_message"])
        texts = list(_without_clause(tree, name)), list(_without_clause(plain, name))
        functions = any(node.get("type") == "TABLE_FUNCTION" for node in nodes(tree))
        if texts[0] != texts[1] or functions:
            raise duckdb.ParserException(
                "expected expressions over the columns" + ", without table functions" * functions
            )
        connection.sql(statement + clause)  # binds the columns; nothing is read
    except (duckdb.Error, RecursionError, UnicodeError) as error:
        raise query_error(name, error, rows) from None


def parse(connection: duckdb.DuckDBPyConnection, statement: str) -> dict[str, Any]:
    """DuckDB's own parse tree of a statement."""
    ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    return tree


def _without_clause(tree: dict[str, Any], name: str) -> Iterator[str]:
    """The statements of a tree with one clause left out, as text."""
    for statement in tree["statements"]:
        node = dict(statement["node"])
        if name == "where":
            node.pop("where_clause", None)
        else:
            kinds = [modifier["type"] for modifier in node.pop("modifiers", [])]
            node["others"] = [kind for kind in kinds if kind != "ORDER_MODIFIER"]
        yield json.dumps(node, sort_keys=True)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a parse tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def query_error(name: str, error: Exception, rows: str) -> QueryError:
    """One line: what is wrong, how to quote text, and the names of the columns."""
    reason = one_line(str(error).partition("\n\nLINE")[0], limit=None)
    reason = ERROR_KIND.sub("", reason, count=1)
    columns = ", ".join(ANSWERS[rows].names)
    return QueryError(
        f"{name}: {reason}; text stands in 'single quotes', the columns are: {columns}"
    )
