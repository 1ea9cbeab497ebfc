"""`flawcast generate`: make sample sets of a folder of clips."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flawcast.configs.settings import Mode, Motion
from flawcast.flows.commands.base import (
    DeviceOption,
    JsonFlag,
    PrecisionOption,
    QuietFlag,
    SeedOption,
    WorkersOption,
    app,
    display,
    interruptible,
    report,
)


@app.command(
    epilog="Example: flawcast generate clips --model demo --store store --samples 50 --keep 10"
)
def generate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    store: Annotated[str, typer.Option(help="Store to add to; made if absent.")],
    mode: Annotated[
        Literal[Mode, "both"], typer.Option(help="Whose frame is animated.")
    ] = "reconstruction",
    sources: Annotated[
        Path | None,
        typer.Option(help="Clips to animate in transfer mode; the same clips if not given."),
    ] = None,
    past: Annotated[
        int | None, typer.Option(min=1, help="Past frames P; as trained if not given.")
    ] = None,
    future: Annotated[
        int | None, typer.Option(min=2, help="Future frames F; as trained if not given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept, lowest MAE first.")] = 20,
    forecaster: Annotated[
        str | None, typer.Option(help="Refuse a model whose forecaster is another one.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.01, help="Scale of the base noise.")] = 1.0,
    motion: Annotated[
        Motion, typer.Option(help="How motion is carried over in transfer mode; avd for TPS alone.")
    ] = "relative",
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale that motion to the source's size.")
    ] = False,
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="Largest number of windows per clip; all if not given."),
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Store masks and their validity beside the videos.")
    ] = False,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; one is started if not given.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Sample, render and score futures of every window of every clip, and keep the best."""
    from flawcast.flows.generate.request import request_from_options
    from flawcast.flows.generate.run import generate as run
    from flawcast.generators.model import find_model

    request = request_from_options(
        clips=clips,
        model=find_model(model),
        store=store,
        mode=mode,
        sources=sources,
        forecaster=forecaster,
        windows=windows,
        masks=masks,
        workers=workers,
        ray_address=ray_address,
        device=device,
        settings={
            "past": past,
            "future": future,
            "samples": samples,
            "keep": keep,
            "temperature": temperature,
            "transfer": {"mode": motion, "adapt_movement_scale": adapt_scale},
            "seed": seed,
            "precision": precision,
        },
    )
    with interruptible():
        summary = run(request, display(quiet or as_json))
    report(summary, as_json)
