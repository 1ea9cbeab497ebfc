"""`flawcast runs`: list the runs that wrote into a store."""

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from flawcast.flows.commands.base import (
    JsonFlag,
    app,
    console,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]
RUN_COLUMNS = ("planned", "made", "skipped", "failed", "rejected")


@app.command(epilog="Example: flawcast runs demo/store")
def runs(store: StoreArgument, as_json: JsonFlag = False) -> None:
    """List the runs that added to a store: state, counts and durations."""
    from flawcast.storage import SampleStore

    rows = SampleStore.open(store).query(rows="runs", order_by="started").to_pylist()
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("run", overflow="fold")  # in a narrow terminal on several lines, but whole
    table.add_column("state", no_wrap=True)
    table.add_column("started (UTC)", overflow="fold")
    table.add_column("time", no_wrap=True)
    for name in RUN_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        counts = ("-" if row[name] is None else str(row[name]) for name in RUN_COLUMNS)
        started = row["started"].strftime("%Y-%m-%d %H:%M")
        table.add_row(row["run_id"], row["state"], started, _duration(row), *counts)
    console().print(table)


def _duration(row: dict[str, Any]) -> str:
    """How long a run took, or how long it has been known to run."""
    seconds = round(row["seconds"])
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text if row["ended"] else f"{text} +"
