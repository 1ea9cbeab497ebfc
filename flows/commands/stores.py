"""Commands that ask a store: query, verify."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.base import (
    Format,
    JsonFlag,
    Rows,
    app,
    console,
)


@app.command()
def query(
    store: Annotated[str, typer.Argument(help="Store.")],
    where: Annotated[
        str | None, typer.Option(help="SQL condition, e.g. \"apd > 0.02 and label = 'jam'\".")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option(help='Column or expression, e.g. apd or "apd desc".')
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows.")] = None,
    rows: Annotated[
        Rows, typer.Option(help="One row per sample set, or per kept sample.")
    ] = Rows.sets,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find sample sets by diversity, error, label or any other column."""
    from flows.answers import write_answer
    from storage import SampleStore

    table = SampleStore.open(store).query(where, order_by, limit, rows.value)
    write_answer(table, Format.json.value if as_json else format.value, out, console())


@app.command()
def verify(
    store: Annotated[str, typer.Argument(help="Store.")],
    as_json: JsonFlag = False,
) -> None:
    """Recompute every checksum and name what is damaged."""
    from storage import SampleStore

    opened = SampleStore.open(store)
    problems = opened.verify()
    if as_json:
        found = [{"set_id": item.set_id, "problem": item.problem} for item in problems]
        typer.echo(json.dumps({"sets": len(opened.set_ids()), "problems": found}))
    else:
        for item in problems:
            typer.echo(f"{item.set_id}: {item.problem}")
        typer.echo(f"{len(opened.set_ids())} sets, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
