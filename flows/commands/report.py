"""`flawcast report`: write one page about a store."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, QuietFlag, TagOption, app, display, interruptible


@app.command(epilog="Example: flawcast report demo/store --out report.html")
def report(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    where: Annotated[
        str | None, typer.Option(help="SQL condition over sets, e.g. \"label = 'jam'\".")
    ] = None,
    most: Annotated[
        int,
        typer.Option("--sets", min=1, help="At most so many sets with their videos; all count."),
    ] = 100,
    moving: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.webp",
            help="Also write a looping picture of the most diverse sets, for slides and documents.",
        ),
    ] = None,
    tag: TagOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write one page about a store: scores, plots, looping clips; opens without a network."""
    from flawcast.flows.report import write_report
    from flawcast.storage import SampleStore

    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = write_report(store, out, where, most, on_set, tag)
    if moving is not None:
        from flawcast.flows.report.moving import write_moving

        write_moving(SampleStore.open(store, tag=tag), moving, where)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    for line in done.damaged:
        typer.echo(f"flawcast: left out: {line}", err=True)
    typer.echo(f"{done.out}: {done.sets} sets, {done.shown} with videos, {done.bytes / 1e6:.1f} MB")
