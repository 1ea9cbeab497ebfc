"""`flawcast demo`: the whole job on the built-in lines."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    SeedOption,
    WorkersOption,
    app,
    display,
    interruptible,
    report,
)


@app.command(epilog="Example: flawcast demo --out demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for clips, store and report.")] = Path("demo"),
    clips_per_state: Annotated[
        int, typer.Option(min=1, help="Clips of the plain line, of each state.")
    ] = 2,
    textured: Annotated[
        int, typer.Option(min=0, help="Clips of the textured line; 0 leaves it out.")
    ] = 4,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept per set.")] = 20,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the whole job on two built-in lines, with the shipped model and without any."""
    from flawcast.flows.demo import DemoRequest, run_demo

    request = DemoRequest(
        out=out,
        clips_per_state=clips_per_state,
        textured=textured,
        samples=samples,
        keep=keep,
        seed=seed,
        workers=workers,
    )
    with interruptible():
        made = run_demo(request, display(quiet or as_json))
    if as_json:
        values = {look: summary.to_json() for look, summary in made.items()}
        typer.echo(json.dumps(values.pop("plain") | values))
        return
    for summary in made.values():
        report(summary, as_json)
    typer.echo(
        f'most diverse sets:  flawcast query {out / "store"} --order-by "apd desc" --limit 5'
    )
