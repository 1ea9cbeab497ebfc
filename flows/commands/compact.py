"""`flawcast compact`: keep queries of a large store fast."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    app,
    display,
    interruptible,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]


@app.command(epilog="Example: flawcast compact demo/store")
def compact(store: StoreArgument, quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Move the rows of many sets into few sorted files, so that queries stay fast."""
    from flawcast.storage import SampleStore

    opened = SampleStore.open(store, "a")
    with (
        interruptible("nothing was changed"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = opened.compact(on_set)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    elif not done.won:
        typer.echo("another compaction finished first; nothing was changed")
    else:
        typer.echo(f"rows of {done.moved} sets moved; {done.parts} parts")
        if done.left:
            typer.echo(f"{done.left} damaged sets were left as they are; see `flawcast verify`")
