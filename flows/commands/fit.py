"""`flawcast fit`: give a model a forecaster."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    FutureOption,
    JsonFlag,
    PastOption,
    QuietFlag,
    app,
    console,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast fit clips --model line-128 --out model")
def fit(
    model: Annotated[str, typer.Option(help="Model folder, or shipped model, to build on.")],
    clips: Annotated[
        Path | None, typer.Argument(help="Folder of clips; none for a shipped model's line.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Model folder to write; without it the model gets the forecaster."),
    ] = None,
    forecaster: Annotated[str | None, typer.Option(help="Forecaster by name.")] = None,
    past: PastOption = None,
    future: FutureOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Largest number of epochs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the model's seed.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit a forecaster to the keypoints that a model, an imported one say, finds in clips."""
    from flawcast.flows.train.run import fit as run
    from flawcast.flows.train.summary import print_training
    from flawcast.generators.model import find_model

    changes = {
        "forecaster.name": forecaster,
        "forecast.past": past,
        "forecast.future": future,
        "forecast.epochs": epochs,
        "seed": seed,
    }
    with interruptible("the same command goes on from the last epoch"):
        summary = run(clips, find_model(model), changes, out, display(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, console())
