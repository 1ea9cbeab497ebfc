"""`flawcast diff`: what changed between two tags of a store."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from flawcast.flows.commands.base import JsonFlag, app, console

if TYPE_CHECKING:
    from flawcast.flows.query.diff import Difference

LISTED = 20  # ids of a kind; --json has all


@app.command(epilog="Example: flawcast diff demo/store for-detector-7 now")
def diff(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    before: Annotated[str, typer.Argument(help="A tag, or now for the store as it is.")],
    after: Annotated[str, typer.Argument(help="A tag, or now.")],
    as_json: JsonFlag = False,
) -> None:
    """Show which sets and reviews differ between two tags, or between a tag and now."""
    from flawcast.flows.query.diff import diff as compare

    found = compare(store, before, after)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        _print(found)


def _print(found: "Difference") -> None:
    """A table by label, and the ids of what differs."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("sets by label", overflow="fold")
    for name in (found.before, found.after, "added", "removed"):
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in found.labels:
        counts = (row.before, row.after, row.added, row.removed)
        table.add_row(escape(row.label), *map(str, counts))
    counts = (*found.sets, len(found.added), len(found.removed))
    table.add_row("all", *map(str, counts))
    console().print(table)
    _list("added", found.added)
    _list("removed", found.removed)
    _list("made again", found.made_again)
    changed = [f"{item.sample_id}: {item.before} -> {item.after}" for item in found.reviews]
    _list("reviews changed", changed)


def _list(what: str, names: Sequence[str]) -> None:
    """A kind of difference, if there is any."""
    if names:
        typer.echo(f"{what}: {len(names)}")
        for name in names[:LISTED]:
            typer.echo(f"  {name}")
        if len(names) > LISTED:
            typer.echo(f"  and {len(names) - LISTED} more; --json lists all")
