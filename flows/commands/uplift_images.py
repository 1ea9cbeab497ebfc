"""`flawcast uplift-images`: the same for still pictures."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    app,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast uplift-images pictures --driving clips --out uplift")
def uplift_images(
    images: Annotated[Path, typer.Argument(help="Pictures, NAME_mask.png beside defective ones.")],
    driving: Annotated[Path, typer.Option(help="Clips whose motion the pictures take on.")],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    number: Annotated[
        str, typer.Option(help="Expression whose group is the number in a picture's name.")
    ] = r"(\d+)",
    gap: Annotated[
        int, typer.Option(min=0, help="Numbers that differ by at most this are one item.")
    ] = 0,
    folds: Annotated[int, typer.Option(min=2, help="Cross-validation folds, by item.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of folds.")] = 2,
    copies: Annotated[int, typer.Option(min=1, help="Frames made of each picture.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 300,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare mask scorers trained with and without frames made of real defect pictures."""
    from flawcast.flows.uplift.images import ImagesRequest
    from flawcast.flows.uplift.images import uplift_images as run

    request = ImagesRequest(
        images=images,
        driving=driving,
        out=out,
        model=model,
        number=number,
        gap=gap,
        folds=folds,
        seeds=seeds,
        copies=copies,
        steps=steps,
    )
    with (
        interruptible("finished cells are in the folder, the same command goes on"),
        display(quiet or as_json).counting("pictures and cells") as on_done,
    ):
        values = run(request, on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
