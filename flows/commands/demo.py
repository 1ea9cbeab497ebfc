"""`flawcast demo`: the whole job on the built-in line."""

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
    clips_per_state: Annotated[int, typer.Option(min=1, help="Clips of each state.")] = 2,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept per set.")] = 20,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the whole job on the built-in line, with the shipped model."""
    from flawcast.flows.demo import DemoRequest, run_demo

    request = DemoRequest(
        out=out,
        clips_per_state=clips_per_state,
        samples=samples,
        keep=keep,
        seed=seed,
        workers=workers,
    )
    with interruptible():
        summary = run_demo(request, display(quiet or as_json))
    report(summary, as_json)
    if not as_json:
        typer.echo(
            f'most diverse sets:  flawcast query {out / "store"} --order-by "apd desc" --limit 5'
        )
