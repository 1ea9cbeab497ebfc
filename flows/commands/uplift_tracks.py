"""`flawcast uplift-tracks`: the same for clips with masks of anomalies."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, QuietFlag, app, display, interruptible


@app.command(epilog="Example: flawcast uplift-tracks clips --k 1 --k 3 --out uplift")
def uplift_tracks(
    clips: Annotated[
        Path, typer.Argument(help="Clips of a fixed camera; labels.csv names masks of anomalies.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="Clips with anomalies to learn from.")
    ] = None,
    good: Annotated[int, typer.Option(min=1, help="Clips without anomalies to learn from.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of those clips.")] = 5,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 10,
    made: Annotated[int, typer.Option(min=1, help="Pictures of each arm with samples.")] = 80,
    normal: Annotated[str, typer.Option(help="Label of clips without anomalies.")] = "normal",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare detectors trained with and without anomalies moved along their own tracks."""
    from flawcast.flows.uplift.tracks import TracksRequest
    from flawcast.flows.uplift.tracks import uplift_tracks as run

    request = TracksRequest(
        clips=clips,
        out=out,
        k=tuple(dict.fromkeys(k or (1, 3))),
        good=good,
        seeds=seeds,
        every=every,
        made=made,
        normal=normal,
    )
    with (
        interruptible("finished cells are in the folder, the same command goes on"),
        display(quiet or as_json).counting("cells") as on_done,
    ):
        values = run(request, on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
