"""Commands that make models: train, import, fit."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.base import (
    BackboneOption,
    DeviceOption,
    JsonFlag,
    QuietFlag,
    app,
    console,
    display,
    interruptible,
)


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    clips: Annotated[
        Path | None, typer.Argument(help="Folder of clips; none for a preset's built-in line.")
    ] = None,
    preset: Annotated[str, typer.Option(help="A preset's name or a YAML file.")] = "small",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the motion model, instead of the preset's.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Frame size, instead of the preset's.")
    ] = None,
    past: Annotated[int | None, typer.Option(min=1, help="Past frames per window.")] = None,
    future: Annotated[int | None, typer.Option(min=2, help="Future frames per window.")] = None,
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
    from configs.preset_files import load_preset
    from flows.train import train as run
    from flows.train_summary import print_training

    changes = {
        "motion.steps": steps,
        "clips.size": size,
        "forecast.past": past,
        "forecast.future": future,
        "seed": seed,
        "start": start,
    }
    settings = load_preset(preset, backbone).overridden(changes)
    with interruptible("the same command goes on from the last checkpoint"):
        summary = run(clips, settings, out, display(quiet or as_json), device)
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, console())


@app.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="Published file, e.g. vox-256.pth.tar.")],
    backbone: Annotated[str, typer.Option(help="fomm, tps or vid2vid.")],
    config: Annotated[
        str, typer.Option(help="Name of a published configuration, or its YAML file.")
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    as_json: JsonFlag = False,
) -> None:
    """Turn published weights of a motion model into a model folder; runs no code from the file."""
    from flows.import_model import import_model

    model = import_model(checkpoint, backbone, config, out)
    weights = sum(value.numel() for value in model.parameters())
    if as_json:
        about = {"backbone": backbone, "weights": weights, "features": model.layout.length}
        typer.echo(json.dumps({"model": str(out), **about}))
        return
    typer.echo(f"{out}: {backbone}, {weights / 1e6:.1f} million weights, D = {model.layout.length}")
    typer.echo(f"next: flawcast fit CLIPS --model {out}   (or: flawcast animate)")


@app.command()
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
    past: Annotated[int | None, typer.Option(min=1, help="Past frames per window.")] = None,
    future: Annotated[int | None, typer.Option(min=2, help="Future frames per window.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the model's seed.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit a forecaster to the keypoints that a model, an imported one say, finds in clips."""
    from flows.train import fit as run
    from flows.train_summary import print_training
    from generators.model import find_model

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
