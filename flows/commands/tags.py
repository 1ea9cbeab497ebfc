"""`flawcast tags`: list the tags of a store."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from flawcast.flows.commands.base import JsonFlag, app, console


@app.command(epilog="Example: flawcast tags demo/store")
def tags(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    as_json: JsonFlag = False,
) -> None:
    """List the tags of a store, the oldest first."""
    from flawcast.storage import SampleStore

    rows = [
        {
            "tag": tag.name,
            "sets": tag.sets,
            "made": datetime.fromtimestamp(tag.at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "where": tag.where,
        }
        for tag in SampleStore.open(store).tags()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("tag", overflow="fold")
    table.add_column("sets", justify="right", no_wrap=True)
    table.add_column("made (UTC)", overflow="fold")
    table.add_column("where", overflow="fold")
    for row in rows:
        cells = (str(row[name] or "") for name in ("tag", "sets", "made", "where"))
        table.add_row(*map(escape, cells))
    console().print(table)
