"""`flawcast gc`: remove leftovers from a store."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    app,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]


@app.command(epilog="Example: flawcast gc demo/store")
def gc(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    older_than: Annotated[
        float,
        typer.Option(min=0, help="Hours: leave what is younger; less than 1 if nothing writes."),
    ] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Remove what killed writers and compaction left over, and nothing that a row names."""
    from flawcast.storage import SampleStore

    opened = SampleStore.open(store, "r" if dry_run else "a")
    removed, count, size = [], 0, 0
    for item in opened.gc(dry_run, older_than):
        count, size = count + 1, size + item.size
        if as_json:
            removed.append(asdict(item))
        else:
            typer.echo(f"{item.kind:9} {item.size:12,} bytes  {item.name}")
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "bytes": size, "removed": removed}))
    else:
        verb = "would remove" if dry_run else "removed"
        typer.echo(f"{verb} {count} files and folders, {size:,} bytes")
