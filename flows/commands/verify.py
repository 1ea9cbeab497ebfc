"""`flawcast verify`: find damage in a store."""

import json
from dataclasses import asdict
from itertools import count
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    TagOption,
    app,
    display,
    interruptible,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]


@app.command(epilog="Example: flawcast verify demo/store")
def verify(
    store: StoreArgument,
    tag: TagOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Recompute every checksum and id, and name what is damaged."""
    from flawcast.storage import SampleStore

    opened = SampleStore.open(store, tag=tag)
    sets, problems = len(opened.set_ids()), []
    with (
        interruptible("what was read so far is told above"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = count(1)
        for item in opened.find_problems(ids=True, on_set=lambda: on_set(next(done), sets)):
            problems.append(asdict(item))
            if not as_json:
                typer.echo(f"{item.set_id}: {item.problem}")
    if as_json:
        typer.echo(json.dumps({"sets": sets, "problems": problems}))
    else:
        typer.echo(f"{sets} sets, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
