"""`flawcast tag`: give a name to what is in a store now."""

import json
from typing import Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import JsonFlag, app


@app.command(epilog="Example: flawcast tag demo/store for-detector-7 --where \"label <> 'slip'\"")
def tag(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    name: Annotated[str, typer.Argument(help="Letters, digits, '.', '_' and '-'.")],
    where: Annotated[
        str | None, typer.Option(help="SQL condition over sets, e.g. \"label = 'jam'\".")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the tag, and no set.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Name a snapshot of a store; query, export, report and browse show it with --tag NAME."""
    from flawcast.storage import SampleStore

    if delete and where is not None:
        raise SettingsError("tag: --delete removes a whole tag, got --where, too; leave it out")
    SampleStore.open(store)  # refuses an absent store instead of creating it
    opened = SampleStore.open(store, "a")
    if delete:
        opened.delete_tag(name)
        typer.echo(json.dumps({"deleted": name}) if as_json else f"tag {name}: deleted")
        return
    made = opened.tag(name, where)
    if as_json:
        typer.echo(json.dumps({"tag": made.name, "sets": made.sets, "where": made.where}))
    else:
        typer.echo(f"tag {made.name}: {made.sets} sets")
