"""`flawcast train`: make a model from clips."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    BackboneOption,
    DeviceOption,
    FutureOption,
    JsonFlag,
    MosaicOption,
    PastOption,
    QuietFlag,
    app,
    console,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast train clips --preset tiny --out model")
def train(
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    clips: Annotated[
        Path | None, typer.Argument(help="Folder of clips; none for a preset's built-in line.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A preset's name or a YAML file.", show_default="small")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the motion model, instead of the preset's.")
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="FOMM only: learn from parts that are cut out of the clips and pasted elsewhere. "
            "--backbone layers always does.",
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="End adapting after so many minutes, if steps are left."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Frame size, instead of the preset's.")
    ] = None,
    mosaic: MosaicOption = None,
    past: PastOption = None,
    future: FutureOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the preset's seed.")] = None,
    backbone: BackboneOption = None,
    start: Annotated[
        str | None,
        typer.Option(help="Model, or shipped model, whose motion model to train further."),
    ] = None,
    device: DeviceOption = "auto",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on clips: the motion model, then its keypoints' forecaster."""
    from flawcast.flows.train.options import train_settings
    from flawcast.flows.train.run import train as run
    from flawcast.flows.train.summary import print_training

    changes = {
        "steps": steps,
        "minutes": minutes,
        "clips.size": size,
        "clips.mosaic": mosaic,
        "forecast.past": past,
        "forecast.future": future,
        "seed": seed,
        "start": start,
    }
    settings = train_settings(preset, backbone, adapt, changes)
    with interruptible("the same command goes on from the last checkpoint"):
        summary = run(clips, settings, out, display(quiet or as_json), device)
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, console())
